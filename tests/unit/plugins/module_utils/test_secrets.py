# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.endpoint_stats.ops.plugins.filter.chosen_secrets import chosen_secrets
from ansible_collections.endpoint_stats.ops.plugins.module_utils._secrets import LENGTH, Slot, choose

SLOTS = [
    Slot("api", "postgres-api", "password"),
    Slot("key", "authority", "tls.key", made=False),
    Slot("until", "authority", "endpoint-stats/renew-after", made=False, annotation=True),
]
LIVING = "living-password"


def secret(name: str, data: dict[str, str], annotations: dict[str, str] | None = None) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": name, "annotations": annotations}, "data": encoded}


def test_a_password_that_is_nowhere_is_made() -> None:
    first, second = choose(SLOTS, {}, {}, []), choose(SLOTS, {}, {}, [])
    assert first.made == ["api"]
    assert len(first.values["api"]) == LENGTH
    assert first.values["api"] != second.values["api"]
    assert first.kept == {"api": first.values["api"]}
    assert first.values["key"] == first.values["until"] == ""
    assert first.refused == first.adopted == []


@pytest.mark.parametrize(
    ("given", "kept", "expected"),
    [
        ({"api": "given-password"}, {"api": "kept-password"}, "given-password"),
        ({}, {"api": "kept-password"}, "kept-password"),
        ({}, {}, LIVING),
    ],
)
def test_the_inventory_is_before_the_file_and_the_file_before_the_cluster(
    given: dict[str, str], kept: dict[str, str], expected: str
) -> None:
    choice = choose(SLOTS, given, kept, [secret("postgres-api", {"password": LIVING})])
    assert choice.values["api"] == expected
    assert choice.cluster["api"] == LIVING
    assert choice.made == []
    assert choice.adopted == (["api"] if expected == LIVING else [])


def test_what_the_inventory_gives_is_not_written_into_the_file() -> None:
    assert choose(SLOTS, {"api": "given-password"}, {"other": "stays"}, []).kept == {"other": "stays"}


def test_keys_and_annotations_are_taken_from_the_cluster() -> None:
    choice = choose(SLOTS, {}, {}, [secret("authority", {"tls.key": "KEY"}, {"endpoint-stats/renew-after": "2027"})])
    assert choice.values["key"] == "KEY"
    assert choice.values["until"] == "2027"
    assert choice.adopted == []


@pytest.mark.parametrize("data", ["%%%", base64.b64encode(b"\xff\xfe").decode()])
def test_a_damaged_secret_counts_as_none(data: str) -> None:
    found = {"metadata": {"name": "postgres-api"}, "data": {"password": data}}
    assert choose(SLOTS, {}, {"api": "kept-password"}, [found]).cluster["api"] == ""


@pytest.mark.parametrize("value", ["short", "with a space in it", "with\nnew-line-in-it", "pässwörter-sind-gut"])
def test_a_password_that_clients_cannot_send_is_refused(value: str) -> None:
    assert choose(SLOTS, {"api": value}, {}, []).refused == ["api"]


def test_the_filter_says_what_it_does_not_understand() -> None:
    with pytest.raises(AnsibleFilterError, match="an entry is not understood"):
        chosen_secrets([{"nome": "api"}], {}, {}, [])
    assert chosen_secrets([{"name": "api", "secret": "s", "key": "password"}], {"api": "x" * 12}, {}, [])["values"] == {"api": "x" * 12}
