# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a search engine: GET alone, credentials from files, the server's certificate checked, every wait and answer bounded."""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.urls import SSLValidationError, open_url

from .._errors import OpsError
from .._report.redact import clean
from .._tls import Credentials, credentials, trusting, unresolved

_ANSWER_BYTES = 64 * 2**20
_ERROR_BYTES = 64 * 2**10
_REASON_CHARACTERS = 300

Kind = Literal["down", "nameless", "untrusted", "refused", "unreadable"]


@dataclass(frozen=True)
class Server:
    """Where the engine is and who asks; an empty C(credentials_dir) asks without a name."""

    urls: tuple[str, ...]
    credentials_dir: str
    ca_file: str
    timeout_seconds: int

    def __post_init__(self) -> None:
        if not self.urls:
            raise OpsError("There is no address to ask", remedy="Give at least one url.")
        if self.timeout_seconds < 1:
            raise OpsError(f"{self.timeout_seconds} is no time to wait for an answer", remedy="Set timeout_seconds to 1 or more.")
        for url in self.urls:
            _checked(url, with_credentials=bool(self.credentials_dir))

    def clients(self) -> list[Client]:
        """One for each address, all with the same credentials."""
        who = credentials(self.credentials_dir) if self.credentials_dir else None
        if self.ca_file:
            trusting(self.ca_file)
        return [Client(url.rstrip("/"), who, self.ca_file, self.timeout_seconds) for url in self.urls]


class QuestionError(OpsError):
    """No usable answer. C(kind) tells a server that does not serve from one that does not tell us, C(status) is that of HTTP."""

    def __init__(self, where: str, kind: Kind, cause: str, *, status: int = 0, remedy: str = "") -> None:
        super().__init__("The search engine did not answer the question", where=where, cause=cause, remedy=remedy)
        self.kind = kind
        self.status = status


@dataclass(frozen=True)
class Client:
    """One address of the engine."""

    url: str
    who: Credentials | None
    ca_file: str
    timeout_seconds: int

    def get(self, path: str, **parameters: str) -> Any:
        """The answer's document. Nothing else is ever sent: no other method, and no body, which some proxies drop from a GET."""
        where = f"{self.url}{path}"
        nameless = unresolved(urlsplit(self.url).hostname or "")
        if nameless:
            raise QuestionError(where, "nameless", nameless)
        try:
            body = self._asked(where + (f"?{urlencode(parameters)}" if parameters else ""))
        except HTTPError as error:
            raise _refused(where, error) from error
        except (URLError, OSError, HTTPException, SSLValidationError) as error:
            raise _unanswered(where, error) from error
        if len(body) > _ANSWER_BYTES:
            raise QuestionError(where, "unreadable", f"the answer is longer than {_ANSWER_BYTES} bytes")
        try:
            return json.loads(body)
        except ValueError as error:
            raise QuestionError(where, "unreadable", f"the answer is no JSON: {clean(body[:80].decode(errors='replace'))!r}") from error

    def _asked(self, address: str) -> bytes:
        with open_url(
            address,
            method="GET",
            headers={"Accept": "application/json"},
            timeout=self.timeout_seconds,
            url_username=self.who.username if self.who else None,
            url_password=self.who.password if self.who else None,
            force_basic_auth=self.who is not None,
            ca_path=self.ca_file or None,
            # The credentials go to this address and nowhere else, and no others take their place.
            follow_redirects="none",
            use_netrc=False,
            use_proxy=False,
        ) as answer:
            body: bytes = answer.read(_ANSWER_BYTES + 1)
            return body


def _checked(url: str, *, with_credentials: bool) -> None:
    """Refuse an address that cannot be one, or that would show a password to others."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise OpsError("An address is not one of HTTP", cause=str(error), remedy="Write it as https://search.example:9200.") from error
    if "@" in parts.netloc:
        raise OpsError("An address holds credentials", where=host or "", remedy="Put them into files and name their credentials_dir.")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise OpsError(f"{url!r} is no address of HTTP", remedy="Write it as https://search.example:9200.")
    if with_credentials and parts.scheme == "http" and not _is_loopback(host):
        raise OpsError("A password would cross the network in plain text", where=url, remedy="Use https, and ca_file for its authority.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(where: str, error: HTTPError) -> QuestionError:
    """An answer that is an error, in the engine's own words; a proxy in front of it has others."""
    text = error.read(_ERROR_BYTES).decode("utf-8", errors="replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = text
    if isinstance(said, Mapping):
        said = said.get("error", said)
    if isinstance(said, Mapping):
        said = ": ".join(str(said[name]) for name in ("type", "reason") if said.get(name))
    remedies = {401: "Check the credentials that are mounted.", 403: "Give the account the rights that the module's documentation names."}
    cause = clean(f"HTTP {error.code}: {str(said).strip()}".rstrip(": "), _REASON_CHARACTERS)
    return QuestionError(where, "refused", cause, status=error.code, remedy=remedies.get(error.code, ""))


def _unanswered(where: str, error: Exception) -> QuestionError:
    reason = getattr(error, "reason", "") or error
    cause = clean(str(reason) or type(reason).__name__, _REASON_CHARACTERS)
    if isinstance(reason, (ssl.SSLError, SSLValidationError)):
        return QuestionError(where, "untrusted", cause, remedy="Check ca_file and the name in the address.")
    return QuestionError(where, "down", cause)
