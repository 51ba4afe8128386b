# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java archives by Maven coordinates, each with the SHA-256 its lock file names, in a cache that is looked at before each use.

`python -m tests.integration.search.artifacts FILE` writes the checksums of a lock file's coordinates anew, to see what a new version
would bring: compare before you commit.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tools.venv import cache_directory, only_one

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_DONE = "files.sha256"


@dataclass(frozen=True)
class Artifact:
    """A file, the directory of the server it belongs to, and where Maven finds it."""

    checksum: str
    directory: str
    coordinates: str

    @property
    def path(self) -> str:
        _group, name, version, kind = self.coordinates.split(":")
        return f"{self.directory}/{name}-{version}.{kind}"

    def item(self, root: Path) -> str:
        names = ("groupId", "artifactId", "version", "type")
        parts = zip(names, self.coordinates.split(":"), strict=True)
        fields = [*parts, ("outputDirectory", str(root / self.directory))]
        return f"<artifactItem>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in fields)}</artifactItem>"


class ArtifactError(Exception):
    """A file is not what the lock file says."""


def read(lock: Path) -> list[Artifact]:
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [Artifact(*line) for line in lines]


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(artifacts: Iterable[Artifact], root: Path) -> None:
    """Have Maven put the files below a directory; none of what they depend on comes along."""
    items = "".join(artifact.item(root) for artifact in artifacts)
    group, name, version = PLUGIN.split(":")
    plugin = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
    configuration = f"<configuration><artifactItems>{items}</artifactItems></configuration>"
    own = "<modelVersion>4.0.0</modelVersion><groupId>search</groupId><artifactId>search</artifactId><version>1</version>"
    project = root / "pom.xml"
    project.write_text(f"<project>{own}<build><plugins><plugin>{plugin}{configuration}</plugin></plugins></build></project>")
    # Maven's own plugin by the checksums published beside it; not every archive has such, and each is held against the lock anyway.
    for goal in (["--strict-checksums", f"{PLUGIN}:help"], [f"{PLUGIN}:copy"]):
        argv = ["mvn", "--batch-mode", "--quiet", f"--file={project}", *goal]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ArtifactError(f"Maven did not deliver the files of the lock: {(done.stdout + done.stderr)[-2000:]}")
    project.unlink()


def verify(artifacts: Iterable[Artifact], root: Path) -> None:
    for artifact in artifacts:
        found = checksum(root / artifact.path) if (root / artifact.path).is_file() else "no file"
        if found != artifact.checksum:
            cause = f"the lock names SHA-256 {artifact.checksum}, found: {found}"
            raise ArtifactError(f"{root / artifact.path} ({artifact.coordinates}) is refused: {cause}")


def assembled(name: str, lock: Path, sources: Iterable[Path], build: Callable[[Path], None]) -> Path:
    """The directory of a server: its archives, and what is built of them and of the sources. Made once, and verified each time."""
    artifacts = read(lock)
    key = hashlib.sha256(b"".join(path.read_bytes() for path in (lock, *sorted(sources)))).hexdigest()[:16]
    home = cache_directory() / "search" / f"{name}-{key}"
    with only_one(home.with_name(f"{home.name}.lock")):
        if not (home / _DONE).exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            fetch(artifacts, home)
            verify(artifacts, home)
            build(home)
            (home / _DONE).write_text("".join(f"{checksum(path)} . {path.relative_to(home)}\n" for path in _files(home)))
        verify(artifacts, home)
        _verify_built(home)
    return home


def _files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file() and path.name != _DONE)


def _verify_built(home: Path) -> None:
    """What was built is what was built then: no byte is changed, no file is gone or new."""
    noted = {path: digest for digest, _dot, path in (line.split(" ", 2) for line in (home / _DONE).read_text().splitlines())}
    found = {str(path.relative_to(home)): checksum(path) for path in _files(home)}
    differing = sorted(path for path in {*noted, *found} if noted.get(path) != found.get(path))
    if differing:
        raise ArtifactError(f"{home}: changed since it was built, so it is refused: {', '.join(differing)}. Delete the directory.")


def main() -> None:
    lock = Path(sys.argv[1])
    artifacts = read(lock)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        fetch(artifacts, root)
        fresh = {artifact: checksum(root / artifact.path) for artifact in artifacts}
    comments = [line for line in lock.read_text().splitlines() if line.startswith("#")]
    lock.write_text("\n".join([*comments, *(f"{fresh[entry]} {entry.directory} {entry.coordinates}" for entry in artifacts), ""]))


if __name__ == "__main__":
    main()
