# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented command turns upstream's lists into entries of the inventory."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.e2e.support import Lab

LIST = "containerd/v2.4.2/containerd-2.4.2-linux-amd64.tar.gz.sha256sum"


def test_entries_are_those_of_the_files(lab: Lab, tmp_path: Path) -> None:
    written = tmp_path / "checksums.yml"
    lab.play("release_checksums", variables={"kubernetes_cluster_checksums_file": str(written)}).expect(changed=1)
    lab.play("release_checksums", variables={"kubernetes_cluster_checksums_file": str(written)}).expect(changed=0)
    expected = yaml.safe_load((lab.paths.inventory / "group_vars/all/lab.yml").read_text())
    assert yaml.safe_load(written.read_text()) == {"kubernetes_cluster_checksums": expected["kubernetes_cluster_checksums"]}


def test_a_list_of_other_files_is_refused(lab: Lab, tmp_path: Path) -> None:
    served = lab.paths.files / LIST
    kept = served.read_text()
    try:
        served.write_text(kept.replace("containerd-2.4.2", "containerd-2.4.1"))
        run = lab.play("release_checksums", variables={"kubernetes_cluster_checksums_file": str(tmp_path / "checksums.yml")})
    finally:
        served.write_text(kept)
    assert run.status != 0
    assert "no SHA-256 for containerd/v2.4.2" in run.refusal
    assert not (tmp_path / "checksums.yml").exists()
