# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from tools.house_rules import broken, code_lines

UNDONE = "TO" + "DO"

GOOD = {
    "meta/runtime.yml": "action_groups: {all: [thin]}\n",
    "plugins/modules/thin.py": 'DOCUMENTATION = """\n' + "line\n" * 500 + '"""\nx = 1\n' + "# comment\n" * 500,
    "plugins/module_utils/_web/room.py": '"""What it is."""\n'
    + "x = 1\n" * 149
    + 'class Told:\n    """More.\n'
    + "    line\n" * 99
    + '    """\n',
    "roles/web/meta/argument_specs.yml": "argument_specs: {}\n",
    "roles/web/tasks/main.yml": "- name: Fine\n  ignore_errors: false\n  failed_when: result.rc not in [0, 2]\n" * 50,
    "tests/unit/test_fine.py": "def test_it():\n    assert 1\n\ndef test_other():\n    verify_all()\n",
}

BAD = [
    ("plugins/modules/thin.py", "x = 1\n" * 151, "151 lines of code; its work belongs in module_utils"),
    ("plugins/module_utils/_web/room.py", "x = 1\n" * 151, "151 lines of code; it answers more than one question"),
    ("plugins/filter/tall.py", "x = 1\n" * 151, "151 lines of code"),
    ("plugins/filter/tall.py", "def scroll():\n" + "    x = 1\n" * 50, "tall.py:1 scroll has 51 lines"),
    ("plugins/modules/other.py", "x = 1\n", "the action group all lacks other"),
    ("meta/runtime.yml", "action_groups: {all: [thin, gone]}\n", "the action group all names gone, which is no module"),
    ("roles/web/tasks/long.yml", "- name: Step\n" * 151, "151 lines; split it"),
    ("playbooks/long.yml", "- name: Step\n" * 151, "151 lines; split it"),
    ("roles/web/tasks/deaf.yml", "- name: Step\n  ignore_errors: true\n", "an error is thrown away (ignore_errors:"),
    ("roles/web/tasks/deaf.yml", "- name: Step\n  ignore_errors: '{{ maybe }}'\n", "an error is thrown away (ignore_errors:"),
    ("roles/web/handlers/main.yml", "- name: Step\n  failed_when: false\n", "an error is thrown away (failed_when: false"),
    ("playbooks/site.yml", "- name: Step\n  failed_when: no\n", "an error is thrown away (failed_when: no"),
    ("molecule/one/verify.yml", "- ignore_errors: yes\n", "an error is thrown away (ignore_errors:"),
    ("roles/bare/tasks/main.yml", "- name: Step\n", "roles/bare: no argument spec"),
    ("tests/unit/test_blind.py", "def test_it():\n    run()\n", "test_blind.py:1 test_it asserts nothing"),
    ("tests/unit/test_slow.py", "def test_it():\n    time.sleep(1)\n    assert 1\n", "test_it sleeps"),
    ("lab/thing.py", f"x = 1  # {UNDONE}: more\n", "lab/thing.py:1 is unfinished"),
    ("roles/web/templates/x.j2", f"{UNDONE}\n", "x.j2:1 is unfinished"),
    ("tests/unit/test_skipped.py", "@pytest.mark." + "skip\ndef test_it():\n    assert 1\n", "test_skipped.py:1 is unfinished"),
]


def write(root: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_good_tree_passes(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert broken(tmp_path) == []


@pytest.mark.parametrize(("name", "text", "complaint"), BAD)
def test_each_rule_sees_its_breach(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    write(tmp_path, {**GOOD, name: text})
    (found,) = broken(tmp_path)
    assert complaint in found


def test_documentation_and_comments_are_no_code() -> None:
    assert code_lines(GOOD["plugins/modules/thin.py"]) == 1
    assert code_lines(GOOD["plugins/module_utils/_web/room.py"]) == 150
    assert code_lines('TEXT = """\nno documentation\n"""\n') == 3
