#!/usr/bin/env python3
# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the Python environment of this checkout, and the name Ansible finds the collection by.

Runs on the system's Python with nothing but the standard library. The environment lies in the cache, its name is the
hash of the lock file and of the Python version, so two checkouts with one lock share it and a changed lock makes a new one.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "dev.lock"


def cache_directory() -> Path:
    chosen = os.environ.get("ENDPOINT_STATS_OPS_CACHE")
    cache = Path(chosen) if chosen else Path.home() / ".cache" / "endpoint-stats-ops"
    if cache.resolve().is_relative_to(ROOT):
        raise SystemExit(f"The cache {cache} lies inside the checkout; Ansible would find the collection in itself.")
    return cache


def environment_directory(cache: Path, lock: Path = LOCK) -> Path:
    python = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor} {sys.base_prefix}"
    key = hashlib.sha256(python.encode() + lock.read_bytes()).hexdigest()[:16]
    return cache / "venv" / key


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Two targets started at once must not build the same environment."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def install_venv_module() -> None:
    """Debian ships `ensurepip` in a package of its own."""
    try:
        import ensurepip  # noqa: F401, PLC0415
    except ImportError:
        apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]
        subprocess.run([*apt, "update"], check=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*apt, "install", "-y", "python3-venv"], check=True, env=environment)


def build(environment: Path, lock: Path = LOCK) -> None:
    """A virtual environment carries its own path, so it is built in place and counts once its marker is there."""
    install_venv_module()
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    print(f"Installing {lock.relative_to(ROOT)} into {environment}", file=sys.stderr, flush=True)
    subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
    (environment / "complete").touch()


def complete(cache: Path, lock: Path = LOCK) -> Path:
    """The environment of a lock file, built when it is not there yet."""
    environment = environment_directory(cache, lock)
    with only_one(environment.with_name(environment.name + ".lock")):
        if not (environment / "complete").exists():
            build(environment, lock)
    return environment


def link_collection(cache: Path) -> None:
    link = cache / "dev" / "ansible_collections" / "endpoint_stats" / "ops"
    if link.is_symlink() and link.readlink() == ROOT:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f"ops.{os.getpid()}")
    fresh.symlink_to(ROOT, target_is_directory=True)
    fresh.replace(link)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", action="store_true", help="only print where the environment is or would be")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - the only place that runs before the version is known
        raise SystemExit(f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}.")
    cache = cache_directory()
    environment = environment_directory(cache)
    if not options.path:
        complete(cache)
        link_collection(cache)
    print(environment)


if __name__ == "__main__":
    main()
