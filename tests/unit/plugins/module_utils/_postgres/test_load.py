# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a program of PostgreSQL has refused a part of a backup, or was killed, which says nothing of the backup."""

from __future__ import annotations

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._completed import Completed
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import load
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.load_error import LoadError

KILLED = "pg_restore: error: a worker process died unexpectedly\n"
# The program says the same of a worker that has ended with an error of its own.
REFUSED = "pg_restore: error: could not execute query: ERROR:  could not create unique index\nCommand was: ALTER TABLE\n" + KILLED


@pytest.mark.parametrize(("said", "refused"), [(KILLED, False), (REFUSED, True), ("psql: error: no\n", True)])
def test_a_worker_that_was_killed_has_refused_nothing(said: str, refused: bool) -> None:
    with pytest.raises(OpsError) as error:
        load._check("restore", "dump", Completed(("pg_restore",), 1, "", said), "It could not be restored")
    assert isinstance(error.value, LoadError) is refused
