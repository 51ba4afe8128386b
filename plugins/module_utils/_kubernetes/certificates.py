# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every certificate Kubernetes uses on a machine, and how long it lasts."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._clock import written
from .._process import run
from .._report.finding import Finding
from .machine import read_text


@dataclass(frozen=True)
class Certificate:
    """One certificate; times RFC 3339 UTC, C(days_left) in days, negative when expired."""

    machine: str
    path: str
    subject: str
    not_after: str
    days_left: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def sources(root: Path) -> Iterator[tuple[str, str]]:
    """(path, PEM text) of certificate files and of the client certificates inside kubeconfigs."""
    for pattern in ("etc/kubernetes/pki/**/*.crt", "var/lib/kubelet/pki/*-current.pem"):
        for path in sorted(root.glob(pattern)):
            yield str(path), read_text(path)
    for path in sorted(root.glob("etc/kubernetes/*.conf")):
        embedded = re.search(r"client-certificate-data:\s*(\S+)", read_text(path))
        if embedded:
            yield str(path), base64.b64decode(embedded.group(1)).decode()


def end_date(text: str) -> datetime:
    """C(notAfter=Nov 21 10:00:00 2027 GMT) as openssl prints it."""
    value = text.partition("notAfter=")[2].splitlines()[0]
    return datetime.strptime(value, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


def read(machine: str, path: str, pem: str, now: datetime) -> Certificate:
    completed = run(["openssl", "x509", "-noout", "-enddate", "-subject"], timeout_seconds=10, input_text=pem)
    completed.check(f"{path} is no readable certificate", remedy="Restore the file from a backup of /etc/kubernetes.")
    expires = end_date(completed.stdout)
    return Certificate(
        machine=machine,
        path=path,
        subject=completed.stdout.partition("subject=")[2].splitlines()[0].strip(),
        not_after=written(expires),
        days_left=round((expires - now).total_seconds() / 86400, 1),
    )


def certificates(root: str = "/", now: datetime | None = None) -> list[Certificate]:
    """All of them, the next to expire first."""
    moment = now or datetime.now(UTC)
    machine = socket.gethostname()
    found = [read(machine, path, pem, moment) for path, pem in sources(Path(root))]
    return sorted(found, key=lambda certificate: certificate.days_left)


def findings(found: list[Certificate], warning_days: int, critical_days: int) -> list[Finding]:
    """One finding for each certificate that ends soon."""
    return [
        Finding(
            id="kubernetes_certificate_expires",
            severity="critical" if certificate.days_left <= critical_days else "warning",
            subject=f"{certificate.machine}:{certificate.path}",
            summary=f"expires in {certificate.days_left:g} days, at {certificate.not_after}",
            evidence=certificate.subject,
            remedy="Run `kubeadm certs renew all` on the control plane; kubelet renews its own while it can reach the API.",
        )
        for certificate in found
        if certificate.days_left <= warning_days
    ]
