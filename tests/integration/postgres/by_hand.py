# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup brought back by somebody who has nothing but its guide."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.integration.app import servers


@dataclass(frozen=True)
class Hand:
    """Somebody who follows the guide of a backup."""

    backup: Path
    environment: dict[str, str]

    def type(self, heading: str, before: str = "") -> str:
        """What the commands below a heading print."""
        text = (self.backup / "RESTORE.md").read_text()
        (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        (commands,) = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
        argv = ["bash", "-o", "pipefail", "-c", f"{before}\n{commands}"]
        done = subprocess.run(argv, cwd=self.backup, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def hand(backup: Path, server: servers.PostgreSQL, **environment: str) -> Hand:
    where = {"PGHOST": str(server.directory), "PGPORT": str(server.port), "PGUSER": "admin", **environment}
    return Hand(backup, {**where, "PATH": f"{servers.BINARIES}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})
