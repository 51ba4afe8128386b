# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the database that was put aside last. The one it takes the name from is put aside in its turn, so a second undo is the redo."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from .beside import Beside, Catalog, look
from .exchange import Exchange, Outcome, Policy, Successor, Target
from .readable import unreadable
from .restore_preflight import of_swap, refuse, server_side, superusers
from .swap import Change
from .written import Written, next_transaction, since

_SHOWN = 5


def undone(target: Target, policy: Policy, progress: Progress, *, read_seconds: float, lose_rows: bool, check: bool) -> Outcome:
    """Take the last swap back, unless rows would be put aside that were written since."""
    progress.phase("preflight")
    with target.alone(read_seconds) as locker:
        catalog = look(locker, target.database)
        kept = _newest(target, catalog)
        side = server_side(locker)
        counted = [kept.name] if catalog.live is None else [target.database, kept.name]
        unread = [error for name in counted for error in unreadable(target.session(name, statement_seconds=read_seconds))]
        refuse([*of_swap(locker, catalog, side, kept), *unread])
        findings = superusers(locker, catalog, side)
        progress.phase("count")
        seen = _since_then(target, catalog, kept, read_seconds)
        _refuse_loss(target, catalog, kept, seen, lose_rows)
        exchange = Exchange(target, policy, locker, progress)
        new = _successor(target, kept, read_seconds)
        change = exchange.change(catalog, catalog.named("undone", datetime.now(UTC)), new)
        after = catalog.lines_after(change.aside, kept.name)
        outcome = Outcome(True, new.backup, target.database, change.aside, new.rows, catalog.lines(), after, findings=findings)
        if not check:
            outcome = exchange.make(change, outcome)
            with change.done():
                findings = _left_behind(target, change, kept, seen, read_seconds)
            outcome = replace(outcome, findings=[*outcome.findings, *findings])
        progress.end()
        return outcome


def _newest(target: Target, catalog: Catalog) -> Beside:
    if not catalog.kept:
        raise OpsError(
            f"There is nothing to go back to: no database was put aside for {target.database}",
            where=target.server.address,
            cause=f"no database is called {target.database}__before_<time> or {target.database}__undone_<time>",
            remedy="Restore a backup with state=restored.",
        )
    return catalog.kept[0]


def _since_then(target: Target, catalog: Catalog, kept: Beside, read_seconds: float) -> Written | None:
    """What was written to the live database since it has the name; none where nobody knows."""
    if kept.replaced is None or kept.replaced.successor != catalog.live:
        return None
    with target.session(target.database, statement_seconds=read_seconds) as connection:
        found = since(connection, kept.replaced.transaction)
    return found if found.known else None


def _refuse_loss(target: Target, catalog: Catalog, kept: Beside, seen: Written | None, lose_rows: bool) -> None:
    if catalog.live is None or lose_rows:
        return
    remedy = f"With lose_rows_written_since they are put aside with the database, which {kept.name} then replaces."
    if seen is None or kept.replaced is None:
        cause = f"the comment on {kept.name} does not tell how it was put aside, or another database has the name since"
        raise OpsError("Nobody knows whether rows were written since", where=target.server.address, cause=cause, remedy=remedy)
    if seen.tables or seen.rows != kept.replaced.rows:
        since_when = f"since {kept.replaced.at}"
        raise OpsError(
            f"Rows of {target.database} were written or deleted {since_when}, so the undo was refused",
            where=target.server.address,
            cause=f"{_described(seen)}; {kept.replaced.rows} rows were there then, {seen.rows} are there now",
            remedy=remedy,
            written=seen.tables,
        )


def _successor(target: Target, kept: Beside, read_seconds: float) -> Successor:
    """Its rows are read, also to see that they can be."""
    with target.session(kept.name, statement_seconds=read_seconds) as connection:
        rows = since(connection, next_transaction(connection)).rows
    backup, comment = (kept.replaced.origin, kept.replaced.comment) if kept.replaced else ("", kept.comment)
    return Successor(kept.oid, kept.name, comment, backup, rows)


def _left_behind(target: Target, change: Change, kept: Beside, seen: Written | None, read_seconds: float) -> list[Finding]:
    """Rows that are only in the database that is aside now: by consent, or written between the count and the swap."""
    if change.old is None or kept.replaced is None or seen is None:
        return []
    with target.session(change.aside, statement_seconds=read_seconds) as connection:
        found = since(connection, kept.replaced.transaction)
    if not found.tables and found.rows == kept.replaced.rows:
        return []
    return [
        Finding(
            id="rows_put_aside",
            severity="warning",
            subject=change.aside,
            summary="rows that were written since are only in the database that was put aside",
            evidence=_described(found),
            remedy="Copy what is needed from there, or run the undo again to go back to it.",
        )
    ]


def _described(seen: Written) -> str:
    shown = ", ".join(f"{table}: {rows} rows" for table, rows in list(seen.tables.items())[:_SHOWN])
    more = f" and {len(seen.tables) - _SHOWN} more tables" if len(seen.tables) > _SHOWN else ""
    return f"{shown}{more}" if shown else "no row was written, some were deleted"
