# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python libraries that a module needs and a target may lack.

with declare("kubernetes", minimum="24.2.0"):
    import kubernetes

validate(module, "kubernetes")

What is no module but a filter calls C(demand("kubernetes")) where it needs the library.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible.module_utils.compat.version import LooseVersion

from ._errors import OpsError, fail

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


@dataclass(frozen=True)
class Dependency:
    """A library as it was found when the module was loaded."""

    name: str
    minimum: str
    distribution: str
    import_error: str

    def found_version(self) -> str:
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return ""

    def problem(self) -> OpsError | None:
        wanted = f"{self.distribution} {self.minimum}".strip()
        found = self.found_version()
        remedy = f"Install {wanted} or newer for {sys.executable}" if self.minimum else f"Install {wanted} for {sys.executable}"
        if self.import_error:
            cause = self.import_error.strip().splitlines()[-1] + (f" (found version {found})" if found else "")
        elif self.minimum and found and LooseVersion(found) < LooseVersion(self.minimum):
            cause = f"found version {found}"
        else:
            return None
        return OpsError(f"This needs the Python library {wanted}", where=sys.executable, cause=cause, remedy=remedy)


_declared: dict[str, Dependency] = {}


@contextlib.contextmanager
def declare(name: str, *, minimum: str = "", distribution: str = "") -> Iterator[None]:
    """Import inside this context; what fails is remembered for `validate`."""
    import_error = ""
    try:
        yield
    except ImportError:
        import_error = traceback.format_exc()
    _declared[name] = Dependency(name, minimum, distribution or name, import_error)


def demand(*names: str) -> None:
    """Refuse to go on without the first library that is absent or too old."""
    for name in names:
        problem = _declared[name].problem()
        if problem:
            raise problem


def validate(module: AnsibleModule, *names: str) -> None:
    """End the module with a message that names the first library that is absent or too old."""
    for name in names:
        dependency = _declared[name]
        problem = dependency.problem()
        if problem:
            fail(module, problem, exception=dependency.import_error or None)
