# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deserves a word of a verification: findings of its verdict, its age, its restore, and what was not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._report.finding import Finding
from . import sealing
from .contents import EntryDifference
from .forecast import RESTORES
from .manifest import Manifest
from .verdict import FAILED, PASSED, UNKNOWN, Seen
from .verified import Order, Outcome

_SHOWN = 5
# What speaks against the database that was backed up.
_ODD = {
    "sequence_behind": (
        "sequence_behind_column",
        "will give numbers that its column has passed already; the backup has it as the database had it",
        "Where the application relies on it, set it on the live database with setval().",
    ),
    "sequence_back": (
        "sequence_set_back",
        "was set back between the snapshot and the moment at which the dump read it",
        "Find out who sets sequences back; make a new backup.",
    ),
    "generated": (
        "generated_columns_differ",
        "its generated columns have other values after a restore, which computes them anew",
        "Look whether their functions were changed since the rows were written, and write the rows of the live database anew.",
    ),
}


def judgements(order: Order, outcome: Outcome) -> Iterator[Finding]:
    """What its verdict, its age and its restore deserve."""
    if outcome.verdict == FAILED:
        yield Finding(
            "backup_failed_verification",
            "critical",
            outcome.backup,
            "cannot be relied on",
            outcome.reason,
            "Make a new backup and verify it; keep this one only where nothing better is left.",
        )
    if outcome.verdict == UNKNOWN:
        yield Finding(
            "backup_not_verified",
            "warning",
            outcome.backup,
            "could not be verified, which says nothing of it",
            outcome.reason,
            "Put right what the evidence names, and verify it again.",
        )
    if not outcome.fresh:
        yield Finding(
            "backup_too_old",
            "critical",
            outcome.backup,
            "the newest backup is too old",
            f"{outcome.age_seconds:.0f} seconds; {order.max_age_seconds:g} are allowed",
            "Look why the schedule of backups makes none, and run the playbook endpoint_stats.ops.backup.",
        )
    yield from _slow(order, outcome)


def _slow(order: Order, outcome: Outcome) -> Iterator[Finding]:
    """A restore that will take longer than it may, as far as that is known."""
    known = outcome.forecast_restore_seconds if outcome.forecast_restore_seconds is not None else outcome.restore_seconds
    if known is not None and known > order.rto_target_seconds:
        calibrated = outcome.forecast_basis == RESTORES
        how = "forecast by real restores" if calibrated else "at least, as measured on a server that need not survive"
        yield Finding(
            "restore_too_slow",
            "warning",
            outcome.backup,
            "restoring it takes longer than the target",
            f"{known:.0f} seconds, {how}; the target is {order.rto_target_seconds:g}",
            "Restore with more jobs or on a faster disk, or agree on another target.",
        )


def not_looked_at(order: Order, outcome: Outcome, seen: Seen) -> Iterator[Finding]:
    """What is not known of the backup, where nobody minds."""
    encrypted = sealing.named(file.path for file in seen.manifest.files) if seen.manifest else ""
    if seen.roles_unseen and encrypted and outcome.verdict == PASSED:
        text, evidence = "its roles were not looked at, as they are encrypted; roles of the same names stood in", f"level {outcome.level}"
        yield Finding("roles_not_verified", "info", outcome.backup, text, evidence, sealing.remedy(encrypted))
    if seen.manifest and seen.manifest.selection and seen.manifest.left_out:
        text, evidence = "it holds a part of the database, and the verdict is on that", f"it lacks {seen.manifest.selection.few}"
        yield Finding("backup_partial", "info", outcome.backup, text, evidence, "Back up the rest too, where it is needed.")
    if seen.manifest and seen.across and outcome.verdict == PASSED:
        yield across_releases(seen.manifest, seen.scratch_version, seen.rewritten)
    if outcome.cached:
        text, evidence = "its verdict is a cached one, as nobody has touched its files since", f"files read at {outcome.recorded_at}"
        remedy = "Nothing has to be done; recorded_max_age_seconds says after how long all of it is read again."
        yield Finding("verification_cached", "info", outcome.backup, text, evidence, remedy)
    given = bool(order.asked.manifest_key_file)
    if seen.manifest and seen.manifest.signature and not given:
        evidence, remedy = f"key {seen.manifest.signature.key_id}", "Name the key with manifest_key_file."
        text = "its manifest is signed, and nobody looked whether the signature is right, as no key was given"
        yield Finding("signature_not_checked", "info", outcome.backup, text, evidence, remedy)
    if seen.manifest and not seen.manifest.signature and given and order.asked.accept_unsigned:
        remedy = "Leave accept_unsigned away when the backups from before the key are gone."
        yield Finding("manifest_unsigned", "warning", outcome.backup, "its manifest is not signed", "accept_unsigned allows it", remedy)


def across_releases(manifest: Manifest, version: str, rewritten: Sequence[EntryDifference]) -> Finding:
    """How far the structure was compared where PostgreSQL itself writes it otherwise."""
    text = "it was restored on another release of PostgreSQL: its rows were compared as ever, its objects by kind, schema, name and owner"
    names = ", ".join(difference.subject for difference in rewritten[:_SHOWN])
    more = f" and {len(rewritten) - _SHOWN} more" if len(rewritten) > _SHOWN else ""
    evidence = f"{manifest.server.version}, here {version}; written otherwise here: {names or 'none'}{more}"
    return Finding("structure_across_releases", "info", manifest.id, text, evidence, "Look at what is named, where it matters.")


def odd(difference: EntryDifference) -> Finding:
    """What differs and speaks against the database."""
    identity, summary, remedy = _ODD[difference.kind]
    evidence = f"{difference.found}, expected {difference.expected}"
    return Finding(identity, "warning", difference.subject, summary, evidence, remedy)
