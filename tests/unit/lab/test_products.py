# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an image of our own is another one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lab import inventory, paths, products
from lab.paths import LabPaths


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one file of the application."""
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("print()")
    return tmp_path


def test_a_key_follows_names_contents_and_modes(checkout: Path) -> None:
    source = checkout / "app" / "main.py"
    keys = {products.key_of_files([checkout / "app"])}
    source.write_text("print(1)")
    keys.add(products.key_of_files([checkout / "app"]))
    source.chmod(0o755)
    keys.add(products.key_of_files([checkout / "app"]))
    source.rename(source.with_name("other.py"))
    keys.add(products.key_of_files([checkout / "app"]))
    assert len(keys) == 4


def test_bytecode_is_no_source(checkout: Path) -> None:
    before = products.key_of_files([checkout / "app"])
    (checkout / "app" / "main.pyc").write_bytes(b"compiled")
    assert products.key_of_files([checkout / "app"]) == before


def test_the_collections_are_those_of_galaxy_yml_and_what_they_need() -> None:
    asked = yaml.safe_load((paths.CHECKOUT / "galaxy.yml").read_text())["dependencies"]
    assert set(asked) <= set(products.collections())


def test_the_images_of_a_lab_are_written_for_the_inventory(tmp_path: Path) -> None:
    lab = LabPaths(tmp_path)
    inventory.write_images(lab, {"api": "images.lab/endpoint-stats/api@sha256:0"})
    written = yaml.safe_load((lab.inventory / "group_vars/all/images.yml").read_text())
    assert written == {"app_stack_images": {"api": "images.lab/endpoint-stats/api@sha256:0"}}
