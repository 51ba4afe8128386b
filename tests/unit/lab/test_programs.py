# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building and fetching."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.artifacts import fetch
from lab.errors import LabError
from lab.programs import default_name


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    """A web server with one file."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "runc.amd64").write_bytes(b"program")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(tmp_path / "www")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("k8s.io/kubernetes/cmd/kubeadm", "kubeadm"),
        ("go.etcd.io/etcd/server/v3", "server"),
        ("github.com/coredns/coredns", "coredns"),
        ("example.org/cmd/vet", "vet"),
    ],
)
def test_name_that_go_gives_to_a_program(package: str, name: str) -> None:
    """A major version at the end is not a name."""
    assert default_name(package) == name


def test_fetches_a_file_whose_checksum_is_right(upstream: str, tmp_path: Path) -> None:
    """The file is there under its name, and nothing beside it."""
    target = tmp_path / "out" / "runc.amd64"
    target.parent.mkdir()
    assert fetch(f"{upstream}/runc.amd64", hashlib.sha256(b"program").hexdigest(), target)
    assert [path.name for path in target.parent.iterdir()] == ["runc.amd64"]


def test_refuses_a_file_whose_checksum_is_wrong(upstream: str, tmp_path: Path) -> None:
    """Other bytes are an error that names both checksums, never a reason to build instead."""
    with pytest.raises(LabError, match=r"its SHA-256 is [0-9a-f]{64}, artifacts\.lock says 0{64}"):
        fetch(f"{upstream}/runc.amd64", "0" * 64, tmp_path / "runc.amd64")
    assert not list(tmp_path.glob("runc.amd64*"))


def test_says_when_upstream_cannot_be_reached(upstream: str, tmp_path: Path) -> None:
    """Neither a missing file nor a dead server is an error: the program is built then."""
    assert not fetch(f"{upstream}/missing", "0" * 64, tmp_path / "missing")
    assert not fetch("http://127.0.0.1:1/runc.amd64", "0" * 64, tmp_path / "runc.amd64")
