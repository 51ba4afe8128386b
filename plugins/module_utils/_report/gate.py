# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a report passes a gate, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from .._errors import OpsError
from .comparison import identity_of, unseen_parts
from .document import all_findings, title

Gate = Literal["none", "warning", "critical", "new-critical"]
GATES: tuple[str, ...] = get_args(Gate)


def gate_reasons(gate: str, document: Mapping[str, Any]) -> list[str]:
    """Why the report does not pass; what could not be checked never passes a gate, as nobody knows what it hides."""
    if gate not in GATES:
        raise OpsError(f"{gate!r} is no gate", remedy=f"Known are {', '.join(GATES)}.")
    if gate == "none":
        return []
    if gate == "new-critical":
        compared = document["changes"]
        # With nothing to compare with nobody knows that a critical finding is old.
        shown = [finding for finding in [*compared["new"], *compared["incomparable"]] if finding["severity"] == "critical"]
        present = {identity_of(finding) for finding in all_findings(document)}
        found = [finding for finding in shown if identity_of(finding) in present]
        blind = compared["lost"] if compared["previous_taken_at"] else sorted(unseen_parts(document, document))
    else:
        refused = ("critical", "warning") if gate == "warning" else ("critical",)
        found = [finding for finding in all_findings(document) if finding["severity"] in refused]
        blind = sorted(unseen_parts(document, document))
    return [
        *(f"{finding['severity']}: {finding['subject']}: {finding['summary']}" for finding in found),
        *(f"could not check: {title(name)}: {document['parts'][name]['reason']}" for name in blind),
    ]
