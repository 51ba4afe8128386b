# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's authorities are read for each request, also for one without TLS; nobody here needs them."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
