# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of PostgreSQL, found and of a version that fits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .._errors import OpsError
from .._process import run

_INSTALLED = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+\S*)")
_TIMEOUT_SECONDS = 20
# The newest that was seen to read and to restore what older ones have dumped.
NEWEST_KNOWN = 18


@dataclass(frozen=True)
class Programs:
    """Programs of one major version; C(version) is that of the first."""

    paths: Mapping[str, str]
    version: str
    major: int

    def __getitem__(self, name: str) -> str:
        return self.paths[name]


def found(names: Sequence[str], major: int, *, newer: bool = True) -> Programs:
    """Those of this major version or, where `newer` may be, of a later one: from PATH, else from where distributions put them."""
    seen = []
    for paths in _places(names):
        lacking = [name for name in names if name not in paths]
        versions = {name: _version(path) for name, path in paths.items()}
        majors = {major_of(version) for version in versions.values()}
        fits = len(majors) == 1 and (min(majors) == major or (newer and min(majors) > major))
        if fits and not lacking:
            return Programs(paths, versions[names[0]], majors.pop())
        seen += [f"{paths[name]} {version}" for name, version in versions.items()]
        seen += [f"no {name} beside them" for name in lacking if paths]
    wanted = f"{major} or newer" if newer else str(major)
    raise OpsError(
        f"There is no {', '.join(names)} of PostgreSQL {wanted}",
        where="PATH and /usr/lib/postgresql",
        cause="; ".join(seen) or "none is installed",
        remedy=f"Install the package postgresql-{major} or postgresql-client-{major} on the host the operation runs on.",
    )


def nearest(names: Sequence[str], major: int, *, newest: int) -> Programs:
    """Those of this major version, wherever they are, else of the next one that is there, up to `newest`."""
    lacking = []
    for one in range(major, max(major, newest) + 1):
        try:
            return found(names, one, newer=False)
        except OpsError as error:
            lacking.append(error)
    raise lacking[0]


def _places(names: Sequence[str]) -> Iterator[dict[str, str]]:
    yield _present({name: shutil.which(name) for name in names})
    numbered = (path for path in _INSTALLED.glob("*/bin") if path.parent.name.isdecimal())
    for directory in sorted(numbered, key=lambda path: int(path.parent.name)):
        yield _present({name: shutil.which(name, path=str(directory)) for name in names})


def _present(paths: Mapping[str, str | None]) -> dict[str, str]:
    return {name: path for name, path in paths.items() if path}


def major_of(version: str) -> int:
    """Of 15.18, 18beta1 or the like."""
    return int(re.split(r"\D", version, maxsplit=1)[0])


@cache
def _version(path: str) -> str:
    # Asked again and again in a run, and each answer takes as long as a program takes to start.
    said = run([path, "--version"], timeout_seconds=_TIMEOUT_SECONDS).check(f"{path} does not tell its version").stdout
    match = _VERSION.search(said)
    if match is None:
        raise OpsError(f"{path} does not tell its version", cause=said.strip())
    return match[1]
