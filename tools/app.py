# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python environment of the application, apart from the one for developing: its image holds the same packages.

`python -m tools.app` checks the application's types against them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.venv import ROOT, cache_directory, complete

SOURCE = ROOT / "app" / "src"
LOCK = ROOT / "app" / "requirements.lock"


def python() -> Path:
    """The interpreter that runs the application; the environment is made when it is not there yet."""
    return complete(cache_directory(), LOCK) / "bin" / "python"


def main() -> int:
    environment = {**os.environ, "MYPYPATH": str(SOURCE), "MYPY_CACHE_DIR": str(cache_directory() / "mypy-app")}
    argv = ["mypy", "--config-file", "app/pyproject.toml", "--python-executable", str(python()), "-p", "endpoint_stats"]
    return subprocess.run(argv, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
