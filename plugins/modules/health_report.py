#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_report
short_description: Merge what was seen into one health report
version_added: 0.1.0
description:
  - Takes the parts that other modules have looked at and makes one document of them, as canonical JSON and as a self-contained page.
  - Says what is new, resolved, unchanged or cannot be compared since the previous report, and whether the report passes its gate.
  - A part that could not be checked is never healthy, and what was seen in it before is not resolved.
  - The same parts at the same O(taken_at) after the same previous report are the same bytes.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  parts:
    description:
      - The parts by name, each with C(data), C(findings), C(reason) and C(seconds), as the C(*_health_info) modules return them.
      - Of the parts V(pods), V(events), V(usage), V(api), V(postgresql), V(redis), V(claims), V(api_log), V(jobs) and
        V(certificates) one that is not given could not be checked; others may be added.
    type: dict
    required: true
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  namespace:
    description: The namespace the parts are about.
    type: str
    required: true
  taken_at:
    description: When the parts were looked at, RFC 3339 in UTC; now by default.
    type: str
  directory:
    description: Where reports are written and the previous one is found; empty writes none.
    type: path
    default: ""
  keep:
    description: How many reports are kept in O(directory).
    type: int
    default: 60
  previous:
    description: A report, or the summary of one, to compare with when O(directory) has none, as JSON.
    type: json
    default: ""
  gate:
    description:
      - What the report must not have to pass. V(warning) is a warning or a critical finding, V(critical) a critical one.
      - V(new-critical) is a critical finding that the previous report did not have.
      - What could not be checked passes neither V(warning) nor V(critical), and V(new-critical) only when it could not be checked before.
    type: str
    choices: [none, warning, critical, new-critical]
    default: none
  metrics_path:
    description: Where a Prometheus text file is written; empty writes none.
    type: path
    default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
attributes:
  check_mode:
    support: full
    details:
      - The report is made and judged, and nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each report is a new one.
"""

EXAMPLES = r"""
- name: Make the report
  endpoint_stats.ops.health_report:
    parts: "{{ asked.parts | combine({'redis': redis.part}) }}"
    cluster: production
    namespace: endpoint-stats
    directory: ~/endpoint-stats/production/reports/health_report
    gate: new-critical
  register: report
"""

RETURN = r"""
verdict:
  description: The worst that is known, one of V(healthy), V(warning), V(could_not_check), V(critical).
  returned: success
  type: str
counts:
  description: Findings by severity, parts, and parts that could not be checked.
  returned: success
  type: dict
  sample: {critical: 0, warning: 1, info: 2, could_not_check: 0, parts: 10}
states:
  description: The state of each part, one of V(healthy), V(findings), V(could_not_check).
  returned: success
  type: dict
findings:
  description: All findings, the worst first, each with C(part), C(id), C(severity), C(subject), C(summary), C(evidence), C(remedy).
  returned: success
  type: list
  elements: dict
changes:
  description: C(new), C(resolved), C(unchanged) and C(incomparable) findings; parts C(lost) to the eye and C(regained).
  returned: success
  type: dict
gate_passed:
  description: Whether the report passes O(gate).
  returned: success
  type: bool
gate_reasons:
  description: Why it does not.
  returned: success
  type: list
  elements: str
summary:
  description: The report without its data, as canonical JSON of bounded size.
  returned: success
  type: str
paths:
  description: Files that were written.
  returned: success
  type: list
  elements: str
previous_problem:
  description: Why a newer report in O(directory) was passed over, empty when none was.
  returned: success
  type: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._clock import moment, written
from ..module_utils._errors import OpsError, run_module
from ..module_utils._files import Wanted, write
from ..module_utils._report import html, prometheus, store
from ..module_utils._report.document import Document, all_findings, canonical, read, summary
from ..module_utils._report.gate import GATES
from ..module_utils._report.merge import merge


def before(options: dict[str, Any], taken_at: str) -> tuple[Document | None, str]:
    """The report to compare with, and what was wrong with others."""
    found, problem = store.latest(options["directory"], taken_at) if options["directory"] else (None, "")
    if found or not options["previous"]:
        return found, problem
    try:
        return read(options["previous"]), problem
    except OpsError as error:
        return None, f"{problem}; {error}".strip("; ")


def deliver(options: dict[str, Any], document: Document) -> list[str]:
    paths = []
    if options["directory"]:
        texts = {"json": canonical(document), "html": html.render(document)}
        paths = store.publish(options["directory"], document["taken_at"], texts)
        store.retain(options["directory"], options["keep"])
    if options["metrics_path"]:
        write(Wanted(Path(options["metrics_path"]), 0o644, prometheus.render(document).encode()))
        paths.append(options["metrics_path"])
    return paths


def report(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if options["keep"] < 1:
        raise OpsError("At least one report has to be kept", remedy="Set keep to 1 or more.")
    taken_at = written(moment(options["taken_at"]))
    previous, problem = before(options, taken_at)
    document = merge(
        options["parts"],
        taken_at=taken_at,
        cluster=options["cluster"],
        namespace=options["namespace"],
        previous=previous,
        gate=options["gate"],
    )
    return {
        "changed": bool(options["directory"] or options["metrics_path"]),
        "verdict": document["verdict"],
        "counts": document["counts"],
        "states": {name: part["state"] for name, part in document["parts"].items()},
        "findings": all_findings(document),
        "changes": document["changes"],
        "gate_passed": document["gate"]["passed"],
        "gate_reasons": document["gate"]["reasons"],
        "summary": canonical(summary(document)),
        "paths": [] if check_mode else deliver(options, document),
        "previous_problem": problem,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "parts": {"type": "dict", "required": True},
            "cluster": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "taken_at": {"type": "str"},
            "directory": {"type": "path", "default": ""},
            "keep": {"type": "int", "default": 60},
            "previous": {"type": "json", "default": ""},
            "gate": {"type": "str", "choices": list(GATES), "default": "none"},
            "metrics_path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: report(module.params, module.check_mode))


if __name__ == "__main__":
    main()
