# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports in a directory: found again, published whole, kept by number."""

from __future__ import annotations

import re
from pathlib import Path

from .._errors import OpsError
from .._files import Wanted, write
from .document import Document, read

_NAME = re.compile(r"\d{8}T\d{6}Z\.json\Z")
_MODE = 0o644


def file_name(taken_at: str) -> str:
    """C(2026-11-24T06:00:00Z) as the name of a file."""
    return taken_at.replace("-", "").replace(":", "")


def latest(directory: str, before: str) -> tuple[Document | None, str]:
    """The newest report taken before a time, and what was wrong with those that could not be read."""
    problems: list[str] = []
    for path in sorted(reports(directory), reverse=True):
        if path.stem >= file_name(before):
            continue
        try:
            return read(path.read_text(encoding="utf-8")), "; ".join(problems)
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path.name}: {error}")
        except OpsError as error:
            problems.append(f"{path.name}: {error.cause}")
    return None, "; ".join(problems)


def publish(directory: str, taken_at: str, texts: dict[str, str]) -> list[str]:
    """Write the report in each form; the JSON last, as that is what later reports look for."""
    paths = []
    for suffix in sorted(texts, key=lambda name: name == "json"):
        path = Path(directory) / f"{file_name(taken_at)}.{suffix}"
        write(Wanted(path, _MODE, texts[suffix].encode()))
        paths.append(str(path))
    return paths


def retain(directory: str, keep: int) -> list[str]:
    """Delete all but the newest reports; only files of ours by name."""
    old = sorted(reports(directory), reverse=True)[keep:]
    removed = []
    for path in old:
        for file in (path, path.with_suffix(".html")):
            if file.exists():
                file.unlink()
                removed.append(str(file))
    return removed


def reports(directory: str) -> list[Path]:
    """The JSON of each report, in no order."""
    root = Path(directory)
    return [path for path in root.iterdir() if _NAME.match(path.name)] if root.is_dir() else []
