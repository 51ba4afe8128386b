# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names an inventory may set, and finding the ones that were meant but misspelt.

Argument specs check the variables they know; a name they do not know passes unseen and its default is used instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONTRACT_PREFIX = "endpoint_stats_"
CONTRACT = (
    "endpoint_stats_backup_databases",
    "endpoint_stats_backup_globals_identity_file",
    "endpoint_stats_backup_globals_passphrase_file",
    "endpoint_stats_backup_manifest_key_file",
    "endpoint_stats_backup_secrets",
    "endpoint_stats_backups_dir",
    "endpoint_stats_cluster",
    "endpoint_stats_kubeconfig",
    "endpoint_stats_metrics_dir",
    "endpoint_stats_namespace",
    "endpoint_stats_offsite",
    "endpoint_stats_postgresql",
    "endpoint_stats_redis",
    "endpoint_stats_release",
    "endpoint_stats_reports_dir",
    "endpoint_stats_search",
    "endpoint_stats_secrets_dir",
    "endpoint_stats_vault_password_file",
)

# Words that are one or two letters away from a word of a prefix and are ordinary in other people's variables.
_ORDINARY_WORDS = frozenset({"clusters", "endpoints", "state", "states", "status"})
_LONG_STEM_LETTERS = 12


@dataclass(frozen=True)
class Family:
    """The variables that share a prefix, and what they are called in a message."""

    prefix: str
    known: tuple[str, ...]
    title: str

    @property
    def stem(self) -> str:
        return self.prefix.rstrip("_")

    def neighbour(self, rest: str) -> str:
        """The known name whose part after the prefix is nearest to `rest`, or nothing."""
        rests = [name.removeprefix(self.prefix) for name in self.known]
        near = difflib.get_close_matches(rest, rests, n=1, cutoff=0.6)
        return f"{self.prefix}{near[0]}" if near else ""


def unknown_variables(names: Iterable[str], prefix: str, known: Sequence[str]) -> list[str]:
    """One sentence for each name that was probably meant for us and that nothing reads."""
    families = (
        Family(prefix, tuple(known), f"the role {prefix.rstrip('_')}"),
        Family(CONTRACT_PREFIX, CONTRACT, "the inventory contract endpoint_stats_*"),
    )
    messages = (_judge(name, families) for name in names)
    return sorted({message for message in messages if message})


def _judge(name: str, families: Sequence[Family]) -> str:
    if name.startswith(("_", "ansible_")):
        return ""
    for family in families:
        if name in family.known:
            return ""
        if name.startswith(family.prefix):
            neighbour = family.neighbour(name.removeprefix(family.prefix))
            return f"{name} is not a variable of {family.title}{_suggest(neighbour)}"
    for family in families:
        meant = _near_miss(name, family)
        if meant:
            return f"{name} looks like a misspelt variable of {family.title}{_suggest(meant)}"
    return ""


def _suggest(neighbour: str) -> str:
    return f", did you mean {neighbour}?" if neighbour else "; no name there is close to it."


def _near_miss(name: str, family: Family) -> str:
    """What a name outside the family was probably meant to be; empty where it is somebody else's."""
    for known in family.known:
        if _distance(_letters(name), _letters(known)) <= 1:
            return known
    words = name.replace("-", "_").split("_")
    stem_words = family.stem.split("_")
    for count in range(max(1, len(stem_words) - 1), min(len(stem_words) + 2, len(words))):
        head, rest = words[:count], "_".join(words[count:])
        if not _is_near(_letters("".join(head)), _letters(family.stem)):
            continue
        meant = family.neighbour(rest)
        if meant:
            return meant
        if len(_letters(family.stem)) >= _LONG_STEM_LETTERS and not _is_ordinary(head, stem_words):
            return f"{family.prefix}{rest}"
    return ""


def _is_near(head: str, stem: str) -> bool:
    return _distance(head, stem) <= (2 if len(stem) >= _LONG_STEM_LETTERS else 1)


def _is_ordinary(head: Sequence[str], stem_words: Sequence[str]) -> bool:
    """Whether the words that differ are words of their own (status) or numbered ones (cluster2)."""
    strangers = [word.lower() for word in head if word not in stem_words]
    return bool(strangers) and all(word in _ORDINARY_WORDS or word[-1:].isdigit() for word in strangers)


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other."""
    older: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        current = [i]
        for j, b in enumerate(right, start=1):
            best = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            current.append(best)
        older, previous = previous, current
    return previous[-1]
