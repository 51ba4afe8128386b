# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup says of itself: which database it is of, what was in it at the dump's own snapshot, and the bytes it consists of."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .._errors import OpsError
from .accounts import Account
from .backup_file import BackupFile
from .contents import Entry
from .facts import DatabaseFacts, SequenceState, ServerFacts
from .programs import major_of
from .properties import Properties
from .selection import WHOLE, Selected, Selection
from .table_content import KnownAnswer, TableContent

SCHEMA = "endpoint_stats.pg_backup"
SCHEMA_VERSION = 1
FILE_NAME = "manifest.json"


class ManifestError(OpsError):
    """A manifest that cannot be relied on."""


@dataclass(frozen=True)
class Signature:
    """Which key has signed, and what."""

    key_id: str
    hmac_sha256: str


@dataclass(frozen=True)
class Manifest:
    """Times are RFC 3339 in UTC; C(roles) are those that objects and grants of the database name, C(accounts) all of the server.

    C(properties) are what a dump lacks, C(selection) tells what was left out, none where it is all of the database.
    """

    id: str
    database: DatabaseFacts
    server: ServerFacts
    pg_dump_version: str
    begun_at: str
    snapshot_at: str
    ended_at: str
    seconds: Mapping[str, float]
    extensions: Mapping[str, str]
    roles: tuple[str, ...]
    accounts: tuple[Account, ...]
    tables: tuple[TableContent, ...]
    entries: tuple[Entry, ...]
    files: tuple[BackupFile, ...]
    warnings: tuple[str, ...]
    properties: Properties | None = None
    role_passwords: bool = False
    signature: Signature | None = None
    known_answers: tuple[KnownAnswer, ...] = ()
    large_objects: tuple[TableContent, ...] = ()
    sequences: tuple[SequenceState, ...] = ()
    not_dumped: tuple[str, ...] = ()
    selection: Selected | None = None

    @property
    def dumped_by(self) -> int:
        """The major version of the program that made the dump."""
        return major_of(self.pg_dump_version)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def plain_bytes(self) -> int:
        """Size of all files before some were compressed."""
        return sum(file.plain_bytes or file.bytes for file in self.files)

    @property
    def database_bytes(self) -> int:
        """About the size of the database that it restores to."""
        return max(0, self.database.size_bytes - (self.selection.bytes_left_out if self.selection else 0))

    @property
    def asked(self) -> Selection:
        """The part of the database that was asked for."""
        return self.selection.asked if self.selection else WHOLE

    @property
    def left_out(self) -> list[str]:
        return self.selection.left_out if self.selection else []

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def sha256(self) -> str:
        """That of the document without this line of it, and without its signature."""
        return _digest(self._document())

    @property
    def signed_text(self) -> str:
        return _canonical(self._document())

    def render(self) -> str:
        """The document with its own SHA-256 and, where it has one, its signature."""
        signed = {"signature": asdict(self.signature)} if self.signature else {}
        return _canonical({**self._document(), "sha256": self.sha256, **signed})

    def _document(self) -> dict[str, Any]:
        fields = {key: value for key, value in asdict(self).items() if key != "signature"}
        return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **fields}


def load(directory: Path) -> Manifest:
    """The manifest of a backup; whatever is wrong with it is a ManifestError."""
    path = directory / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ManifestError("The backup has no manifest", where=str(path), remedy="Use another backup.") from error
    except OSError as error:
        raise ManifestError("The manifest could not be read", where=str(path), cause=str(error.strerror)) from error
    except ValueError as error:
        raise _damaged(str(path), error) from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Manifest:
    """A manifest that was read already."""
    try:
        return _parsed(json.loads(text))
    except ManifestError as error:
        error.where = where
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> ManifestError:
    return ManifestError("The manifest is damaged", where=where, cause=f"{type(error).__name__}: {error}", remedy="Use another backup.")


def _parsed(document: Any) -> Manifest:
    if document["schema"] != SCHEMA:
        raise ManifestError(f"The manifest is of {document['schema']!r}, not of {SCHEMA}")
    if document["schema_version"] != SCHEMA_VERSION:
        remedy = "Use the release of the collection that made the backup, or a newer one."
        raise ManifestError(f"The manifest has version {document['schema_version']!r}; known is {SCHEMA_VERSION}", remedy=remedy)
    said, signature = str(document.pop("sha256")), document.pop("signature", None)
    if not hmac.compare_digest(said, _digest(document)):
        raise ManifestError("The manifest is damaged", cause="its content does not match its own SHA-256", remedy="Use another backup.")
    fields = {key: value for key, value in document.items() if key not in ("schema", "schema_version")}
    lists = {"accounts": Account, "entries": Entry, "files": BackupFile, "sequences": SequenceState}
    fields.update({key: tuple(kind(**item) for item in fields[key]) for key, kind in lists.items()})
    fields.update({key: tuple(map(TableContent.parsed, fields[key])) for key in ("tables", "large_objects")})
    fields["known_answers"] = tuple(map(KnownAnswer.parsed, fields["known_answers"]))
    fields.update({key: tuple(fields[key]) for key in ("roles", "warnings", "not_dumped")})
    fields["database"], fields["server"] = DatabaseFacts(**fields["database"]), ServerFacts(**fields["server"])
    if fields.get("properties"):
        fields["properties"] = Properties.parsed(fields["properties"])
    if fields.get("selection"):
        fields["selection"] = Selected.parsed(fields["selection"])
    for file in fields["files"]:
        _refuse_outside(file.path)
    return Manifest(**fields, signature=Signature(**{key: str(value) for key, value in signature.items()}) if signature else None)


def _refuse_outside(path: str) -> None:
    parts = PurePosixPath(path)
    if parts.is_absolute() or not parts.parts or ".." in parts.parts or str(parts) != path or "\0" in path:
        raise ManifestError("The manifest names a file outside of the backup", cause=repr(path))


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(document).encode()).hexdigest()


def _canonical(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
