# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a backup, what is seen of it, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .._errors import OpsError, of_system
from .._progress import Progress
from . import manifest
from .compare import Comparison
from .compressed import DamagedFileError
from .contents import EntryDifference
from .load_error import LoadError
from .manifest import Manifest, ManifestError
from .sealing import Keys
from .selection import Selection

LEVELS = CHECKSUM, DATA, CONSTRAINTS, FULL = ("checksum", "data", "constraints", "full")
_MOST_NICENESS = 19
VERDICTS = PASSED, FAILED, UNKNOWN = ("passed", "failed", "could_not_verify")
STRUCTURES = EXACT, STRUCTURAL = ("exact", "structural")
COUNTED = ("files", "bytes", "entries", "tables", "rows", "views", "sequences", "indexes_parsed", "relations_examined")


@dataclass(frozen=True)
class Asked:
    """How a backup is looked at; the names are those of the module's options, C(selection) is that of the directory."""

    level: str
    database: str
    expected_system_identifier: str
    scratch_dir: str
    jobs: int
    timeout_seconds: float
    manifest_key_file: str = ""
    accept_unsigned: bool = False
    amcheck: bool = False
    scratch_max_bytes: int = 0
    globals_identity_file: str = ""
    globals_passphrase_file: str = ""
    scratch_niceness: int = 0
    selection: Selection | None = None
    accept_newer_server: bool = False

    def __post_init__(self) -> None:
        for name in ("jobs", "timeout_seconds"):
            if getattr(self, name) < 1:
                raise OpsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.scratch_niceness <= _MOST_NICENESS:
            raise OpsError(f"scratch_niceness must be between 0 and {_MOST_NICENESS}, not {self.scratch_niceness}")
        if self.scratch_max_bytes < 0:
            raise OpsError(f"scratch_max_bytes must be at least 0, not {self.scratch_max_bytes}")
        if self.amcheck and self.level != FULL:
            raise OpsError(f"amcheck looks at the indexes of level {FULL}", remedy=f"Verify at level {FULL}, or without amcheck.")

    @property
    def keys(self) -> Keys:
        """What opens the roles."""
        return Keys(self.globals_identity_file, self.globals_passphrase_file)


@dataclass
class Seen:
    """What was seen of a backup. Without differences and without a reason, and with all of it looked at, it is good.

    C(odd) is what deserves a word and speaks against the database rather than the backup, C(note) is what may explain differences.
    C(rewritten) is what another release of PostgreSQL writes in other words, C(scratch_version) the one that it was restored on.
    """

    verdict: str = ""
    reason: str = ""
    differences: list[EntryDifference] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    manifest: Manifest | None = None
    odd: list[EntryDifference] = field(default_factory=list)
    note: str = ""
    roles_unseen: bool = False
    scratch_version: str = ""
    across: bool = False
    structure: str = ""
    rewritten: list[EntryDifference] = field(default_factory=list)

    def add(self, comparison: Comparison, what: str) -> None:
        self.differences += comparison.differences
        self.checked[what] += comparison.checked

    def differ(self, kind: str, subject: str, expected: str, found: str) -> None:
        self.differences.append(EntryDifference(kind, subject, expected, found))


def judged(progress: Progress, look: Callable[[Seen], None]) -> Seen:
    """What was seen with its verdict: what differs has failed, what kept from looking leaves it unknown."""
    seen = Seen()
    try:
        look(seen)
    except ManifestError as error:
        seen.differ("manifest", manifest.FILE_NAME, "one that can be relied on", _told(error))
    except LoadError as error:
        seen.differ(error.kind, error.part, "no error", _told(error))
    except DamagedFileError as error:
        seen.differ(error.kind, error.path, error.expected, error.found)
    except OpsError as error:
        seen.reason = str(error)
    except OSError as error:
        seen.reason = str(of_system(error))
    finally:
        progress.end()
    if seen.differences:
        seen.verdict, seen.reason = FAILED, _first(seen.differences) + seen.note
    elif seen.reason:
        seen.verdict = UNKNOWN
    return seen


def _first(differences: list[EntryDifference]) -> str:
    first = differences[0]
    others = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
    return f"{first.line}{others}"


def _told(error: OpsError) -> str:
    return f"{error.summary}: {error.cause}" if error.cause else error.summary
