# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kubelets change on the host is put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import sysctls


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree like /proc/sys, and a cache."""
    monkeypatch.setenv("ENDPOINT_STATS_OPS_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "sys"
    for name in sysctls._CHANGED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("0\n")
    return root


def _labs(monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    monkeypatch.setattr(sysctls, "any_lab", lambda: there)


def test_values_come_back_after_the_last_lab(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that a kubelet changed is written back, once."""
    _labs(monkeypatch, there=False)
    sysctls.remember(host)
    (host / "kernel/panic").write_text("10\n")
    assert sysctls.restore(host) == ["kernel/panic"]
    assert (host / "kernel/panic").read_text() == "0\n"
    (host / "kernel/panic").write_text("5\n")
    assert sysctls.restore(host) == []


def test_nothing_is_touched_while_a_lab_exists(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second lab neither overwrites what was remembered nor loses what the first needs."""
    _labs(monkeypatch, there=False)
    sysctls.remember(host)
    _labs(monkeypatch, there=True)
    (host / "vm/overcommit_memory").write_text("1\n")
    sysctls.remember(host)
    assert sysctls.restore(host) == []
    assert (host / "vm/overcommit_memory").read_text() == "1\n"
    _labs(monkeypatch, there=False)
    assert sysctls.restore(host) == ["vm/overcommit_memory"]
