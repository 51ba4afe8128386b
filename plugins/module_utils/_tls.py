# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials and authorities as mounted files, and the certificate a server really presents."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._clock import written
from ._errors import OpsError
from ._report.finding import Finding
from ._report.part import Part

_POSTGRESQL_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@dataclass(frozen=True)
class Credentials:
    """A user and a password; never shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


def credentials(directory: str) -> Credentials:
    """The files C(username) and C(password) of a mounted Secret."""
    try:
        username, password = (Path(directory, name).read_text(encoding="utf-8").strip("\r\n") for name in ("username", "password"))
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Mount the Secret there, with the keys username and password."
        raise OpsError("The credentials could not be read", where=directory, cause=type(error).__name__, remedy=remedy) from error
    return Credentials(username, password)


def trusting(ca_file: str) -> ssl.SSLContext:
    """TLS that checks the server's certificate and its name against this authority alone."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        remedy = "Mount the ConfigMap endpoint-stats-ca there."
        raise OpsError("The authority's certificate could not be read", where=ca_file, cause=str(error), remedy=remedy) from error
    return context


def served_certificate(host: str, port: int, ca_file: str, timeout_seconds: float, *, postgresql: bool = False) -> dict[str, Any]:
    """The certificate a server shows now, which may be older than the one in its Secret."""
    context = trusting(ca_file)
    try:
        with socket.create_connection((host, port), timeout_seconds) as plain:
            if postgresql:
                plain.sendall(_POSTGRESQL_SSL_REQUEST)
                if plain.recv(1) != b"S":
                    raise OpsError("The server does not speak TLS", where=f"{host}:{port}")
            with context.wrap_socket(plain, server_hostname=host) as secure:
                return _described(f"{host}:{port}", secure.getpeercert() or {})
    except OSError as error:
        raise OpsError("The server's certificate could not be looked at", where=f"{host}:{port}", cause=str(error)) from error


def authorities(ca_file: str) -> list[dict[str, Any]]:
    """The authorities of a file."""
    return [_described(ca_file, certificate) for certificate in trusting(ca_file).get_ca_certs()]


def expiry_findings(certificates: list[dict[str, Any]], warning_days: float, critical_days: float) -> list[Finding]:
    """One finding for each certificate that ends soon."""
    return [
        Finding(
            id="certificate_expires",
            severity="critical" if certificate["days_left"] <= critical_days else "warning",
            subject=certificate["where"],
            summary="its certificate has expired" if certificate["days_left"] <= 0 else "its certificate ends soon",
            evidence=f"{certificate['days_left']:.0f} days left",
            remedy="Run endpoint_stats.ops.app_stack, which renews it.",
        )
        for certificate in certificates
        if certificate["days_left"] <= warning_days
    ]


def look(servers: list[dict[str, Any]], ca_file: str, timeout_seconds: float, warning_days: float, critical_days: float) -> Part:
    """The authority and what each server presents; a server that cannot be looked at does not hide the others."""
    certificates, reasons = authorities(ca_file), []
    for server in servers:
        host, port, postgresql = server["host"], server["port"], server["protocol"] == "postgresql"
        try:
            certificates.append(served_certificate(host, port, ca_file, timeout_seconds, postgresql=postgresql))
        except OpsError as error:
            reasons.append(str(error))
    certificates.sort(key=lambda certificate: (certificate["days_left"], certificate["where"]))
    return Part({"certificates": certificates}, expiry_findings(certificates, warning_days, critical_days), " ".join(reasons))


def _described(where: str, certificate: Any) -> dict[str, Any]:
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    names = dict(entry for part in certificate.get("subject", ()) for entry in part)
    return {
        "where": where,
        "subject": names.get("commonName", ""),
        "not_after": written(expires),
        "days_left": round((expires - datetime.now(UTC)).total_seconds() / 86400, 1),
    }


def unresolved(host: str) -> str:
    """Why a name has no address here, empty when it has one; without an address nobody knows how the server is."""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        return f"the name {host!r} has no address on the host that asks: {error}"
    return ""
