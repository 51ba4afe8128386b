# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a proof is written down test by test."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

from tools.proof import Row, page, rows

RESULTS = """
<testsuites><testsuite>
<testcase classname="tests.proof.faults.test_life" name="test_a_machine_comes" time="54.64">
<properties><property name="shown" value="3 of 3 passed"/></properties></testcase>
<testcase classname="tests.proof.faults.test_killed_operations" name="test_pg_backup_killed[before the dump]" time="3.0"/>
<testcase classname="tests.proof.faults.test_killed_operations" name="test_pg_backup_killed[in_it]" time="1.0"><failure/></testcase>
</testsuite></testsuites>
"""


def test_each_file_has_its_table_and_each_test_its_row() -> None:
    found = rows(ET.fromstring(RESULTS))  # noqa: S314 - written here
    assert found == {
        "test_life": [Row("a machine comes", "passed", 54.64, "3 of 3 passed")],
        "test_killed_operations": [Row("pg backup killed: before the dump", "passed", 3.0), Row("pg backup killed: in_it", "failure", 1.0)],
    }
    text = page("faults", found, datetime(2026, 11, 25, tzinfo=UTC))
    assert "## Killed operations\n\n`tests/proof/faults/test_killed_operations.py` on 2026-11-25, " in text
    assert "1 of 2 passed.\n" in text
    assert "| a machine comes | 3 of 3 passed | 54.6 |\n" in text
    assert "| pg backup killed: in_it | failure | 1.0 |\n" in text
