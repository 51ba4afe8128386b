# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds programs from Go modules (and one from C), each group once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from lab import mutex, paths
from lab.catalog import Catalog, CProgram, GoGroup
from lab.errors import LabError
from lab.process import run, stream
from lab.progress import Progress, Step


def directory(catalog: Catalog, group: str) -> Path:
    """Where the programs of a group lie once they are built."""
    return paths.cache() / "programs" / f"{group}-{catalog.key_of_group(group)}"


def path(catalog: Catalog, program: str) -> Path:
    """The file of `group/program`."""
    group, name = program.split("/")
    return directory(catalog, group) / name


def build_all(catalog: Catalog, progress: Progress) -> None:
    """Build every group that is missing."""
    groups: list[tuple[str, GoGroup | CProgram]] = [*catalog.go.items(), *catalog.c.items()]
    for name, group in groups:
        target = directory(catalog, name)
        if target.is_dir():
            continue
        with mutex.held(f"build-{name}"), progress.step(f"build {name}") as step:
            if target.is_dir():
                step.result = "present"
                continue
            with paths.published(target) as part:
                if isinstance(group, GoGroup):
                    _build_go(group, part, step)
                else:
                    _build_c(group, part)
            step.result = "built"


def default_name(package: str) -> str:
    """The file name `go build` gives to a main package."""
    *_, parent, last = package.split("/")
    return parent if last.startswith("v") and last[1:].isdigit() else last


def _build_go(group: GoGroup, target: Path, step: Step) -> None:
    _require_go()
    with paths.scratch(group.name) as temporary:
        _run_go(group, target, temporary, step)
    for binary, package in group.binaries.items():
        (target / default_name(package)).rename(target / binary)


def _run_go(group: GoGroup, target: Path, temporary: Path, step: Step) -> None:
    environment = {
        "CGO_ENABLED": "1" if group.cgo else "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOWORK": "off",
        "GOFLAGS": "",
        "GOTMPDIR": str(temporary),
    }
    argv = ["go", "build", "-v", "-trimpath", "-mod=readonly", "-buildvcs=false", f"-tags={','.join(group.tags)}"]
    argv += [f"-ldflags={' '.join(['-s', '-w', *group.ldflags])}", "-o", f"{target}/", *group.binaries.values()]
    compiled = 0

    def on_line(_line: str) -> None:
        nonlocal compiled
        compiled += 1
        step.tick(f"{compiled} packages compiled or modules read")

    next_step = "run the same command again: what was compiled is kept"
    stream(argv, on_line, cwd=paths.GO / group.name, environment=environment, next_step=next_step)


def _build_c(program: CProgram, target: Path) -> None:
    _require_go()
    module = json.loads(run(["go", "-C", str(paths.GO / program.group), "mod", "download", "-json", program.module]))["Dir"]
    defines = [f"-D{name}={value}" for name, value in program.defines.items()]
    run(["gcc", "-Os", "-Wall", "-Werror", "-static", "-s", *defines, "-o", str(target / program.name), f"{module}/{program.source}"])


def _require_go() -> None:
    if shutil.which("go") is None:
        raise LabError("go", "no Go toolchain in PATH, and the artefact cache is empty", "install Go 1.26 or newer")
