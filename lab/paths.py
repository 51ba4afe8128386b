# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything lies: the checkout (read only) and the cache (all that is made)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
CHECKOUT = SOURCE.parent
IMAGES = CHECKOUT / "images"
LOCK = SOURCE / "artifacts.lock"
GO = SOURCE / "go"


def cache() -> Path:
    """The cache directory, outside the checkout."""
    named = os.environ.get("ENDPOINT_STATS_OPS_CACHE")
    return Path(named).resolve() if named else Path.home() / ".cache" / "endpoint-stats-ops"


@dataclass(frozen=True)
class LabPaths:
    """The directory of one lab."""

    root: Path

    @classmethod
    def of(cls, name: str) -> LabPaths:
        """The paths of the lab called `name`."""
        return cls(cache() / "labs" / name)

    @property
    def inventory(self) -> Path:
        """Ansible inventory directory."""
        return self.root / "inventory"

    @property
    def ssh(self) -> Path:
        """Key pair, known hosts and control sockets."""
        return self.root / "ssh"

    @property
    def secrets(self) -> Path:
        """What playbooks generate and a rebuild needs."""
        return self.root / "secrets"

    @property
    def reports(self) -> Path:
        """Reports of playbooks."""
        return self.root / "reports"

    @property
    def files(self) -> Path:
        """Root of the file server: a tree of symlinks into the artefact cache."""
        return self.root / "files"

    @property
    def kubeconfig(self) -> Path:
        """Where the cluster's kubeconfig is fetched to."""
        return self.root / "kubeconfig"

    def make(self) -> None:
        """Create the directories; secrets and keys are the owner's alone."""
        for directory, mode in ((self.root, 0o755), (self.ssh, 0o700), (self.secrets, 0o700), (self.reports, 0o755), (self.files, 0o755)):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(mode)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary directory on the cache's file system, so that big files are linked and not copied."""
    work = cache() / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix=f"{prefix}-") as name:
        yield Path(name)


@contextmanager
def published(target: Path) -> Iterator[Path]:
    """A directory that appears under its name only when it is complete."""
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    part.rename(target)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file by rename, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.chmod(mode)
    part.replace(path)
