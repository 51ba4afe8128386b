# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of the registry: filled once for all labs, read by each lab's registry container."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import images, mutex, paths
from lab.catalog import Catalog
from lab.errors import LabError
from lab.podman import podman
from lab.process import run
from lab.progress import Progress

_FILLER = "endpoint-stats-fill"
_READY_SECONDS = 30


def directory(catalog: Catalog) -> Path:
    """The store for exactly these images."""
    return paths.cache() / "registry" / catalog.key_of_registry()


def make(catalog: Catalog, progress: Progress) -> None:
    """Build and push what the store lacks."""
    target = directory(catalog)
    with progress.step("registry images") as step, mutex.held("registry"):
        step.result = "present"
        if target.is_dir():
            return
        with paths.published(target) as part, _filler(part) as address:
            for number, image in enumerate(catalog.images, start=1):
                step.tick(f"{number} of {len(catalog.images)}: {image.name}")
                images.build_for_registry(catalog, image, step)
                source = f"containers-storage:{image.name}"
                run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", source, f"docker://{address}/{image.name}"])
        step.result = f"{len(catalog.images)} images pushed"


@contextmanager
def _filler(store: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    podman("rm", "--force", "--ignore", _FILLER)
    podman("run", "--detach", "--name", _FILLER, *images.fill_command(store, port))
    try:
        await_http(f"http://127.0.0.1:{port}/v2/", "the registry that fills the store")
        yield f"127.0.0.1:{port}"
    finally:
        podman("rm", "--force", "--ignore", _FILLER)


def await_http(url: str, subject: str) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise LabError(subject, f"no answer from {url}: {error}", "read `podman logs` of its container") from error
            time.sleep(0.1)
