# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was restored against what its backup holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from .._deadline import Deadline
from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import compare, content, sequence_values, snapshot
from .contents import EntryDifference
from .exchange import Target
from .judgements import across_releases, odd
from .load import Loader, statements
from .manifest import Manifest
from .restore_plan import Plan

_SHOWN = 5


@dataclass(frozen=True)
class LoadedDatabase:
    """The new database, held against the manifest and the dump."""

    plan: Plan
    target: Target
    jobs: int
    deadline: Deadline
    progress: Progress

    def compared(self) -> list[Finding]:
        """What is to be known of a database that is what it should be; one that is not is refused."""
        plan, target = self.plan, self.target
        said = statements(plan.programs, plan.dump, self.deadline)
        loader = Loader(plan.programs, target.server, target.who, self.deadline)
        with self._session() as connection:
            rows, notes = self._content(connection)
            views = compare.views(connection, plan.manifest).differences
            sequences = sequence_values.sequences(connection, said, lambda _: None).differences
        made = compare.structure(said, loader.structure(plan.facts.name), across=plan.across)
        if differing := (*rows, *views, *sequences, *made.differences):
            raise OpsError(
                f"What was restored is not what the backup {plan.manifest.id} holds",
                where=target.server.address,
                cause=_few(differing),
                remedy="Restore another backup, and keep this one to find out why.",
                differences=[asdict(difference) for difference in differing],
            )
        return [*notes, *([across_releases(plan.manifest, plan.programs.version, made.odd)] if plan.across else [])]

    def _content(self, connection: Any) -> tuple[list[EntryDifference], list[Finding]]:
        """What differs in the rows, by queries of our own: those of a manifest are run on no server that matters."""
        present, manifest = snapshot.asked(connection), self.plan.manifest
        self.progress.phase("compare", sum(question.bytes for question in present.all), "bytes")
        expected, unknown = compare.ours((*manifest.tables, *manifest.large_objects), present.all)
        readable = [one for one in expected if one.name != content.LARGE_OBJECTS or present.reads_large_objects]
        found = compare.tables(readable, present.all, self._session, self.jobs, self.progress.advance)
        with self._session() as other:
            samples = [answer for answer in manifest.known_answers if present.samples.get(answer.type) == answer.query]
            otherwise = compare.known_answers(other, samples)
        notes = list(_not_compared(manifest, unknown, otherwise, len(expected) > len(readable)))
        counted = {one.group for one in expected if otherwise or one.identity in unknown}
        real = [difference for difference in found.differences if difference.kind != "content" or difference.subject not in counted]
        return real, [*notes, *(odd(difference) for difference in found.odd if difference.subject not in counted)]

    def _session(self) -> AbstractContextManager[Any]:
        return self.target.session(self.plan.facts.name, statement_seconds=self.deadline.left())


def _not_compared(manifest: Manifest, unknown: Sequence[str], otherwise: Sequence[str], unreadable: bool) -> Iterator[Finding]:
    """What could only be counted, and why."""
    if unknown:
        text = "the manifest has other queries than this release makes, which are not run here, so that rows could only be counted"
        remedy = "Nothing, where the backup is proven; otherwise restore it with the release that made it."
        yield Finding("content_not_compared", "warning", manifest.id, text, ", ".join(unknown[:_SHOWN]), remedy)
    if otherwise:
        text = "this server computes otherwise than the one that was backed up, so that rows could only be counted"
        remedy = "Nothing, where the backup was proven on a server like its own."
        yield Finding("content_not_compared", "warning", manifest.id, text, f"samples of {', '.join(otherwise)}", remedy)
    if unreadable:
        text, remedy = "the bytes of large objects were not compared", "Make the role that restores a member of pg_read_all_data."
        yield Finding("large_objects_not_compared", "warning", manifest.id, text, "the role may not read pg_largeobject", remedy)


def _few(differing: Sequence[EntryDifference]) -> str:
    shown = "; ".join(one.line for one in differing[:_SHOWN])
    return f"{shown} and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else shown
