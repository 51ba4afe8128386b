# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to bring a backup back with nothing but PostgreSQL's programs, written into the backup."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from . import sealing
from .answer import SETTINGS
from .facts import DatabaseFacts
from .forms import quoted
from .selection import Selected

FILE_NAME = "RESTORE.md"
_TEXT = Template("""\
# How to bring this backup back by hand

It holds $what of PostgreSQL $version as it was at $at.
The playbook `endpoint_stats.ops.restore` does what follows, compares more and keeps the old database; this is for a day on which there
is nothing but this directory.

Needed: the programs of PostgreSQL $major or newer, zstd, Python 3, and a superuser of the server, named by `PGHOST`, `PGPORT`, `PGUSER` and
`PGPASSWORD`. All commands are typed in the directory of this file.

## Check the files

It prints the files that are damaged or missing, and nothing where all are whole.

```sh
python3 - <<'END'
import hashlib, json, pathlib
for file in json.load(open("manifest.json"))["files"]:
    path = pathlib.Path(file["path"])
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
        print("damaged:", path)
END
```

## Decompress the dump

It becomes the plain directory that `pg_restore` reads, beside the backup, which stays as it is: $room bytes in a directory that must not
exist yet.

```sh
export DUMP="$${DUMP:-/var/tmp/dump-by-hand}"
cp -R dump "$$DUMP"
find "$$DUMP" -name '*.zst' -exec zstd --decompress --quiet --rm {} +
```

## On a server that has neither the roles nor the database

An error that says that a role exists already, such as your own superuser, does no harm. $explained

```sh
$roles
pg_restore --exit-on-error --create --jobs=$jobs --dbname=postgres "$$DUMP"
export DATABASE=$quoted
```

## On a server that has the database: beside it

The rights and settings of the database as a whole (`\\l` and `\\drds` of psql) are not in the new one.

```sh
export DATABASE=$beside
createdb --template=template0 $properties "$$DATABASE"
pg_restore --exit-on-error --jobs=$jobs --dbname="$$DATABASE" "$$DUMP"
```

## Compare the content, and let the planner know it

It prints the tables with other rows than the backup had (number of rows and two sums, found and expected), and nothing where all are there.

```sh
python3 - <<'END' | psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --dbname="$$DATABASE"
import json
groups = {}
for table in json.load(open("manifest.json"))["tables"]:
    groups.setdefault(table["group"], []).append(table)
print("$settings")
for group, tables in groups.items():
    parts = " UNION ALL ".join(f"SELECT rows, first, second FROM ({table['query']}) part" for table in tables)
    expected = ", ".join(str(sum(int(value) for value in column)) for column in zip(*((t["rows"], *t["sums"]) for t in tables)))
    name = "'" + group.replace("'", "''") + "'"
    print(f"SELECT {name}, found, ({expected}) AS expected FROM (SELECT (sum(rows), sum(first), sum(second)) AS found"
          f" FROM ({parts}) parts) summed WHERE found::text <> ({expected})::text;")
END
vacuumdb --quiet --analyze-only --dbname="$$DATABASE"
```

$last""")
_SWAP = Template("""\
## Put it in the place of the live one

Stop the application first; nobody may be connected. The old database stays under the second name until you drop it.

    ALTER DATABASE $identifier RENAME TO $before;
    ALTER DATABASE $restored RENAME TO $identifier;
""")
_PART = """\
## Do not put it in the place of the live one

This is a part of the database. What is missing would be lost:

"""
_PROVIDERS = {"icu": "--icu-locale", "builtin": "--builtin-locale"}


@dataclass(frozen=True)
class Roles:
    """How the roles are kept; C(encrypted) is the file that has them then."""

    encrypted: str = ""
    passwords: bool = False

    @property
    def commands(self) -> str:
        if self.encrypted:
            return f"{sealing.COMMANDS[self.encrypted]} | psql --no-psqlrc --dbname=postgres"
        return "psql --no-psqlrc --dbname=postgres --file=globals.sql"

    @property
    def explained(self) -> str:
        afterwards = f"The roles have {'their' if self.passwords else 'no'} passwords afterwards."
        return f"{afterwards}\nThey are encrypted: needed are {sealing.NEEDED[self.encrypted]}." if self.encrypted else afterwards


def text(database: DatabaseFacts, version: str, at: str, jobs: int, room: int, *, roles: Roles, selected: Selected | None = None) -> str:
    """The guide of one backup; its plain directory takes so many bytes (C(room))."""
    beside, missing = f"{database.name}__by_hand", selected.left_out if selected else []
    return _TEXT.substitute(
        what=f"{'a part of ' if missing else ''}the database `{database.name}`",
        version=version,
        major=version.split(".", maxsplit=1)[0],
        at=at,
        jobs=jobs,
        room=f"{room:,}",
        roles=roles.commands,
        explained=roles.explained,
        quoted=shlex.quote(database.name),
        beside=shlex.quote(beside),
        properties=shlex.join(_properties(database)),
        last=_lacking(missing) if missing else _swap(database.name, beside),
        settings=" ".join(f"SET {key} TO '{value}';" for key, value in SETTINGS.items()),
    )


def _swap(name: str, beside: str) -> str:
    names = {"identifier": name, "before": f"{name}__before", "restored": beside}
    return _SWAP.substitute({key: quoted(value) for key, value in names.items()})


def _lacking(missing: Sequence[str]) -> str:
    return _PART + "".join(f"    {' '.join(line.split())}\n" for line in missing)


def _properties(database: DatabaseFacts) -> list[str]:
    provider = _PROVIDERS.get(database.locale_provider)
    locale = [f"--locale-provider={database.locale_provider}", f"{provider}={database.locale}"] if provider else []
    libc = [f"--lc-collate={database.collation}", f"--lc-ctype={database.character_type}"]
    return [f"--owner={database.owner}", f"--encoding={database.encoding}", *libc, *locale]
