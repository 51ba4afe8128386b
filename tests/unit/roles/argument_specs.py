# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what a role promises (argument specs) with what it has (defaults, task files)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.endpoint_stats.ops.plugins.module_utils._inventory import CONTRACT

SHARED = {*CONTRACT, "confirm"}
INCLUDES = {f"{prefix}{word}_tasks" for prefix in ("", "ansible.builtin.") for word in ("include", "import")}
PYTHON_TYPES: dict[str, tuple[type[Any], ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


@dataclass(frozen=True)
class Role:
    """What a role's files say."""

    name: str
    entries: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    tasks: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Role:
        return cls(
            name=path.name,
            entries=_load(path / "meta" / "argument_specs.yml").get("argument_specs", {}),
            defaults=_defaults(path / "defaults"),
            tasks={file.stem: yaml.safe_load(file.read_text()) for file in sorted((path / "tasks").glob("*.yml"))},
        )


def _defaults(directory: Path) -> dict[str, Any]:
    """Ansible reads defaults/main.yml, or every file of the directory defaults/main."""
    files = sorted((directory / "main").glob("*.yml")) or [directory / "main.yml"]
    return {name: value for file in files for name, value in _load(file).items()}


def _load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def complaints(role: Role) -> list[str]:
    return sorted({*_entry_complaints(role), *_name_complaints(role), *_option_complaints(role)})


def _entry_complaints(role: Role) -> Iterator[str]:
    """A task file that no other one includes can only be reached by tasks_from."""
    included = {name for tasks in role.tasks.values() for name in _included(tasks)}
    for name in role.tasks:
        if name not in included and name not in role.entries:
            yield f"tasks/{name}.yml is an entry point without a spec"
    for name in role.entries:
        if name not in role.tasks:
            yield f"the entry point {name} has no task file"


def _included(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _included(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in INCLUDES:
                yield Path(value["file"] if isinstance(value, dict) else value).stem
            elif isinstance(value, list):
                yield from _included(value)


def _name_complaints(role: Role) -> Iterator[str]:
    promised = {name for entry in role.entries.values() for name in entry.get("options") or {}}
    for name in role.defaults:
        if name not in promised:
            yield f"{name} has a default and no spec"
    for name in promised - SHARED:
        if not name.startswith(f"{role.name}_"):
            yield f"{name} does not begin with the role's name"


def _option_complaints(role: Role) -> Iterator[str]:
    for entry, spec in role.entries.items():
        for name, option in (spec.get("options") or {}).items():
            for complaint in _compare(name, option, role.defaults):
                yield f"{entry}: {complaint}"


def _compare(name: str, option: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    if option.get("required"):
        if "default" in option or name in defaults:
            yield f"{name} is required and has a default"
        return
    if "default" in option and name not in defaults:
        yield f"{name} has a default in the spec only"
    if name not in defaults:
        return
    value = defaults[name]
    if "default" not in option:
        yield f"{name} has a default in defaults only"
    elif option["default"] != value or isinstance(option["default"], bool) != isinstance(value, bool):
        yield f"{name} is {value!r} by default, its spec says {option['default']!r}"
    yield from _type_complaints(name, option, value)


def _type_complaints(name: str, option: Mapping[str, Any], value: Any) -> Iterator[str]:
    kind = option.get("type", "str")
    if kind not in PYTHON_TYPES or (isinstance(value, str) and "{{" in value):
        return
    if not isinstance(value, PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        yield f"{name} is {value!r} by default, which is no {kind}"
    elif kind == "list" and "elements" not in option:
        yield f"{name} is a list and its spec does not say of what"
    elif kind == "list":
        for index, item in enumerate(value):
            yield from _type_complaints(f"{name}[{index}]", {**option, "type": option["elements"]}, item)
    elif kind == "dict" and "options" in option:
        yield from _suboption_complaints(name, option["options"], value)


def _suboption_complaints(name: str, options: Mapping[str, Mapping[str, Any]], value: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        if key not in options:
            yield f"{name}.{key} is set by default and is not in the spec"
        else:
            yield from _type_complaints(f"{name}.{key}", options[key], item)
    for key, suboption in options.items():
        if suboption.get("required") and key not in value:
            yield f"{name}.{key} is required and not set by default"
