# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The damages of the integration tests: bytes, manifests, rows."""

from __future__ import annotations

from tests.integration.postgres.test_verify_damaged import (
    test_a_data_file_is,
    test_reading_it_shows,
    test_restoring_it_shows,
)

__all__ = ["test_a_data_file_is", "test_reading_it_shows", "test_restoring_it_shows"]
