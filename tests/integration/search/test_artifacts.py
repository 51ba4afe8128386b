# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engines of the tests are made of is what the lock files name, each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.integration.search import artifacts, engines
from tests.integration.search.artifacts import Artifact, ArtifactError

CONTENT = b"PK an archive"
LINE = "lib org.example:small:1.0:jar"


class Bench:
    """A lock with one archive, a Maven that delivers what it is given, and a cache of its own."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lock = directory / "artifacts.lock"
        self.source = directory / "Node.java"
        self.delivered = CONTENT
        self.fetched = 0
        self.lock.write_text(f"# comment\n{hashlib.sha256(CONTENT).hexdigest()} {LINE}\n")
        self.source.write_text("class Node {}")
        monkeypatch.setenv("ENDPOINT_STATS_OPS_CACHE", str(directory / "cache"))
        monkeypatch.setattr(artifacts, "fetch", self.fetch)

    def fetch(self, wanted: Iterable[Artifact], root: Path) -> None:
        self.fetched += 1
        for artifact in wanted:
            (root / artifact.path).parent.mkdir(parents=True)
            (root / artifact.path).write_bytes(self.delivered)

    def build(self, home: Path) -> None:
        (home / "built").write_text("built")

    def assembled(self) -> Path:
        return artifacts.assembled("small", self.lock, [self.source], self.build)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_the_second_time_nothing_is_fetched(bench: Bench) -> None:
    first = bench.assembled()
    assert (bench.assembled(), bench.fetched) == (first, 1)
    assert (first / "lib" / "small-1.0.jar").read_bytes() == CONTENT


def test_a_changed_source_or_lock_is_assembled_anew(bench: Bench) -> None:
    first = bench.assembled()
    bench.source.write_text("class Node { }")
    second = bench.assembled()
    bench.lock.write_text(f"{bench.lock.read_text()}# another comment\n")
    assert len({first, second, bench.assembled()}) == 3


def test_another_archive_than_the_lock_names_is_refused(bench: Bench) -> None:
    bench.delivered = CONTENT + b"!"
    with pytest.raises(ArtifactError, match=r"small-1\.0\.jar \(org\.example:small:1\.0:jar\) is refused"):
        bench.assembled()


@pytest.mark.parametrize("name", ["lib/small-1.0.jar", "built"])
def test_a_byte_that_changes_in_the_cache_is_refused(bench: Bench, name: str) -> None:
    path = bench.assembled() / name
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(ArtifactError, match=r"refused"):
        bench.assembled()


def test_a_file_that_comes_or_goes_in_the_cache_is_refused(bench: Bench) -> None:
    home = bench.assembled()
    (home / "lib" / "stranger.jar").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"stranger\.jar"):
        bench.assembled()
    (home / "lib" / "stranger.jar").unlink()
    (home / "built").unlink()
    with pytest.raises(ArtifactError, match=r"built"):
        bench.assembled()


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_the_locks_name_each_file_once_and_with_its_checksum(engine: str) -> None:
    locked = artifacts.read(engines.HERE / engine / "artifacts.lock")
    assert len(locked) > 40
    assert len({artifact.path for artifact in locked}) == len(locked)
    assert all(len(artifact.checksum) == 64 and int(artifact.checksum, 16) for artifact in locked)


def test_maven_is_asked_for_each_archive_alone(tmp_path: Path) -> None:
    artifact = Artifact("0" * 64, "lib", "org.example:small:1.0:jar")
    assert artifact.item(tmp_path) == (
        "<artifactItem><groupId>org.example</groupId><artifactId>small</artifactId><version>1.0</version><type>jar</type>"
        f"<outputDirectory>{tmp_path}/lib</outputDirectory></artifactItem>"
    )
