# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of this repository that a program can see: prints each broken one, and fails when there is one."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

MAXIMUM_LINES = 150
MAXIMUM_FUNCTION_LINES = 50
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
THROWN_AWAY = re.compile(r"^[\s-]*(ignore_errors:(?!\s*(false|no)\b)|failed_when:\s*(false|no)\b)", re.MULTILINE | re.IGNORECASE)
LEFT_UNDONE = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|pytest\.mark\.(skip\b|xf" r"ail)")
ASSERTING = re.compile(r"assert|raises|check|expect|verify")
NOT_OURS = {".git", ".ansible", ".mypy_cache", ".ruff_cache", "__pycache__", "build"}


def code_lines(source: str) -> int:
    """Lines that are neither empty nor comment nor documentation."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in DOCUMENTATION:
            left_out |= _lines(node)
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node) is not None:
            left_out |= _lines(node.body[0])
    lines = enumerate(map(str.strip, source.splitlines()), start=1)
    return sum(1 for number, line in lines if line and not line.startswith("#") and number not in left_out)


def _lines(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def files(root: Path, *patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path for path in sorted(root.glob(pattern)) if not NOT_OURS & set(path.relative_to(root).parts))


def rooms_are_small(root: Path) -> Iterator[str]:
    for path in files(root, "plugins/**/*.py"):
        lines = code_lines(path.read_text())
        if lines > MAXIMUM_LINES:
            way_out = "its work belongs in module_utils" if path.parent.name == "modules" else "it answers more than one question, split it"
            yield f"{path.relative_to(root)}: {lines} lines of code; {way_out}"


def functions_fit_a_screen(root: Path) -> Iterator[str]:
    for path in files(root, "plugins/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAXIMUM_FUNCTION_LINES:
                    yield f"{path.relative_to(root)}:{node.lineno} {node.name} has {lines} lines; no screen shows all of it"


def modules_are_in_the_group(root: Path) -> Iterator[str]:
    runtime = root / "meta" / "runtime.yml"
    group = yaml.safe_load(runtime.read_text())["action_groups"]["all"] if runtime.is_file() else []
    modules = [path.stem for path in files(root, "plugins/modules/*.py")]
    yield from (f"meta/runtime.yml: the action group all lacks {name}" for name in modules if name not in group)
    yield from (f"meta/runtime.yml: the action group all names {name}, which is no module" for name in group if name not in modules)


def task_files_are_short(root: Path) -> Iterator[str]:
    for path in files(root, "roles/*/tasks/**/*.yml", "playbooks/**/*.yml"):
        lines = len(path.read_text().splitlines())
        if lines > MAXIMUM_LINES:
            yield f"{path.relative_to(root)}: {lines} lines; split it by phase"


def errors_are_kept(root: Path) -> Iterator[str]:
    for path in files(root, "roles/**/*.yml", "playbooks/**/*.yml", "molecule/**/*.yml"):
        for match in THROWN_AWAY.finditer(path.read_text()):
            yield f"{path.relative_to(root)}: an error is thrown away ({match[1].strip()})"


def roles_have_specs(root: Path) -> Iterator[str]:
    for path in files(root, "roles/*"):
        if path.is_dir() and not (path / "meta" / "argument_specs.yml").is_file():
            yield f"{path.relative_to(root)}: no argument spec"


def tests_test(root: Path) -> Iterator[str]:
    for path in files(root, "tests/**/test_*.py", "molecule/**/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
                where = f"{path.relative_to(root)}:{node.lineno} {node.name}"
                body = "\n".join(map(ast.unparse, node.body))
                if not ASSERTING.search(body):
                    yield f"{where} asserts nothing"
                if "sleep(" in body:
                    yield f"{where} sleeps; wait for a condition"


def nothing_is_left_undone(root: Path) -> Iterator[str]:
    for path in files(root, "**/*.py", "**/*.yml", "**/*.j2", "**/*.go", "**/*.sh"):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if LEFT_UNDONE.search(line):
                yield f"{path.relative_to(root)}:{number} is unfinished: {line.strip()}"


RULES: tuple[Callable[[Path], Iterator[str]], ...] = (
    rooms_are_small,
    functions_fit_a_screen,
    modules_are_in_the_group,
    task_files_are_short,
    errors_are_kept,
    roles_have_specs,
    tests_test,
    nothing_is_left_undone,
)


def broken(root: Path) -> list[str]:
    return [complaint for rule in RULES for complaint in rule(root)]


def main() -> int:
    complaints = broken(Path.cwd())
    print("\n".join(complaints) if complaints else f"{len(RULES)} rules hold")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
