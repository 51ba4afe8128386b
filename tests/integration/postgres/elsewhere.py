# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for copies of backups on an S3 service."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.modules import Outcome
from tests.integration.offsite.s3 import S3
from tests.integration.postgres import support
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.support import DATABASE, Place

RCLONE = "/usr/bin/rclone"


@dataclass
class Elsewhere:
    """A bucket of its own, and a copy of the good backup here."""

    place: Place
    service: S3
    room: Path
    backups: Path
    bucket: str
    sections: dict[str, str] = field(default_factory=dict)

    def options(self, **changes: Any) -> dict[str, Any]:
        config = self.room / "rclone.conf"
        if not config.exists():
            config.write_text(self.service.configuration(**self.sections))
        known: dict[str, Any] = {"directory": str(self.backups), "database": DATABASE, "owner": "tests/stack"}
        known |= {"ca_file": str(self.service.authority), "remote": f"archive:{self.bucket}/stack", "config_file": str(config)}
        return {**known, "connect_timeout_seconds": 2, "retries": 1, **changes}

    def run(self, *, predict: bool = False, programs: Path | None = None, **changes: Any) -> Outcome:
        return self.place.run("backup_offsite", self.options(**changes), check=predict, programs=programs)

    def good(self, **changes: Any) -> dict[str, Any]:
        return self.place.good(self.run(**changes)).result

    @property
    def there(self) -> Path:
        """The directory of the copies on the service's own disk."""
        return self.service.buckets / self.bucket / "stack"

    @property
    def names(self) -> list[str]:
        """Backups here."""
        return sorted(path.name for path in self.backups.iterdir() if path.name.startswith("2"))

    def more(self, number: int) -> None:
        """Older backups that are as good: the same bytes under other names."""
        (newest,) = self.names
        for day in range(1, number + 1):
            name = f"202601{day:02}T000000Z"
            shutil.copytree(self.backups / newest, self.backups / name)
            copied = Backup(self.place, self.backups / name)
            copied.forge(id=name)
            for path in (copied.path, *copied.path.rglob("*")):
                support.own(path)

    def rclone(self, *words: str) -> str:
        """What somebody with the same keys says to the service."""
        argv = [RCLONE, f"--config={self.options()['config_file']}", f"--ca-cert={self.service.authority}", *words]
        known = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=known).stdout

    def wrapped(self, script: str) -> Path:
        """An rclone that does something else before it is itself."""
        path = self.room / "programs" / "rclone"
        path.parent.mkdir()
        path.write_text(f'#!/bin/sh\n{script}\nexec {RCLONE} "$@"\n')
        path.chmod(0o755)
        return path.parent


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def ids(result: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in result["findings"]]
