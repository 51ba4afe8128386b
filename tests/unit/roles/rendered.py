# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's templates become with its defaults, its internal variables and what a test sets."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[3] / "roles"


def rendered(role: str, templates: Sequence[str], variables: Mapping[str, Any], directory: Path) -> dict[str, list[Any]]:
    """Template -> its documents, made by ansible-playbook as the role makes them."""
    found = evaluated(role, {name: f"lookup('ansible.builtin.template', '{name}')" for name in templates}, variables, directory)
    return {name: [document for document in yaml.safe_load_all(found[name]) if document] for name in templates}


def evaluated(role: str, expressions: Mapping[str, str], variables: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Name -> the value of an expression, as the role's tasks would have it."""
    root = ROLES / role
    kinds = [root / kind for kind in ("defaults", "vars")]
    files = [str(path) for kind in kinds for path in sorted((kind / "main").glob("*.yml")) or [kind / "main.yml"]]
    texts = {name: f"{{{{ {expression} }}}}" for name, expression in expressions.items()}
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": files, "tasks": [{"ansible.builtin.debug": {"msg": texts}}]}
    if (root / "templates").is_dir():
        (directory / "templates").symlink_to(root / "templates")
    (directory / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "--inventory=localhost,", f"--extra-vars={json.dumps(variables)}", str(directory / "play.yml")]
    reporting = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_DEPRECATION_WARNINGS": "0"}
    done = subprocess.run(command, env=reporting, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (task,) = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"][0]["tasks"]
    found: dict[str, Any] = task["hosts"]["localhost"]["msg"]
    return found
