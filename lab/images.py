# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: a Debian base from the host's own apt sources, everything else from Containerfiles."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab import host, mutex, paths, programs
from lab.catalog import Catalog, Image, digest, key_of_recipe
from lab.podman import COMMAND, image_exists, podman
from lab.process import stream
from lab.progress import Progress, Step

# The name that the Containerfiles ask for.
BASE = "docker.io/library/debian:bookworm-slim"
SUITE = "bookworm"
# As images/base/Containerfile asks for it.
ARCHIVE = "debian.tar"
_OWN = "localhost/endpoint-stats"


def own_name(recipe: str) -> str:
    """Name of an image of the lab's own; a changed recipe, or a changed base, is another image."""
    return f"{_OWN}/{recipe}:{digest(key_of_recipe(name) for name in ('base', recipe))}"


def make_own(progress: Progress) -> None:
    """The base, the machine and the mirror."""
    with progress.step("lab images") as step, mutex.held("images"):
        made = []
        if not image_exists(own_name("base")):
            _make_base(step)
            made.append("base")
        podman("tag", own_name("base"), BASE)
        for recipe in ("machine", "mirror"):
            if not image_exists(own_name(recipe)):
                build(own_name(recipe), recipe, step=step)
                made.append(recipe)
        step.result = f"built {', '.join(made)}" if made else "present"


def _make_base(step: Step) -> None:
    with paths.scratch("base") as directory:
        archive = directory / ARCHIVE
        bootstrap(archive, SUITE, host.debian_sources(SUITE), step=step)
        build(own_name("base"), "base", context_files=[archive], step=step)


def bootstrap(archive: Path, suite: str, sources: Sequence[str], *options: str, step: Step) -> None:
    """An archive of a suite of Debian, from these apt sources."""
    lines = (paths.IMAGES / "base" / "mmdebstrap.conf").read_text().splitlines()
    argv = ["mmdebstrap", *(line for line in lines if line.startswith("--")), *options, suite, str(archive), *sources]
    stream(argv, lambda line: step.tick(f"{suite}: {line}"), next_step="look at the host's apt sources")


def build(
    name: str,
    recipe: str,
    *,
    step: Step,
    arguments: dict[str, str] | None = None,
    context_files: Iterable[Path] = (),
    program_files: Iterable[Path] = (),
) -> None:
    """Build one image from images/<recipe>/ plus the given files and programs."""
    with paths.scratch(recipe) as directory:
        context = directory / "context"
        shutil.copytree(paths.IMAGES / recipe, context)
        for source in context_files:
            os.link(source, context / source.name)
        for program in program_files:
            (context / "programs").mkdir(exist_ok=True)
            os.link(program, context / "programs" / program.name)
        options = [f"--build-arg={key}={value}" for key, value in (arguments or {}).items()]
        argv = [*COMMAND, "build", "--pull=never", "--network=host", *host.ulimits(), *options, "--tag", name, str(context)]
        stream(argv, lambda line: step.tick(f"{name}: {line}"))


def build_for_registry(catalog: Catalog, image: Image, step: Step) -> None:
    """Build one of the registry's images; the base exists already."""
    if image.recipe == "base":
        return
    files = [programs.path(catalog, program) for program in image.programs]
    build(image.name, image.recipe, arguments=image.arguments, program_files=files, step=step)


def fill_command(store: Path, port: int) -> list[str]:
    """Arguments of `podman run` for a registry on loopback that fills `store`."""
    return [
        "--network=host",
        f"--volume={store}:/var/lib/registry",
        f"--env=REGISTRY_HTTP_ADDR=127.0.0.1:{port}",
        *host.ulimits(),
        "--stop-signal=SIGKILL",
        own_name("mirror"),
        "docker-registry",
        "serve",
        "/etc/endpoint-stats/fill.yml",
    ]
