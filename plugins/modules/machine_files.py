#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_files
short_description: Keep many files of a machine as they should be, in one round trip
version_added: 0.1.0
description:
  - Takes the content of each file from the task, from another file of the machine, or from a member of a tar archive there.
  - Nothing is written before every source was read. Each file is written under a temporary name, synced and renamed.
  - Files and directories belong to the user the module runs as; parents that are missing get mode C(0755).
author: Endpoint Statistics Operations contributors (@endpoint-stats)
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  files:
    description: The files and directories, in the order they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it should be.
        type: path
        required: true
      mode:
        description: Its permissions, octal.
        type: str
        default: "0644"
      content:
        description: Its text.
        type: str
      source:
        description: A file of the machine whose content it gets.
        type: path
      archive:
        description: A tar archive of the machine, compressed or not, that holds O(files[].member).
        type: path
      member:
        description: Name of the member in O(files[].archive).
        type: str
      directory:
        description: It is a directory.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Install a program and its configuration
  endpoint_stats.ops.machine_files:
    files:
      - path: /etc/containerd
        directory: true
        mode: "0755"
      - path: /etc/containerd/config.toml
        content: |
          version = 3
      - path: /usr/local/bin/ctr
        archive: /var/cache/containerd.tar.gz
        member: bin/ctr
        mode: "0755"
"""

RETURN = r"""
written:
  description: Paths that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/containerd/config.toml]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import OpsError, run_module
from ..module_utils._files import Wanted, difference, members, write

Archives = dict[str, dict[str, bytes]]


def opened(entries: list[dict[str, Any]]) -> Archives:
    """Archive -> its members that are asked for."""
    asked: dict[str, list[str]] = {}
    for entry in entries:
        if entry["archive"]:
            asked.setdefault(entry["archive"], []).append(entry["member"])
    return {archive: members(archive, names) for archive, names in asked.items()}


def wanted(entry: dict[str, Any], archives: Archives) -> Wanted:
    path, mode = Path(entry["path"]), int(entry["mode"], 8)
    if entry["directory"]:
        return Wanted(path, mode, None)
    if entry["content"] is not None:
        return Wanted(path, mode, entry["content"].encode())
    if entry["archive"]:
        return Wanted(path, mode, archives[entry["archive"]][entry["member"]], text=False)
    try:
        data = Path(entry["source"]).read_bytes()
    except OSError as error:
        raise OpsError(f"The source of {path} could not be read", where=entry["source"], cause=str(error)) from error
    return Wanted(path, mode, data, text=b"\0" not in data[:8192])


def keep(module: AnsibleModule) -> dict[str, Any]:
    entries = module.params["files"]
    archives = opened(entries)
    asked = [wanted(entry, archives) for entry in entries]
    found = [(item, difference(item)) for item in asked]
    differences = [changed for _item, changed in found if changed]
    if not module.check_mode:
        for item, changed in found:
            if changed:
                write(item)
    return {
        "changed": bool(differences),
        "written": [changed.path for changed in differences],
        "diff": [changed.to_diff() for changed in differences],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                    "content": {"type": "str"},
                    "source": {"type": "path"},
                    "archive": {"type": "path"},
                    "member": {"type": "str"},
                    "directory": {"type": "bool", "default": False},
                },
                "required_together": [("archive", "member")],
                "mutually_exclusive": [("content", "source", "archive")],
                "required_if": [("directory", False, ("content", "source", "archive"), True)],
            }
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: keep(module))


if __name__ == "__main__":
    main()
