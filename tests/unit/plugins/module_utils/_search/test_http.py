# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search import http
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.http import QuestionError, Server

from tests.unit.plugins.module_utils._search.fake import serving


@pytest.mark.parametrize(
    ("url", "credentials_dir", "complaint"),
    [
        ("https://admin:Planted-secret@search:9200", "", "An address holds credentials"),
        ("search:9200", "", "no address of HTTP"),
        ("ftp://search", "", "no address of HTTP"),
        ("https://", "", "no address of HTTP"),
        ("https://search:9200/?pretty", "", "no address of HTTP"),
        ("https://search:port", "", "not one of HTTP"),
        ("http://search:9200", "/run/secrets/search", "in plain text"),
        ("http://10.0.0.1:9200", "/run/secrets/search", "in plain text"),
    ],
)
def test_an_address_that_cannot_be_or_would_tell_a_password_is_refused(url: str, credentials_dir: str, complaint: str) -> None:
    with pytest.raises(OpsError, match=complaint) as refused:
        Server(("https://good:9200", url), credentials_dir, "", 5)
    assert "Planted-secret" not in str(refused.value.to_failure())


@pytest.mark.parametrize(
    "url", ["https://search:9200", "https://search/prefix/", "http://localhost:9200", "http://[::1]:9200", "http://127.0.0.1"]
)
def test_an_address_that_can_be_is_taken(url: str) -> None:
    assert Server((url,), "/run/secrets/search", "", 5).urls == (url,)


@pytest.mark.parametrize(("urls", "timeout"), [((), 5), (("https://search",), 0)])
def test_nothing_to_ask_and_no_time_are_refused(urls: tuple[str, ...], timeout: int) -> None:
    with pytest.raises(OpsError):
        Server(urls, "", "", timeout)


def refusal(answer: Any) -> QuestionError:
    with serving({"/": answer}) as engine:
        (client,) = Server((engine.url,), "", "", 2).clients()
        with pytest.raises(QuestionError) as refused:
            client.get("/")
    return refused.value


def test_a_refusal_is_told_in_the_engines_own_words_without_secrets_and_bounded() -> None:
    said = {"error": {"root_cause": [], "type": "security_exception", "reason": f"password=Planted-secret {'x ' * 900}"}, "status": 403}
    error = refusal((403, said))
    assert (error.kind, error.status) == ("refused", 403)
    assert error.cause.startswith("HTTP 403: security_exception: password=[hidden]")
    assert len(error.cause) <= 300
    assert "rights" in error.remedy


@pytest.mark.parametrize("answer", [(404, ""), (502, "<html>"), (400, "[1]"), (429, '{"error": "busy"}')])
def test_a_refusal_of_somebody_else_is_one_too(answer: tuple[int, str]) -> None:
    assert (refusal(answer).kind, refusal(answer).status) == ("refused", answer[0])


def test_an_answer_that_is_no_json_is_unreadable() -> None:
    error = refusal((200, "<html>Sign in</html>"))
    assert (error.kind, "is no JSON" in error.cause) == ("unreadable", True)


def test_an_answer_without_an_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_ANSWER_BYTES", 100)
    assert refusal((200, json.dumps("x" * 99))).cause == "the answer is longer than 100 bytes"


def test_a_certificate_that_is_not_there_is_said_before_anybody_is_asked(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="authority's certificate could not be read"):
        Server(("https://search",), "", str(tmp_path / "ca.crt"), 5).clients()


def test_parameters_and_prefix_are_part_of_the_address() -> None:
    with serving({"/prefix/_cat/shards": [1]}) as engine:
        (client,) = Server((f"{engine.url}/prefix/",), "", "", 2).clients()
        assert client.get("/_cat/shards", h="index,shard", source='{"a": "&"}') == [1]
    assert engine.asked[0].parameters == {"h": "index,shard", "source": '{"a": "&"}'}
