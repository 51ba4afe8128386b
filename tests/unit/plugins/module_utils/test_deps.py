# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._deps import declare, validate


class Module:
    def fail_json(self, **result: Any) -> None:
        raise SystemExit(result)


def complaint(name: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        validate(Module(), name)
    result = ended.value.args[0]
    assert isinstance(result, dict)
    return result


def test_a_library_that_is_there_passes() -> None:
    with declare("yaml", minimum="5.1", distribution="PyYAML"):
        import yaml  # noqa: F401, PLC0415
    validate(Module(), "yaml")
    assert sys.modules["yaml"]


def test_a_missing_library_is_named_with_its_interpreter() -> None:
    with declare("absent", minimum="2.0"):
        import no_such_library_anywhere  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    result = complaint("absent")
    assert "needs the Python library absent 2.0" in result["msg"]
    assert "No module named 'no_such_library_anywhere'" in result["msg"]
    assert sys.executable in result["msg"]
    assert "Traceback" in result["exception"]


def test_an_old_library_is_named_with_its_version() -> None:
    with declare("old", minimum="999.0", distribution="PyYAML"):
        import yaml  # noqa: F401, PLC0415
    assert complaint("old")["failure"]["cause"].startswith("found version ")
