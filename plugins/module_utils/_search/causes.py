# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a shard has no node: the engine's explanation in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._report.redact import clean
from .._report.words import plural

_EVIDENCE_CHARACTERS = 300


@dataclass(frozen=True)
class Cause:
    """Why shards have no node; the words of the engine's deciders are not for people at night."""

    word: str
    text: str
    remedy: str
    waits: bool = False


CAUSES = (
    Cause(
        "failed_too_often",
        "allocation failed too often and is not tried again",
        "Repair what the evidence names, then: POST /_cluster/reroute?retry_failed=true",
    ),
    Cause(
        "no_copy",
        "no node holds a usable copy of their data",
        "Bring back the node that held it; where it is lost for good, restore the indices from a snapshot.",
    ),
    Cause(
        "node_left",
        "a node has left, and its return is waited for",
        "Bring the node back; after index.unassigned.node_left.delayed_timeout the copies are made on others.",
        waits=True,
    ),
    Cause(
        "same_node",
        "there is no other node, each that could hold them holds a copy already",
        'Add a data node, or ask for fewer copies: PUT /<index>/_settings {"index.number_of_replicas": 0}',
    ),
    Cause(
        "disk_watermark",
        "the disks that could hold them are fuller than the watermark",
        "Free or add disk space; the engine then places them by itself.",
    ),
    Cause(
        "filter",
        "an allocation filter or tier matches no node",
        "Compare index.routing.allocation.* and cluster.routing.allocation.* with the names, attributes and roles of the nodes.",
    ),
    Cause(
        "disabled",
        "allocation is switched off",
        'Switch it on again: PUT /_cluster/settings {"persistent": {"cluster.routing.allocation.enable": null}}; '
        "indices have index.routing.allocation.enable.",
    ),
    Cause(
        "shard_limit",
        "each node holds as many shards as it may",
        "Raise index.routing.allocation.total_shards_per_node or its cluster-wide twin, or add a data node.",
    ),
    Cause(
        "awareness",
        "the zones that allocation awareness asks for have no room",
        "Bring back the nodes of the missing zone, or lower the number of replicas.",
    ),
    Cause(
        "version",
        "a copy cannot go to a node of an older version",
        "Finish the upgrade: all data nodes need the version of the newest.",
    ),
    Cause(
        "wait",
        "they wait for their turn",
        "Look again in a few minutes: recoveries are limited at a time (cluster.routing.allocation.node_concurrent_recoveries).",
        waits=True,
    ),
    Cause("other", "the engine places them on no node", "Read the evidence; GET /_cluster/allocation/explain tells all of it."),
    Cause(
        "unexplained",
        "their reason was not asked for, or not told",
        "Ask for one of them: GET /_cluster/allocation/explain with index, shard and primary.",
    ),
)
BY_WORD = {cause.word: cause for cause in CAUSES}
# Of several that refuse, what somebody has set comes before what goes away by itself.
_BY_DECIDER = {
    "max_retry": "failed_too_often",
    "enable": "disabled",
    "filter": "filter",
    "data_tier": "filter",
    "awareness": "awareness",
    "shards_limit": "shard_limit",
    "node_version": "version",
    "disk_threshold": "disk_watermark",
    "throttling": "wait",
    "replica_after_primary_active": "wait",
    "snapshot_in_progress": "wait",
}
_BY_STATE = {
    "no_valid_shard_copy": "no_copy",
    "allocation_delayed": "node_left",
    "throttled": "wait",
    "awaiting_info": "wait",
    "yes": "wait",
}


@dataclass(frozen=True)
class Reason:
    """What one explanation says."""

    word: str
    evidence: str = ""


def reason_of(explanation: Mapping[str, Any]) -> Reason:
    """The obstacle that somebody has to take away, of all that an explanation names."""
    if explanation.get("current_state", "unassigned") != "unassigned":
        return Reason("wait", "it has found a node in the meantime")
    refusals = [_refused_by(node) for node in explanation.get("node_allocation_decisions") or []]
    told = {name: text for refusal in refusals for name, text in refusal.items()}
    if "max_retry" in told:
        details = (explanation.get("unassigned_info") or {}).get("details") or told["max_retry"]
        return Reason("failed_too_often", clean(details, _EVIDENCE_CHARACTERS))
    state = str(explanation.get("can_allocate") or "")
    if state in _BY_STATE:
        return Reason(_BY_STATE[state], clean(explanation.get("allocate_explanation") or "", _EVIDENCE_CHARACTERS))
    # Where a copy lies already nothing is wrong; what keeps the others from taking one is what counts.
    others = [refusal for refusal in refusals if "same_shard" not in refusal]
    if refusals and not others:
        return Reason("same_node", f"{plural(len(refusals), 'node')} with data, each with a copy")
    counted = Counter(name for refusal in others for name in refusal)
    if not counted:
        return Reason("other", clean(explanation.get("allocate_explanation") or f"can_allocate is {state!r}", _EVIDENCE_CHARACTERS))
    ranks = list(_BY_DECIDER)
    decider = min(counted, key=lambda name: (-counted[name], ranks.index(name) if name in ranks else len(ranks), name))
    also = f"; {', '.join(sorted(set(counted) - {decider}))} as well" if len(counted) > 1 else ""
    return Reason(_BY_DECIDER.get(decider, "other"), clean(f"{decider}: {told[decider]}", _EVIDENCE_CHARACTERS) + also)


def _refused_by(node: Mapping[str, Any]) -> dict[str, str]:
    """The deciders that keep a shard from a node, with their words."""
    return {
        str(decider["decider"]): str(decider.get("explanation") or "")
        for decider in node.get("deciders") or []
        if str(decider.get("decision")).upper() != "YES"
    }
