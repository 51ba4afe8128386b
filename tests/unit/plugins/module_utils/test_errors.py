# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError, run_module


class Module:
    """What AnsibleModule does with a result: it ends the process."""

    def exit_json(self, **result: Any) -> None:
        raise SystemExit(("exit", result))

    def fail_json(self, msg: str, **result: Any) -> None:
        raise SystemExit(("fail", {"msg": msg, **result}))


def outcome(work: Any) -> tuple[str, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        run_module(Module(), work)
    word, result = ended.value.args[0]
    return word, result


def test_a_result_is_passed_on() -> None:
    assert outcome(lambda: {"changed": False, "serving": []}) == ("exit", {"changed": False, "serving": []})


def test_an_error_says_all_it_knows_in_one_message_and_in_fixed_keys() -> None:
    def work() -> dict[str, Any]:
        raise OpsError("The dump failed", where="db-1:5432", cause="disk full.", remedy="Free 3 GB", needed_bytes=3)

    assert outcome(work) == (
        "fail",
        {
            "msg": "The dump failed. Where: db-1:5432. Cause: disk full. Free 3 GB.",
            "failure": {
                "summary": "The dump failed",
                "where": "db-1:5432",
                "cause": "disk full.",
                "remedy": "Free 3 GB",
                "details": {"needed_bytes": 3},
            },
        },
    )


def test_what_is_not_known_is_not_said() -> None:
    assert str(OpsError("It failed")) == "It failed."
    assert OpsError("It failed").to_failure()["cause"] == ""


def test_what_the_system_says_of_a_file_names_it() -> None:
    def work() -> dict[str, Any]:
        raise OSError(28, "No space left on device", "/var/lib/x")

    word, result = outcome(work)
    assert (word, result["failure"]["where"], result["failure"]["cause"]) == ("fail", "/var/lib/x", "No space left on device")
    assert result["failure"]["remedy"]


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), TimeoutError(), OSError("no number")])
def test_what_the_network_says_is_no_word_on_a_file(error: OSError) -> None:
    def work() -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)) as raised:
        run_module(Module(), work)
    assert raised.value is error


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError, match="by zero"):
        run_module(Module(), lambda: {"quotient": 1 // 0})
