# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which value a secret has: the inventory's, else the kept one, else the cluster's, else a new one."""

from __future__ import annotations

import base64
import binascii
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MINIMUM_LENGTH = 12
ALPHABET = string.ascii_letters + string.digits
LENGTH = 32


@dataclass(frozen=True)
class Slot:
    """One kept value and where the cluster has it: a key of a Secret's data, or an annotation."""

    name: str
    secret: str
    key: str
    made: bool = True
    annotation: bool = False


@dataclass(frozen=True)
class Choice:
    """The values, those that belong into the kept file, and which were made, were in the cluster alone, or cannot be used."""

    values: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    cluster: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def choose(slots: Sequence[Slot], given: Mapping[str, str], kept: Mapping[str, str], found: Sequence[Mapping[str, Any]]) -> Choice:
    """What nobody made (a key that a later step makes) is empty; names of the file that nobody knows here stay in it."""
    documents = {str(item["metadata"]["name"]): item for item in found}
    choice = Choice(kept=dict(kept))
    for slot in slots:
        living = _living(documents.get(slot.secret), slot)
        choice.cluster[slot.name] = living
        value = given.get(slot.name) or kept.get(slot.name) or living
        if not value and slot.made:
            value = "".join(secrets.choice(ALPHABET) for _index in range(LENGTH))
            choice.made.append(slot.name)
        if slot.made and not _usable(value):
            choice.refused.append(slot.name)
        if value and slot.made and not (given.get(slot.name) or kept.get(slot.name)) and living:
            choice.adopted.append(slot.name)
        choice.values[slot.name] = value
        if value and not given.get(slot.name):
            choice.kept[slot.name] = value
    return choice


def _usable(value: str) -> bool:
    """PostgreSQL, Redis and files all take printable ASCII as it is."""
    return len(value) >= MINIMUM_LENGTH and value.isascii() and value.isprintable() and " " not in value


def _living(document: Mapping[str, Any] | None, slot: Slot) -> str:
    if document is None:
        return ""
    if slot.annotation:
        return str((document["metadata"].get("annotations") or {}).get(slot.key, ""))
    try:
        return base64.b64decode((document.get("data") or {}).get(slot.key, ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # damaged: whatever it was, it is not a value of ours
