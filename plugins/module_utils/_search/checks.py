# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a search engine is, by the first of its addresses that answers."""

from __future__ import annotations

from collections.abc import Sequence

from .._errors import OpsError
from .._report.part import Part
from . import cluster
from .coverage import Visit
from .engine import Address, ask_all
from .examination import Examination, Limits
from .http import Server

CHECKS = {
    "engine": "Which engine answers",
    "health": "Health of the cluster",
    "nodes": "Nodes",
    "settings": "Settings of the cluster",
    "shards": "Shards without a node",
    "disk": "Disks against the watermarks",
    "blocks": "Read-only indices",
    "health_report": "The engine's own health report",
}


def look(server: Server, limits: Limits) -> Part:
    """All checks of one engine, by the first of its addresses that answers."""
    visit = Visit(CHECKS)
    try:
        asked = ask_all(server)
    except OpsError as error:
        visit.blind(str(error))
        return visit.part()
    visit.data["addresses"] = [address.to_dict() for address in asked]
    visit.findings += cluster.addresses(asked)
    for address in asked:
        if address.engine:
            Examination(address.client, address.engine, limits, visit).run()
            return visit.part()
    visit.blind(_nobody(asked))
    return visit.part()


def _nobody(asked: Sequence[Address]) -> str:
    """Why no address gave an answer."""
    problems = [(address.client.url, address.problem) for address in asked if address.problem]
    return " ".join(f"{url}: {problem.cause.rstrip('.')}.{' ' if problem.remedy else ''}{problem.remedy}" for url, problem in problems)
