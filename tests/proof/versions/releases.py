# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of other releases of Debian: the same tests run there beside the PostgreSQL, Python and ansible-core that those have."""

from __future__ import annotations

import re
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import host, images, mutex, paths
from lab.catalog import digest
from lab.podman import COMMAND, image_exists, podman
from lab.process import attempt
from lab.progress import Progress
from tools.venv import ROOT

_PACKAGES = (
    *("age", "alembic", "ansible-core", "gunicorn", "openssl", "procps", "redis-server", "util-linux", "zstd"),
    *("python3-flask", "python3-jinja2", "python3-prometheus-client", "python3-psycopg", "python3-psycopg-c", "python3-pytest"),
    *("python3-redis", "python3-sqlalchemy", "python3-yaml"),
)
# No server is started by its package, and no cluster made.
_HOOK = """\
mkdir -p "$1/etc/postgresql-common"
echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"
printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"
chmod 0755 "$1/usr/sbin/policy-rc.d"
"""
# The signature of Debian is looked at as ever. A mirror that lags behind has lists of testing whose week is over.
_LATE = 'Acquire::Check-Valid-Until "false"'
_ENVIRONMENT = {
    "ENDPOINT_STATS_OPS_CACHE": "/work/cache",
    "ANSIBLE_COLLECTIONS_PATH": "/work/cache/dev",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}
_SECONDS = 5400
_VERSIONS = """
import platform, re, subprocess, sys
from importlib.metadata import version
said = subprocess.run([f"/usr/lib/postgresql/{sys.argv[1]}/bin/postgres", "--version"], capture_output=True, text=True, check=True).stdout
print("PostgreSQL", re.search(r"\\d[\\d.]*", said)[0], "with Python", platform.python_version(), "ansible-core", version("ansible-core"),
      "psycopg", version("psycopg"))
"""


@dataclass(frozen=True)
class Release:
    """A major version of PostgreSQL, and the suite of Debian that has it."""

    postgresql: int
    suite: str

    def __str__(self) -> str:
        return f"PostgreSQL {self.postgresql}"

    @property
    def packages(self) -> Sequence[str]:
        return (f"postgresql-{self.postgresql}", *_PACKAGES)

    def image(self, progress: Progress) -> str:
        """Its image, made where it is missing."""
        options = [f"--include={','.join(self.packages)}", f"--aptopt={_LATE}", f"--essential-hook={_HOOK}"]
        name = f"localhost/endpoint-stats/tests-postgresql-{self.postgresql}:{digest([self.suite, *options])}"
        with progress.step(f"image of {self}") as step, mutex.held("images"), paths.scratch(self.suite) as directory:
            step.result = "present"
            if not image_exists(name):
                archive = directory / images.ARCHIVE
                images.bootstrap(archive, self.suite, [self._source()], *options, step=step)
                images.build(name, "base", context_files=[archive], step=step)
                step.result = "built"
        return name

    def _source(self) -> str:
        """From where the host's own packages come."""
        kind, address, _suite, *components = next(
            words for words in map(str.split, host.debian_sources(images.SUITE)) if words[2] == images.SUITE
        )
        return " ".join([kind, address, self.suite, *components])


RELEASES = (Release(17, "trixie"), Release(18, "forky"))


@dataclass(frozen=True)
class Tests:
    """What came of a file of tests."""

    passed: int
    lost: Sequence[str]
    output: str


@dataclass(frozen=True)
class Inside:
    """A running container; C(work) is a directory that it shares."""

    release: Release
    container: str
    work: Path

    def versions(self) -> str:
        return podman("exec", self.container, "python3", "-c", _VERSIONS, str(self.release.postgresql)).strip()

    def run(self, *arguments: str) -> Tests:
        """Let pytest run there."""
        results = self.work / "results.xml"
        results.unlink(missing_ok=True)
        argv = [*COMMAND, "exec", "--workdir=/checkout", self.container, "python3", "-m", "tests.proof.versions.start"]
        done = attempt([*argv, "-q", "--junitxml=/work/results.xml", *arguments], timeout_seconds=_SECONDS)
        cases = list(ET.parse(results).getroot().iter("testcase")) if results.is_file() else []  # noqa: S314 - written by pytest just now
        lost = [case.attrib["name"] for case in cases if case.find("failure") is not None or case.find("error") is not None]
        return Tests(len(cases) - len(lost), lost if cases else ["no test was run"], (done.stdout + done.stderr)[-20_000:])


@contextmanager
def inside(release: Release, older_backups: Path) -> Iterator[Inside]:
    """A container without a network, with the checkout as it is; it and what it wrote are gone afterwards."""
    name, work = release.image(Progress()), Path(tempfile.mkdtemp(prefix="endpoint-stats-versions-"))
    known = {**_ENVIRONMENT, "ENDPOINT_STATS_TEST_POSTGRESQL": str(release.postgresql), "ENDPOINT_STATS_TEST_BACKUPS": "/older"}
    volumes = [f"--volume={ROOT}:/checkout:ro", f"--volume={work}:/work", f"--volume={older_backups}:/older:ro"]
    # The modules run as a user that may enter no home but its own, and read all.
    rights = ["--network=none", "--cap-add=DAC_READ_SEARCH,SYS_ADMIN,SYS_PTRACE", "--shm-size=2g", *host.ulimits()]
    options = [*rights, *volumes, *(f"--env={key}={value}" for key, value in known.items())]
    container = podman("run", "--detach", *options, name, "sleep", "infinity").strip()
    try:
        yield Inside(release, container, work)
    finally:
        podman("rm", "--force", "--time=0", container)
        shutil.rmtree(work)


def shown(tests: Tests) -> str:
    """How a table says it."""
    return f"{tests.passed} of {tests.passed + len(tests.lost)} passed"


def called(path: str) -> str:
    """The name of a file of tests as people say it."""
    return re.sub(r"\W|_", " ", Path(path).stem.removeprefix("test_"))
