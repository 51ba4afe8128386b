# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All linters; `python -m tools.lint NAME...` runs only those named."""

from __future__ import annotations

import sys

from tools.steps import CACHE, Step, run_all
from tools.venv import ROOT

PLUGINS = "ansible_collections.endpoint_stats.ops.plugins"
IMPORTABLE = ("module_utils", "plugin_utils", "modules", "filter", "action", "callback", "doc_fragments")
PROGRAMS = ("lab", "tools", "tests", "benchmarks")


def steps() -> list[Step]:
    packages = [part for name in IMPORTABLE if (ROOT / "plugins" / name).is_dir() for part in ("-p", f"{PLUGINS}.{name}")]
    programs = [name for name in PROGRAMS if (ROOT / name).is_dir()]
    mypy = {"MYPYPATH": str(CACHE / "dev"), "MYPY_CACHE_DIR": str(CACHE / "mypy")}
    # Tests import those modules of the application that need no library.
    programs_mypy = {**mypy, "MYPYPATH": f"{CACHE / 'dev'}:{ROOT / 'app' / 'src'}"}
    python = sys.executable
    return [
        Step("ruff check", ["ruff", "check", "."]),
        Step("ruff format", ["ruff", "format", "--check", "--diff", "."]),
        Step("mypy plugins", ["mypy", *packages], mypy),
        Step("mypy programs", ["mypy", *programs], programs_mypy),
        Step("mypy app", [python, "-m", "tools.app"]),
        Step("yamllint", ["yamllint", "--strict", "."]),
        Step("ansible-lint", ["ansible-lint", "--offline", "--strict"]),
        Step("ansible-doc", [python, "-m", "tools.documented"]),
        Step("changelog", ["antsibull-changelog", "lint"]),
        Step("house rules", [python, "-m", "tools.house_rules"]),
        Step("ansible-test sanity", [python, "-m", "tools.sanity"]),
    ]


def main() -> int:
    chosen = sys.argv[1:]
    known = {step.name: step for step in steps()}
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SystemExit(f"No such linter: {', '.join(unknown)}; there are {', '.join(known)}.")
    return run_all("Lint", [known[name] for name in chosen] if chosen else list(known.values()))


if __name__ == "__main__":
    sys.exit(main())
