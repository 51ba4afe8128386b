# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the documentation of every plugin and role with ansible-doc; what it cannot read, or misses, is an error."""

from __future__ import annotations

import json
import subprocess
import sys

from tools.venv import ROOT

COLLECTION = "endpoint_stats.ops"


def sources() -> dict[str, set[str]]:
    """Names that must be documented, by kind."""
    plugins = {
        kind: {path.stem for path in (ROOT / "plugins" / folder).glob("*.py") if path.stem != "__init__"}
        for kind, folder in (("module", "modules"), ("filter", "filter"), ("lookup", "lookup"), ("test", "test"))
    }
    return {**plugins, "role": {path.name for path in (ROOT / "roles").glob("*") if path.is_dir()}}


def complaints(kind: str, names: set[str]) -> list[str]:
    full = sorted(f"{COLLECTION}.{name}" for name in names)
    command = ["ansible-doc", "--json", "--type", kind, *full]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        return [f"{kind}: {done.stderr.strip()}"]
    told = json.loads(done.stdout)
    silent = [name for name in full if not (told.get(name) or {}).get("entry_points" if kind == "role" else "doc")]
    return [f"{kind} {name}: ansible-doc has nothing to say" for name in silent] + [
        line for line in done.stderr.splitlines() if "ERROR" in line or "WARNING" in line
    ]


def main() -> int:
    wanted = {kind: names for kind, names in sources().items() if names}
    found = [complaint for kind, names in wanted.items() for complaint in complaints(kind, names)]
    print("\n".join(found) or ", ".join(f"{len(names)} {kind}s" for kind, names in wanted.items()) + " documented")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
