# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads artifacts.lock: what is built or fetched, from where, and how it is checked."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import paths
from lab.errors import LabError


@dataclass(frozen=True)
class GoGroup:
    """Programs built together from one Go module."""

    name: str
    module: str
    version: str
    sum: str
    binaries: dict[str, str]
    ldflags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cgo: bool = False


@dataclass(frozen=True)
class CProgram:
    """One static program compiled from a C file that a Go module carries."""

    name: str
    group: str
    module: str
    source: str
    defines: dict[str, str]


@dataclass(frozen=True)
class ReleaseFile:
    """One file of an upstream's release layout: a program, or an archive of programs."""

    product: str
    path: str
    upstream: str
    program: str = ""
    members: dict[str, str] = field(default_factory=dict)
    sha256: str = ""

    @property
    def name(self) -> str:
        """Path below the file server, and key of its checksum."""
        return f"{self.product}/{self.path}"


@dataclass(frozen=True)
class Image:
    """One image of the registry, under the name its upstream gave it."""

    name: str
    recipe: str
    programs: tuple[str, ...] = ()
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """Everything the lock names."""

    go: dict[str, GoGroup]
    c: dict[str, CProgram]
    files: tuple[ReleaseFile, ...]
    images: tuple[Image, ...]

    def key_of_group(self, name: str) -> str:
        """Changes when the programs of a group would."""
        group = self.go.get(name) or self.c[name]
        modules = paths.GO / (group.group if isinstance(group, CProgram) else name)
        return digest([repr(group), (modules / "go.mod").read_text(), (modules / "go.sum").read_text()])

    def key_of_files(self) -> str:
        """Changes when a file of the file server would."""
        groups = sorted({program.split("/")[0] for entry in self.files for program in _programs(entry)})
        return digest([*map(repr, self.files), *map(self.key_of_group, groups)])

    def key_of_registry(self) -> str:
        """Changes when an image of the registry would."""
        groups = sorted({program.split("/")[0] for image in self.images for program in image.programs})
        recipes = sorted({image.recipe for image in self.images})
        return digest([*map(repr, self.images), *map(self.key_of_group, groups), *map(key_of_recipe, recipes)])


def digest(parts: Iterable[str]) -> str:
    """A short name for exactly these texts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(f"{len(part)}:{part}".encode())
    return whole.hexdigest()[:16]


def key_of_recipe(name: str) -> str:
    """Changes when an image directory does."""
    directory = paths.IMAGES / name
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return digest(text for path in files for text in (str(path.relative_to(directory)), path.read_text()))


def _programs(entry: ReleaseFile) -> list[str]:
    return [entry.program] if entry.program else list(entry.members.values())


def _go(name: str, raw: dict[str, Any]) -> GoGroup:
    listed: dict[str, Any] = {key: tuple(raw.pop(key, ())) for key in ("ldflags", "tags")}
    return GoGroup(name=name, **listed, **raw)


def parse(text: str) -> Catalog:
    """Turn the lock's text into a catalog."""
    try:
        raw = tomllib.loads(text)
        return Catalog(
            go={name: _go(name, entry) for name, entry in raw["go"].items()},
            c={name: CProgram(name=name, **entry) for name, entry in raw["c"].items()},
            files=tuple(ReleaseFile(**entry) for entry in raw["file"]),
            images=tuple(Image(**{**entry, "programs": tuple(entry.get("programs", ()))}) for entry in raw["image"]),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise LabError("lab/artifacts.lock", f"not a valid lock: {error}", "compare it with the entries around it") from error


def verify(catalog: Catalog, go_directory: Path) -> None:
    """Refuse a lock whose module checksums are not those of the committed go.sum files, or that names unknown programs."""
    for group in catalog.go.values():
        line = f"{group.module} {group.version} {group.sum}"
        if line not in (go_directory / group.name / "go.sum").read_text().splitlines():
            raise LabError(
                f"lab/artifacts.lock [go.{group.name}]",
                f"lab/go/{group.name}/go.sum has no line '{line}'",
                "write the version and sum that `go mod tidy` put there",
            )
    wanted = {program for entry in catalog.files for program in _programs(entry)}
    wanted |= {program for image in catalog.images for program in image.programs}
    known = {f"{group.name}/{binary}" for group in catalog.go.values() for binary in group.binaries}
    known |= {f"{program}/{program}" for program in catalog.c}
    if stray := sorted(wanted - known):
        raise LabError("lab/artifacts.lock", f"no group builds {', '.join(stray)}", "add it to the group's binaries")


def load() -> Catalog:
    """The tracked lock, checked against the tracked go.sum files."""
    catalog = parse(paths.LOCK.read_text(encoding="utf-8"))
    verify(catalog, paths.GO)
    return catalog
