# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups belong elsewhere, and which copies may go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._errors import OpsError
from .._postgres.keep import newest_proven
from .._postgres.repository import Repository
from .._postgres.retention import Standing, fates
from .order import Order
from .remote import Seen

NEWEST, ALL = "newest", "all"


@dataclass(frozen=True)
class Choice:
    """Of the backups of a repository, by what was ordered and by the records."""

    order: Order
    repository: Repository

    def due(self, seen: Seen) -> list[str]:
        """Backups that are here and have to be there in whole, the newest first; what somebody deletes meanwhile is none."""
        begun = {name for name in seen.copies if name not in seen.published}
        lost = self.lost(seen)
        again = lost - {*self.dispensable({*seen.published, *lost})}
        return sorted({*self._wanted(), *begun, *again} & {*self.repository.backups()}, reverse=True)

    def lost(self, seen: Seen) -> set[str]:
        """Copies that the records tell of and that nobody here has deleted; none where the records may lack what was deleted."""
        records = self.repository.records()
        return records.copies(self.order.rclone.remote) - {*seen.published} if records.reliable else set()

    def dispensable(self, copies: Iterable[str]) -> dict[str, str]:
        """Copies that may go, with the reason; none where the records of what was proven cannot be relied on."""
        names, records = sorted(copies), self.repository.records()
        proven = frozenset(filter(records.is_proven, names))
        known = Standing(
            proven=proven,
            failed=frozenset(filter(records.has_failed, names)),
            pinned=self.repository.pins(),
            newest_proven=max(proven, default=None),
            distrust="" if records.reliable else "the records are damaged, and none was proven since",
        )
        return {fate.backup: fate.why for fate in fates(names, self.order.retention, known) if not fate.kept}

    def _wanted(self) -> set[str]:
        backups, chosen = self.repository.backups(), self.order.backup
        if chosen not in (NEWEST, ALL):
            if chosen not in backups:
                remedy = f"There are {', '.join(backups) or 'none'}."
                raise OpsError(f"There is no backup {chosen!r}", where=self.order.directory, remedy=remedy)
            return {chosen}
        proven = newest_proven(self.repository)
        if chosen == ALL:
            return {*backups} - {*self.dispensable(backups)}
        return {*backups[-1:], *([proven] if proven else [])}
