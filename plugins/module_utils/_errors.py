# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error family of the collection, and the one place that turns it into a failed task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class OpsError(Exception):
    """What failed, where, why, and what to do about it."""

    def __init__(self, summary: str, *, where: str = "", cause: str = "", remedy: str = "", **details: Any) -> None:
        super().__init__(summary)
        self.summary = summary
        self.where = where
        self.cause = cause
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        parts = (self.summary, _labelled("Where", self.where), _labelled("Cause", self.cause), self.remedy)
        return " ".join(_sentence(part) for part in parts if part)

    def to_failure(self) -> dict[str, Any]:
        return {
            "summary": self.summary,
            "where": self.where,
            "cause": self.cause,
            "remedy": self.remedy,
            "details": self.details,
        }


def of_system(error: OSError) -> OpsError:
    """What the system said of a file, where nothing closer to the work has words for it."""
    remedy = "Give the disk room, or the directory its rights, and run it again."
    where = str(error.filename) if error.filename else ""
    return OpsError("A file could not be read or written", where=where, cause=error.strerror or str(error), remedy=remedy)


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text.strip()}" if text.strip() else ""


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def fail(module: AnsibleModule, error: OpsError, **extra: Any) -> NoReturn:
    module.fail_json(msg=str(error), failure=error.to_failure(), **extra)
    raise SystemExit(1)  # fail_json has ended the process; type checkers are not told so


def run_module(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> None:
    """Run the work of a module and end the process with its result or its failure."""
    try:
        result = work()
    except OpsError as error:
        fail(module, error)
    except OSError as error:
        # What the network said is an OSError as well, and no word on a file.
        if error.errno is None or isinstance(error, ConnectionError | TimeoutError):
            raise
        fail(module, of_system(error))
    module.exit_json(**result)
