# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins pytest in a container: the collection under its name, and Debian's own packages in the place of the application's environment."""

from __future__ import annotations

import subprocess
import sys

from tools.app import LOCK
from tools.venv import cache_directory, environment_directory, link_collection


def main() -> int:
    cache = cache_directory()
    link_collection(cache)
    environment = environment_directory(cache, LOCK)
    if not (environment / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(environment)], check=True)
        (environment / "complete").touch()
    return subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
