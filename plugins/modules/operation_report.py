#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_report
short_description: Write down how a run of an operation went
version_added: 0.1.0
description:
  - Makes one document of what the tasks of an operation have returned, as canonical JSON and as a self-contained page.
  - Made for failed runs as well, in the C(always) of a block, so that the reason can be read later, with what to do.
  - Secrets in messages of others are hidden as far as they can be recognised.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  operation:
    description: Name of the operation; its reports lie in a directory of this name below O(directory).
    type: str
    required: true
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  subject:
    description: What the operation is about, as C(<namespace>/<database>).
    type: str
    required: true
  steps:
    description: The steps of the operation in their order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the step, once only.
        type: str
        required: true
      result:
        description:
          - What its task registered, also when it failed or its host did not answer. Empty for a step that was not reached.
          - Read are C(verdict), C(reason), C(msg), C(failure), C(seconds), C(findings), C(differences), and what O(steps[].facts) name.
        type: dict
        default: {}
      each:
        description:
          - What the task looped over, in the order of its C(results). Where there are several, each becomes a step of its own, which has
            its name after O(steps[].name).
        type: list
        elements: str
        default: []
      facts:
        description: What of the result is shown; what is empty is left out.
        type: list
        elements: dict
        default: []
        suboptions:
          label:
            description: Its name on the page.
            type: str
            required: true
          key:
            description: Its key in O(steps[].result).
            type: str
            required: true
          unit:
            description: What the value is. V(bytes) and V(seconds) are numbers, V(time) is RFC 3339; of a list V(count) is its length.
            type: str
            choices: [text, count, bytes, seconds, time]
            default: text
  begun_at:
    description: When the run began, RFC 3339.
    type: str
    required: true
  ended_at:
    description: When it ended, RFC 3339; now by default.
    type: str
  advice:
    description: In what state things are and what to run next, for a run that did not succeed; left out of the report of one that did.
    type: list
    elements: str
    default: []
  directory:
    description: Where the reports of all operations are; empty writes none.
    type: path
    default: ""
  keep:
    description: How many reports of this operation are kept.
    type: int
    default: 60
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
      - Each run has a report of its own.
"""

EXAMPLES = r"""
- name: Write down how the backup went
  endpoint_stats.ops.operation_report:
    operation: backup
    cluster: production
    subject: endpoint-stats/endpoint_stats
    begun_at: "{{ begun_at }}"
    directory: ~/endpoint-stats/production/reports
    steps:
      - name: Back up
        result: "{{ backup }}"
        facts:
          - {label: Backup, key: backup}
          - {label: Size, key: bytes, unit: bytes}
  register: report
"""

RETURN = r"""
verdict:
  description:
    - V(failed) when a step failed or none was reached, V(could_not_verify) when a step could not find out, else V(succeeded).
  returned: success
  type: str
  choices: [succeeded, could_not_verify, failed]
  sample: succeeded
states:
  description: The state of each step, one of V(succeeded), V(could_not_verify), V(failed), V(skipped), V(not_reached).
  returned: success
  type: dict
  sample: {Back up: succeeded}
reasons:
  description: Why it did not succeed, with the name of the step.
  returned: success
  type: list
  elements: str
  sample: []
counts:
  description: Findings by severity, and differences.
  returned: success
  type: dict
  sample: {critical: 0, warning: 1, info: 0, differences: 0}
findings:
  description: All findings, the worst first, each with C(part), C(id), C(severity), C(subject), C(summary), C(evidence), C(remedy).
  returned: success
  type: list
  elements: dict
duration_seconds:
  description: From the beginning to the end of the run, in seconds.
  returned: success
  type: float
  sample: 4.2
summary:
  description: One line.
  returned: success
  type: str
  sample: "backup of endpoint-stats/endpoint_stats: succeeded after 4.2 s"
paths:
  description: Files that were written.
  returned: success
  type: list
  elements: str
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._clock import moment, written
from ..module_utils._errors import OpsError, run_module
from ..module_utils._report import operation_page, store
from ..module_utils._report.document import canonical
from ..module_utils._report.operation import all_findings, compose, earlier, reasons, summary
from ..module_utils._report.operation_step import UNITS, spread

OPERATION = re.compile(r"[a-z][a-z0-9_]*\Z")


def refuse(options: dict[str, Any]) -> None:
    names = [step["name"] for step in spread(options["steps"])]
    if not OPERATION.match(options["operation"]):
        raise OpsError(f"{options['operation']!r} is no name of an operation", remedy="Use small letters, digits and underscores.")
    if not names or len(set(names)) < len(names):
        raise OpsError("Each step needs a name of its own", cause=", ".join(names) or "there is no step")
    if options["keep"] < 1:
        raise OpsError("At least one report has to be kept", remedy="Set keep to 1 or more.")


def report(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    refuse(options)
    begun, ended = moment(options["begun_at"]), moment(options["ended_at"])
    directory = f"{options['directory']}/{options['operation']}" if options["directory"] else ""
    told = {name: options[name] for name in ("operation", "cluster", "subject", "advice")}
    history = earlier(directory, begun) if directory else []
    document = compose(spread(options["steps"]), begun=begun, ended=ended, history=history, **told)
    paths = []
    if directory and not check_mode:
        texts = {"json": canonical(document), "html": operation_page.render(document)}
        paths = store.publish(directory, written(begun), texts)
        store.retain(directory, options["keep"])
    return {
        "changed": bool(directory),
        "verdict": document["verdict"],
        "states": {step["name"]: step["state"] for step in document["steps"]},
        "reasons": reasons(document),
        "counts": document["counts"],
        "findings": all_findings(document),
        "duration_seconds": document["duration_seconds"],
        "summary": summary(document),
        "paths": paths,
    }


def main() -> None:
    fact = {
        "label": {"type": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "unit": {"type": "str", "choices": list(UNITS), "default": "text"},
    }
    step = {
        "name": {"type": "str", "required": True},
        "result": {"type": "dict", "default": {}},
        "each": {"type": "list", "elements": "str", "default": []},
        "facts": {"type": "list", "elements": "dict", "default": [], "options": fact},
    }
    module = AnsibleModule(
        argument_spec={
            "operation": {"type": "str", "required": True},
            "cluster": {"type": "str", "required": True},
            "subject": {"type": "str", "required": True},
            "steps": {"type": "list", "elements": "dict", "required": True, "options": step},
            "begun_at": {"type": "str", "required": True},
            "ended_at": {"type": "str"},
            "advice": {"type": "list", "elements": "str", "default": []},
            "directory": {"type": "path", "default": ""},
            "keep": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: report(module.params, module.check_mode))


if __name__ == "__main__":
    main()
