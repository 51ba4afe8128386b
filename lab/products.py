# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of our own, which nobody publishes: built once for what they are made of, pushed where they are missing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import artifacts, host, mutex, paths
from lab.catalog import Catalog, ReleaseFile, digest, key_of_recipe
from lab.podman import COMMAND, image_exists, podman
from lab.process import attempt, run, stream
from lab.progress import Progress, Step

PREFIX = "endpoint-stats"
# Every file of a layer gets this time, so that a second build has the same layers; archives of Python know none before 1980.
_BUILD = ("build", "--pull=never", "--network=host", "--timestamp=315532800")
_COLLECTION = ("galaxy.yml", "README.md", "LICENSE", "CHANGELOG.md", "meta", "plugins", "roles", "playbooks", "inventories/example")
_UNUSED_THERE = ("tests", "docs", "changelogs")
_BUILT_BY_PYTHON = ("__pycache__", "*.pyc")


@dataclass(frozen=True)
class Product:
    """One image: its directory below images/, the lock of its wheels, and the trees of the checkout it holds."""

    variable: str
    recipe: str
    lock: str = ""
    trees: tuple[str, ...] = ()
    collection: bool = False

    @property
    def repository(self) -> str:
        """Name below the registry."""
        return f"{PREFIX}/{self.recipe}"


PRODUCTS = (
    Product("postgresql", "postgresql"),
    Product("redis", "redis"),
    Product("proxy", "proxy"),
    Product("ops_runner", "ops-runner", lock="images/ops-runner/requirements.lock", collection=True),
    Product("api", "api", lock="app/requirements.lock", trees=("app",)),
)


def files_below(root: Path) -> Iterator[Path]:
    """All files of a tree that are of the source, in order."""
    found = sorted(root.rglob("*")) if root.is_dir() else [root]
    yield from (path for path in found if path.is_file() and not path.name.endswith(".pyc"))


def key_of_files(roots: Iterable[Path]) -> str:
    """Changes when a file below one of the roots does."""
    listed = [path for root in roots for path in files_below(root)]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in listed]
    names = [f"{path.relative_to(paths.CHECKOUT)} {os.access(path, os.X_OK)}" for path in listed]
    return digest([*names, *hashes])


def version() -> str:
    """The version of the collection, which its images carry too."""
    return str(yaml.safe_load((paths.CHECKOUT / "galaxy.yml").read_text())["version"])


def collections() -> dict[str, Path]:
    """The collections that galaxy.yml asks for, as the locked Ansible package holds them."""
    package = Path(sysconfig.get_path("purelib"), "ansible_collections")
    wanted = list(yaml.safe_load((paths.CHECKOUT / "galaxy.yml").read_text())["dependencies"])
    found: dict[str, Path] = {}
    while wanted:
        name = wanted.pop()
        root = package / name.replace(".", "/")
        found[name] = root
        manifest = json.loads((root / "MANIFEST.json").read_text())
        wanted += [other for other in manifest["collection_info"]["dependencies"] if other not in found]
    return found


def key_of(product: Product, catalog: Catalog) -> str:
    """Changes when the image would."""
    trees = [paths.IMAGES / product.recipe, *(paths.CHECKOUT / tree for tree in product.trees)]
    parts = [key_of_recipe("base"), *_BUILD, version(), key_of_files(trees)]
    if product.collection:
        versions = [json.loads((root / "MANIFEST.json").read_text())["collection_info"]["version"] for root in collections().values()]
        own = key_of_files(paths.CHECKOUT / name for name in _COLLECTION)
        parts += [own, *sorted(versions), artifacts.checksums(catalog)[_kubectl_entry(catalog).name]]
    return digest(parts)


def _kubectl_entry(catalog: Catalog) -> ReleaseFile:
    return next(entry for entry in catalog.files if entry.path.endswith("/kubectl"))


def _kubectl(catalog: Catalog) -> Path:
    return artifacts.directory(catalog) / "files" / _kubectl_entry(catalog).name


def make(product: Product, catalog: Catalog, progress: Progress) -> str:
    """The image's local name; built where podman has none of this key."""
    name = f"localhost/{product.repository}:{key_of(product, catalog)}"
    with progress.step(f"image {product.recipe}") as step, mutex.held(f"image-{product.recipe}"):
        step.result = "present"
        if not image_exists(name):
            _build(product, name, catalog, step)
            step.result = "built"
    return name


def _build(product: Product, name: str, catalog: Catalog, step: Step) -> None:
    with paths.scratch(product.recipe) as directory:
        context = directory / "context"
        shutil.copytree(paths.IMAGES / product.recipe, context)
        if product.lock:
            shutil.copytree(_wheelhouse(paths.CHECKOUT / product.lock, step), context / "wheelhouse", copy_function=os.link)
        for tree in product.trees:
            shutil.copytree(paths.CHECKOUT / tree, context / tree, ignore=shutil.ignore_patterns(*_BUILT_BY_PYTHON))
        if product.collection:
            _add_collections(context / "collections" / "ansible_collections", step)
            (context / "programs").mkdir()
            os.link(_kubectl(catalog), context / "programs" / "kubectl")
        label = f"--label=org.opencontainers.image.version={version()}"
        argv = [*COMMAND, *_BUILD, *host.ulimits(), label, "--tag", name, str(context)]
        stream(argv, step.tick)


def _wheelhouse(lock: Path, step: Step) -> Path:
    """The wheels of a lock file, fetched once and checked by pip against the lock's hashes."""
    target = paths.cache() / "wheelhouse" / digest([lock.read_text()])
    with mutex.held("wheelhouse"):
        if not target.is_dir():
            with paths.published(target) as part:
                pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--only-binary=:all:", "--no-deps"]
                argv = [*pip, "--require-hashes", "--dest", str(part), "--requirement", str(lock)]
                stream(argv, step.tick, next_step="run the same command again")
    return target


def _add_collections(target: Path, step: Step) -> None:
    """This collection as it would be installed, and the others without their tests."""
    step.tick("building the collection")
    with paths.scratch("collection") as directory:
        environment = {"ANSIBLE_COLLECTIONS_PATH": str(target.parent)}
        galaxy = ["ansible-galaxy", "collection"]
        stream([*galaxy, "build", "--output-path", str(directory)], step.tick, cwd=paths.CHECKOUT, environment=environment)
        (artefact,) = directory.glob("*.tar.gz")
        argv = [*galaxy, "install", "--offline", "--no-deps", "--collections-path", str(target.parent), str(artefact)]
        stream(argv, step.tick, environment=environment)
    for name in _UNUSED_THERE:
        shutil.rmtree(target / "endpoint_stats" / "ops" / name, ignore_errors=True)
    for name, root in collections().items():
        ignored = shutil.ignore_patterns(*_UNUSED_THERE, *_BUILT_BY_PYTHON)
        shutil.copytree(root, target / name.replace(".", "/"), ignore=ignored)


def push(name: str, registry: str, repository: str, progress: Progress, *, plain_http: bool) -> str:
    """Push an image under its key where the registry has none of it; the digest it has there."""
    target = f"docker://{registry}/{repository}:{name.rsplit(':', 1)[1]}"
    with progress.step(f"push {repository}") as step:
        there = digest_in_registry(target, plain_http=plain_http)
        step.result = "present"
        if not there:
            tls = f"--dest-tls-verify={str(not plain_http).lower()}"
            stream(["skopeo", "copy", tls, f"containers-storage:{name}", target], step.tick)
            there = digest_in_registry(target, plain_http=plain_http)
            step.result = "pushed"
    return there


def digest_in_registry(reference: str, *, plain_http: bool) -> str:
    """The digest of an image in a registry, empty where there is none."""
    argv = ["skopeo", "inspect", f"--tls-verify={str(not plain_http).lower()}", "--format={{.Digest}}", reference]
    found = attempt(argv)
    if found.returncode == 0:
        return found.stdout.strip()
    if "manifest unknown" in found.stderr or "name unknown" in found.stderr:
        return ""
    return run(argv, next_step="see that the registry answers and lets you in (`skopeo login`)").strip()


def make_all(registry: str, shown: str, catalog: Catalog, progress: Progress, *, plain_http: bool) -> dict[str, str]:
    """Build and push all of them; inventory variable -> image by digest, under the registry's name as the nodes know it."""
    found = {}
    for product in PRODUCTS:
        name = make(product, catalog, progress)
        pushed = push(name, registry, product.repository, progress, plain_http=plain_http)
        found[product.variable] = f"{shown}/{product.repository}@{pushed}"
    return found


def tidy(catalog: Catalog) -> None:
    """Remove what earlier keys of the images left in podman's storage."""
    current = {f"localhost/{product.repository}:{key_of(product, catalog)}" for product in PRODUCTS}
    listed = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    repositories = tuple(f"localhost/{product.repository}:" for product in PRODUCTS)
    for name in listed:
        if name.startswith(repositories) and name not in current:
            podman("rmi", "--force", name)
