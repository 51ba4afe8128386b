# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""artifacts.lock: what it may say, and when its keys change."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import catalog, paths
from lab.errors import LabError

_LOCK = """
[go.tool]
module = "example.org/tool"
version = "v1.2.3"
sum = "h1:abc="
[go.tool.binaries]
tool = "example.org/tool/cmd/tool"
[c]
[[file]]
product = "tool"
path = "v1.2.3/tool.tar.gz"
upstream = "https://example.org"
members = { "bin/tool" = "tool/tool" }
[[image]]
name = "example.org/tool:v1.2.3"
recipe = "static"
programs = ["tool/tool"]
arguments = { MAIN = "tool" }
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules and image recipes of one small tool."""
    for name, text in {
        "go/tool/go.mod": "module lab/tool\n",
        "go/tool/go.sum": "example.org/tool v1.2.3 h1:abc=\n",
        "images/static/Containerfile": "FROM scratch\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(paths, "GO", tmp_path / "go")
    monkeypatch.setattr(paths, "IMAGES", tmp_path / "images")
    return tmp_path


def test_reads_groups_files_and_images() -> None:
    """The three kinds of entries become typed objects."""
    found = catalog.parse(_LOCK)
    assert found.go["tool"].binaries == {"tool": "example.org/tool/cmd/tool"}
    assert found.files[0].name == "tool/v1.2.3/tool.tar.gz"
    assert found.images[0].programs == ("tool/tool",)


@pytest.mark.parametrize(
    ("before", "after"),
    [("version =", "verson ="), ('module = "example.org/tool"', ""), ("[[image]]", "[[image"), ("[c]", "")],
)
def test_refuses_a_lock_with_a_mistake(before: str, after: str) -> None:
    """A misspelt key, a missing one and broken TOML name the lock."""
    with pytest.raises(LabError, match=r"artifacts\.lock"):
        catalog.parse(_LOCK.replace(before, after, 1))


@pytest.mark.usefixtures("sources")
def test_accepts_sums_that_are_in_go_sum() -> None:
    """The lock and go.sum agree."""
    catalog.verify(catalog.parse(_LOCK), paths.GO)


@pytest.mark.usefixtures("sources")
def test_refuses_a_sum_that_is_not_in_go_sum() -> None:
    """One other byte in the module's checksum is refused."""
    with pytest.raises(LabError, match=r"no line 'example\.org/tool v1\.2\.3 h1:abd='"):
        catalog.verify(catalog.parse(_LOCK.replace("h1:abc=", "h1:abd=")), paths.GO)


@pytest.mark.usefixtures("sources")
def test_refuses_a_program_that_nothing_builds() -> None:
    """A misspelt program is found before anything is built."""
    with pytest.raises(LabError, match="no group builds tool/tol"):
        catalog.verify(catalog.parse(_LOCK.replace('programs = ["tool/tool"]', 'programs = ["tool/tol"]')), paths.GO)


def test_keys_change_with_what_they_stand_for(sources: Path) -> None:
    """Modules change files and images, recipes change images alone, and nothing else changes either."""
    found = catalog.parse(_LOCK)
    files, images = found.key_of_files(), found.key_of_registry()
    assert (found.key_of_files(), found.key_of_registry()) == (files, images)
    (sources / "images/static/Containerfile").write_text("FROM scratch\nUSER 1\n")
    assert found.key_of_files() == files
    assert found.key_of_registry() != images
    images = found.key_of_registry()
    (sources / "go/tool/go.sum").write_text("example.org/tool v1.2.3 h1:abc=\nexample.org/other v1.0.0 h1:x=\n")
    assert found.key_of_files() != files
    assert found.key_of_registry() != images


@pytest.mark.usefixtures("sources")
def test_keys_change_with_the_lock() -> None:
    """A linker flag is part of what is built."""
    flagged = _LOCK.replace('sum = "h1:abc="', 'sum = "h1:abc="\nldflags = ["-X main.version=1"]')
    assert catalog.parse(flagged).key_of_files() != catalog.parse(_LOCK).key_of_files()


def test_digest_separates_its_parts() -> None:
    """Moving text from one part to the next is another digest."""
    assert catalog.digest(["ab", "c"]) != catalog.digest(["a", "bc"])


def test_tracked_lock_is_valid() -> None:
    """The lock of this repository agrees with its go.sum files."""
    found = catalog.load()
    assert {"kubernetes", "containerd", "runc", "cni_plugins"} == {entry.product for entry in found.files}
    assert "registry.k8s.io/pause:3.10.2" in {image.name for image in found.images}
