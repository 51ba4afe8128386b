# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of a lab's network: the registry of upstream's images, the file server, the registry of our own images."""

from __future__ import annotations

from lab import artifacts, host, images, paths, registry
from lab.catalog import Catalog, digest
from lab.network import Network
from lab.paths import LabPaths
from lab.podman import CONFIGURATION_LABEL, LABEL, answers, podman

SERVERS = ("registry", "files", "images")
_LISTS = {
    "kubernetes": (".sha256", "{checksum}"),
    "containerd": (".sha256sum", "{checksum}  {file}\n"),
    "runc": (".sha256sum", "{checksum} *{file}\n"),
    "cni_plugins": (".sha256", "{checksum}  {file}\n"),
}


def link_files(catalog: Catalog, lab: LabPaths) -> None:
    """Lay out the file server: a symlink for each file, so that a test can put another file in one's place."""
    source = artifacts.directory(catalog) / "files"
    for entry in catalog.files:
        link = lab.files / entry.name
        link.parent.mkdir(parents=True, exist_ok=True)
        part = link.with_name(link.name + ".part")
        part.unlink(missing_ok=True)
        part.symlink_to(source / entry.name)
        part.replace(link)


def write_lists(catalog: Catalog, lab: LabPaths) -> None:
    """Publish the checksums beside the files in the form of each upstream, so that what reads those lists can be tried."""
    for name, checksum in artifacts.checksums(catalog).items():
        product, file = name.split("/")[0], name.rsplit("/", 1)[-1]
        suffix, text = _LISTS[product]
        listed = lab.files / name if product != "runc" else (lab.files / name).with_name("runc")
        paths.write(listed.with_name(listed.name + suffix), text.format(checksum=checksum, file=file))


def ensure(name: str, catalog: Catalog, lab: LabPaths, network: Network) -> None:
    """Start the servers; one whose configuration changed is made again, as none holds anything itself."""
    files = artifacts.directory(catalog) / "files"
    own = [*network.attach(name, network.registry), f"--volume={registry.directory(catalog)}:/var/lib/registry:ro"]
    _ensure(name, "registry", own, ["docker-registry", "serve", "/etc/endpoint-stats/serve.yml"])
    own = [*network.attach(name, network.files), f"--volume={lab.files}:/srv/files:ro", f"--volume={files}:{files}:ro"]
    _ensure(name, "files", own, ["busybox", "httpd", "-f", "-p", "80", "-h", "/srv/files"])
    pushed = paths.cache() / "images"
    pushed.mkdir(parents=True, exist_ok=True)
    own = [*network.attach(name, network.images), f"--volume={pushed}:/var/lib/registry", "--env=REGISTRY_HTTP_ADDR=:5000"]
    _ensure(name, "images", own, ["docker-registry", "serve", "/etc/endpoint-stats/fill.yml"])
    registry.await_http(f"http://{network.images}/v2/", f"registry of our own images of lab {name}")
    registry.await_http(f"http://{network.registry}/v2/", f"registry of lab {name}")
    registry.await_http(f"http://{network.files}/{catalog.files[0].name}", f"file server of lab {name}")


def _ensure(lab: str, server: str, own: list[str], command: list[str]) -> None:
    container = f"endpoint-stats-{lab}-{server}"
    arguments = [
        *own,
        *host.ulimits(),
        "--stop-signal=SIGKILL",
        images.own_name("mirror"),
        *command,
    ]
    configuration = digest(arguments)
    label = f'{{{{index .Config.Labels "{CONFIGURATION_LABEL}"}}}}'
    if answers("container", "exists", container):
        if podman("container", "inspect", f"--format={label}", container).strip() == configuration:
            podman("start", container)
            return
        podman("rm", "--force", "--time=0", container)
    podman(
        "run",
        "--detach",
        "--name",
        container,
        f"--label={LABEL}={lab}",
        f"--label={CONFIGURATION_LABEL}={configuration}",
        *arguments,
    )
