# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.argument_specs import Role, complaints

ROLES = Path(__file__).parents[3] / "roles"

GOOD_OPTIONS: dict[str, dict[str, Any]] = {
    "web_port": {"type": "int", "default": 80},
    "web_name": {"default": "{{ endpoint_stats_cluster }}"},
    "web_address": {"required": True},
    "web_hint": {"type": "str"},
    "web_ratio": {"type": "float", "default": 1},
    "web_sites": {
        "type": "list",
        "elements": "dict",
        "default": [{"host": "a"}],
        "options": {"host": {"type": "str", "required": True}, "tls": {"type": "bool"}},
    },
    "confirm": {"type": "str"},
}
GOOD_DEFAULTS: dict[str, Any] = {
    "web_port": 80,
    "web_name": "{{ endpoint_stats_cluster }}",
    "web_ratio": 1,
    "web_sites": [{"host": "a"}],
}
GOOD_TASKS: dict[str, Any] = {
    "main": [{"block": [{"ansible.builtin.include_tasks": {"file": "install.yml"}}], "rescue": [{"import_tasks": "undo.yml"}]}],
    "install": [{"name": "Step"}],
    "undo": None,
}


def judge(
    options: dict[str, Any] | None = None,
    defaults: dict[str, Any] | None = None,
    tasks: dict[str, Any] | None = None,
    entries: dict[str, Any] | None = None,
) -> list[str]:
    spec = {"main": {"options": {**GOOD_OPTIONS, **(options or {})}}, **(entries or {})}
    return complaints(Role("web", spec, {**GOOD_DEFAULTS, **(defaults or {})}, {**GOOD_TASKS, **(tasks or {})}))


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.glob("*") if path.is_dir()))
def test_the_spec_of_a_role_is_what_the_role_has(role: str) -> None:
    read = Role.read(ROLES / role)
    assert read.entries
    assert read.tasks
    assert complaints(read) == []


def test_a_good_role_passes() -> None:
    assert judge() == []


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"defaults": {"web_new": 1}}, "web_new has a default and no spec"),
        ({"options": {"port": {"type": "int"}}}, "port does not begin with the role's name"),
        ({"options": {"web_more": {"default": "x"}}}, "main: web_more has a default in the spec only"),
        ({"defaults": {"web_hint": "x"}}, "main: web_hint has a default in defaults only"),
        ({"defaults": {"web_port": 81}}, "main: web_port is 81 by default, its spec says 80"),
        (
            {"defaults": {"web_name": "{{ other }}"}},
            "main: web_name is '{{ other }}' by default, its spec says '{{ endpoint_stats_cluster }}'",
        ),
        ({"defaults": {"web_ratio": True}}, "main: web_ratio is True by default, which is no float"),
        ({"options": {"web_port": {"type": "str", "default": 80}}}, "main: web_port is 80 by default, which is no str"),
        ({"options": {"web_port": {"type": "int", "required": True}}}, "main: web_port is required and has a default"),
        ({"options": {"web_address": {"required": True, "default": "x"}}}, "main: web_address is required and has a default"),
        (
            {"options": {"web_sites": {"type": "list", "default": [{"host": "a"}]}}},
            "main: web_sites is a list and its spec does not say of what",
        ),
        (
            {"options": {"web_sites": {"type": "list", "elements": "str", "default": [{"host": "a"}]}}},
            "main: web_sites[0] is {'host': 'a'} by default, which is no str",
        ),
        ({"tasks": {"reset": []}}, "tasks/reset.yml is an entry point without a spec"),
        ({"entries": {"reset": {}}}, "the entry point reset has no task file"),
    ],
)
def test_each_difference_is_named(changed: dict[str, Any], complaint: str) -> None:
    assert complaint in judge(**changed)


def test_suboptions_are_compared() -> None:
    sites = [{"port": 1, "tls": "yes"}]
    spec = {**GOOD_OPTIONS["web_sites"], "default": sites}
    assert judge({"web_sites": spec}, {"web_sites": sites}) == [
        "main: web_sites[0].host is required and not set by default",
        "main: web_sites[0].port is set by default and is not in the spec",
        "main: web_sites[0].tls is 'yes' by default, which is no bool",
    ]


def test_files_are_read(tmp_path: Path) -> None:
    for name, text in {
        "meta/argument_specs.yml": "argument_specs: {main: {options: {web_port: {type: int, default: 1}}}}",
        "defaults/main.yml": "web_port: 2",
        "tasks/main.yml": "[]",
        "tasks/extra.yml": "[]",
    }.items():
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert complaints(Role.read(tmp_path / "web")) == [
        "main: web_port is 2 by default, its spec says 1",
        "tasks/extra.yml is an entry point without a spec",
    ]


def test_the_defaults_may_be_several_files(tmp_path: Path) -> None:
    for name, text in {
        "meta/argument_specs.yml": "argument_specs: {main: {options: {web_a: {type: int, default: 1}, web_b: {default: x}}}}",
        "defaults/main/first.yml": "web_a: 1",
        "defaults/main/second.yml": "web_b: y",
        "tasks/main.yml": "[]",
    }.items():
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert complaints(Role.read(tmp_path / "web")) == ["main: web_b is 'y' by default, its spec says 'x'"]
