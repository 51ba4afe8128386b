# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases beside the live one: `<database>__restore_<id>` is being restored, `<database>__before_<id>` was put aside by a restore and
`<database>__undone_<id>` by an undo. The id is the time in UTC. A comment on each says what it is; nothing without one is ever dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from .._errors import OpsError

Kind = Literal["restore", "before", "undone"]
# Where sessions are that rename the others.
MAINTENANCE = "postgres"
MADE_BY = "endpoint_stats.ops.pg_restore"
Told = TypeVar("Told")
_MAXIMUM_NAME_BYTES = 63
_FORM = "%Y%m%dt%H%M%Sz"
_ID = re.compile(r"__(restore|before|undone)_(\d{8}t\d{6}z)\Z")
_LONGEST_SUFFIX = "__restore_20261125t211700z"

_DATABASES = """
SELECT oid::bigint AS oid, datname AS name, datallowconn AS open, coalesce(shobj_description(oid, 'pg_database'), '') AS comment
FROM pg_database ORDER BY datname
"""


@dataclass(frozen=True)
class Replaced:
    """What the comment on a database that was put aside says of the moment it was.

    C(successor) has its name since, was made from the C(backup) and had so many C(rows), all of them older than the C(transaction).
    C(origin) is the backup that the database itself was made from, C(comment) the comment that belongs to it.
    """

    at: str
    successor: int
    backup: str
    rows: int
    transaction: int
    origin: str
    comment: str

    def render(self) -> str:
        return _comment(asdict(self))


@dataclass(frozen=True)
class Ready:
    """What the comment on a database says that was restored, compared and never swapped in: from which backup, and the first transaction
    after all of its rows, so that the next run can see that nobody has written to it."""

    restoring: str
    manifest_sha256: str
    transaction: int

    def render(self) -> str:
        return _comment(asdict(self))


@dataclass(frozen=True)
class Beside:
    """A database whose name has one of our forms."""

    oid: int
    name: str
    kind: Kind
    id: str
    open: bool
    comment: str

    @property
    def ours(self) -> bool:
        """Whether we have made it: it says so, or it was never open to anybody since its making was cut off."""
        return _said(self.comment).get("made_by") == MADE_BY or (self.kind == "restore" and not self.open and not self.comment)

    @property
    def replaced(self) -> Replaced | None:
        """How it was put aside; none where its comment does not tell."""
        return self._told(Replaced)

    @property
    def ready(self) -> Ready | None:
        """Whether it was restored to the end."""
        return self._told(Ready) if self.kind == "restore" else None

    def _told(self, what: type[Told]) -> Told | None:
        said = _said(self.comment)
        if said.pop("made_by", None) != MADE_BY:
            return None
        try:
            return what(**said)
        except TypeError:
            return None

    def age_seconds(self, now: datetime) -> float:
        return (now - datetime.strptime(self.id, _FORM).replace(tzinfo=UTC)).total_seconds()


@dataclass(frozen=True)
class Catalog:
    """The databases of a server as far as they concern one of them; C(live) is its OID, none where there is no such database."""

    database: str
    live: int | None
    comment: str
    open: bool
    beside: tuple[Beside, ...]

    @property
    def leftovers(self) -> list[Beside]:
        """What restores that were killed have left; only for who holds the lock."""
        return [other for other in self.beside if other.kind == "restore" and other.ours]

    @property
    def kept(self) -> list[Beside]:
        """Databases that were put aside, the newest first."""
        return sorted((other for other in self.beside if other.kind != "restore"), key=lambda other: other.id, reverse=True)

    @property
    def origin(self) -> str:
        """The backup that the live database was made from, empty where it was not, or nobody knows."""
        known = (other.replaced for other in self.kept)
        return next((replaced.backup for replaced in known if replaced and replaced.successor == self.live), "")

    def named(self, kind: Kind, now: datetime) -> str:
        """A name that is free and comes after all others, whatever the clock says."""
        newest = max((datetime.strptime(other.id, _FORM).replace(tzinfo=UTC) for other in self.beside), default=now - timedelta(days=1))
        return f"{self.database}__{kind}_{max(now, newest + timedelta(seconds=1)).strftime(_FORM)}"

    def lines(self) -> list[str]:
        """Which database has which name, for a diff."""
        return _lines(self._named())

    def lines_after(self, aside: str, new: str, *, without: Sequence[str] = ()) -> list[str]:
        """The same when the live database is called C(aside) and C(new), one of the others or something that is made, has its name."""
        named = self._named()
        serving = named.pop(new, new)
        if self.live is not None:
            named[aside] = named.pop(self.database)
        return _lines({**{name: what for name, what in named.items() if name not in without}, self.database: serving})

    def _named(self) -> dict[str, str]:
        live = {} if self.live is None else {self.database: f"database {self.live}"}
        return {**live, **{other.name: f"database {other.oid}" for other in self.beside}}


def look(connection: Any, database: str) -> Catalog:
    return catalog(database, connection.execute(_DATABASES).fetchall())


def catalog(database: str, rows: Iterable[dict[str, Any]]) -> Catalog:
    live: dict[str, Any] = {"oid": None, "comment": "", "open": True}
    beside = []
    for row in rows:
        form = _ID.match(row["name"][len(database) :]) if row["name"].startswith(database) else None
        if row["name"] == database:
            live = row
        elif form:
            beside.append(Beside(kind=form[1], id=form[2], **row))  # type: ignore[arg-type]
    return Catalog(database, live["oid"], live["comment"], live["open"], tuple(beside))


def refuse_name(database: str) -> None:
    """Refuse names that cannot be swapped: PostgreSQL cuts longer ones off without an error."""
    if database in (MAINTENANCE, "template0", "template1"):
        raise OpsError(f"{database} is a database of PostgreSQL itself", remedy="Name the database of the application.")
    room = _MAXIMUM_NAME_BYTES - len(_LONGEST_SUFFIX)
    if (found := len(database.encode())) > room:
        raise OpsError(
            f"The name {database!r} is too long to restore beside it",
            cause=f"it has {found} bytes; with {_LONGEST_SUFFIX} a name may have {_MAXIMUM_NAME_BYTES}",
            remedy=f"Rename the database to one of at most {room} bytes.",
        )


def restoring(backup: str) -> str:
    """The comment on a database that is being restored."""
    return _comment({"restoring": backup})


def _comment(said: dict[str, Any]) -> str:
    return json.dumps({"made_by": MADE_BY, **said}, sort_keys=True)


def _lines(named: dict[str, str]) -> list[str]:
    return [f"{name}: {what}" for name, what in sorted(named.items())]


def _said(comment: str) -> dict[str, Any]:
    try:
        said = json.loads(comment)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
