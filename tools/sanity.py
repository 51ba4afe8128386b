# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collection, installs what was built, and runs `ansible-test sanity` on it.

ansible-test takes the real path of what it tests and refuses a checkout that lies elsewhere; what users install is the
built artefact anyway. An artefact that has passed is remembered by its content, so an unchanged one is not tested twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from tools.steps import CACHE
from tools.venv import ROOT, only_one

PYTHON = "3.11"
BASE = CACHE / "sanity"

# ansible-test fetches this program from a host that not every network lets through; Python has the same aboard.
GET_PIP = """\
import subprocess
import sys

UNKNOWN_TO_ENSUREPIP = {"--no-setuptools", "--no-wheel"}

subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
arguments = [argument for argument in sys.argv[1:] if argument not in UNKNOWN_TO_ENSUREPIP]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *arguments]).returncode)
"""


def build(directory: Path) -> Path:
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", str(directory)], cwd=ROOT, check=True)
    (artefact,) = directory.glob("*.tar.gz")
    return artefact


def install(artefact: Path) -> Path:
    """Dependencies are those of the ansible package beside; nothing is downloaded."""
    shutil.rmtree(BASE / "ansible_collections", ignore_errors=True)
    command = ["ansible-galaxy", "collection", "install", "--offline", "--force", "--collections-path", str(BASE), str(artefact)]
    subprocess.run(command, check=True)
    return BASE / "ansible_collections" / "endpoint_stats" / "ops"


def content_hash(installed: Path) -> str:
    """The names and hashes of all files that were built in, and the version of what judges them."""
    listed = json.loads((installed / "FILES.json").read_text())["files"]
    told = sorted((entry["name"], entry["ftype"], entry["chksum_sha256"]) for entry in listed)
    return hashlib.sha256(json.dumps([told, version("ansible-core"), PYTHON]).encode()).hexdigest()


def place_get_pip(home: Path) -> None:
    requirements = Path(sysconfig.get_path("purelib"), "ansible_test", "_internal", "python_requirements.py")
    match = re.search(r"\bpip='([\d.]+)'", requirements.read_text())
    if not match:
        raise SystemExit(f"{requirements} names no version of pip.")
    path = home / ".ansible" / "test" / "cache" / f"get_pip_{match[1].replace('.', '_')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GET_PIP)


def sanity(installed: Path) -> int:
    home = BASE / "home"
    place_get_pip(home)
    real_home = Path.home()
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(real_home / ".cache"),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME") or str(real_home / ".config"),
    }
    command = ["ansible-test", "sanity", "--local", "--python", PYTHON, "--color", "no"]
    return subprocess.run(command, cwd=installed, env=environment, check=False).returncode


def judge() -> int:
    with tempfile.TemporaryDirectory(dir=BASE) as directory:
        installed = install(build(Path(directory)))
    passed = BASE / "passed" / content_hash(installed)
    if passed.exists():
        print(f"This artefact has passed before ({passed.name[:16]})")
        return 0
    status = sanity(installed)
    if status == 0:
        passed.parent.mkdir(exist_ok=True)
        passed.touch()
    return status


def main() -> int:
    with only_one(BASE / "lock"):
        return judge()


if __name__ == "__main__":
    sys.exit(main())
