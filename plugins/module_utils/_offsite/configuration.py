# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the other place is reached: the options of the module, and the file that rclone reads."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._errors import OpsError

REMOTE = re.compile(r"(?P<name>[\w.][\w.+@ -]*):(?P<path>[^\0\n]*)\Z")
_SECRET_KEY = re.compile(r"pass|secret|token|key|sas|credential|auth|service_principal", re.IGNORECASE)
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Options:
    """How the other place is reached; the names are those of the module's options."""

    config_file: str
    remote: str
    ca_file: str
    bandwidth_limit: str
    retries: int
    connect_timeout_seconds: float
    idle_timeout_seconds: float

    def __post_init__(self) -> None:
        for name in ("retries", "connect_timeout_seconds", "idle_timeout_seconds"):
            if getattr(self, name) < 1:
                raise OpsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not re.fullmatch(r"\d+(\.\d+)?[BKMGTP]?|off|", self.bandwidth_limit):
            remedy = "Write it like 20M, in bytes per second with B, K, M or G; empty for none."
            raise OpsError(f"bandwidth_limit {self.bandwidth_limit!r} is no rate", remedy=remedy)

    def argv(self) -> list[str]:
        """Buckets are not made: one with a misspelt name would be nobody's, and without what the real one promises."""
        words = ["--ask-password=false", "--s3-no-check-bucket", f"--contimeout={self.connect_timeout_seconds:g}s"]
        words += [f"--timeout={self.idle_timeout_seconds:g}s", "--low-level-retries=3", f"--retries={self.retries}"]
        words += [f"--ca-cert={self.ca_file}"] if self.ca_file else []
        return words + ([f"--bwlimit={self.bandwidth_limit}"] if self.bandwidth_limit else [])


def read_sections(path: str) -> tuple[str, dict[str, Mapping[str, str]]]:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#", ";"))
    try:
        text = Path(path).read_text(encoding="utf-8")
        parser.read_string(text)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser's own words hold the line it stumbled over.
        cause = str(error.strerror) if isinstance(error, OSError) else f"{type(error).__name__}: it is no configuration in plain text"
        remedy = "Mount the Secret with rclone.conf there, not encrypted as a whole."
        raise OpsError("The configuration of rclone could not be read", where=path, cause=cause, remedy=remedy) from None
    return text, {name: dict(parser.items(name)) for name in parser.sections()}


def secrets_of(sections: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The longest first, as one may hold another."""
    found = {value for section in sections.values() for key, value in section.items() if _SECRET_KEY.search(key)}
    return sorted((value for value in found if len(value) >= _SHORTEST_SECRET and value not in ("true", "false")), key=len, reverse=True)
