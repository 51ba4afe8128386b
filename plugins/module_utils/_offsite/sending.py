# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup after the other on its way elsewhere, and the looks at copies that are there."""

from __future__ import annotations

from dataclasses import dataclass

from .._postgres.files import compare
from .._postgres.manifest import FILE_NAME, Manifest, ManifestError, load
from .._postgres.repository import Repository
from .._progress import Progress
from .._report.finding import Finding
from . import difference
from .failure import DamagedError
from .order import Order, Outcome
from .remote import Remote, Seen

_BY_HAND = "Look at the service and its disks. The backup here is whole; the next run sends again what differs."


@dataclass(frozen=True)
class Sending:
    """From a repository to a remote."""

    order: Order
    repository: Repository
    remote: Remote
    progress: Progress
    outcome: Outcome

    def missing(self, due: list[str], seen: Seen) -> list[tuple[str, Manifest]]:
        """Those of the backups due that are not there, or not whole."""
        found = []
        for backup in due:
            try:
                manifest = load(self.repository.path(backup))
            except ManifestError as error:
                self._damaged(backup, str(error))
                continue
            if not seen.is_whole(backup, manifest):
                found.append((backup, manifest))
        return found

    def copy(self, backup: str, manifest: Manifest) -> None:
        """Only what is as its manifest says leaves; the manifest follows when the other side has been looked at."""
        progress, remote = self.progress, self.remote
        with self.repository.reading(backup) as path:
            progress.phase("checksum", manifest.bytes, "bytes")
            differences = compare(path, manifest, progress.advance).differences
            if differences or manifest.id != backup or manifest.database.name != self.order.database:
                first = differences[0] if differences else None
                self._damaged(backup, f"{first.kind} {first.subject}: {first.found}" if first else "its manifest is of another one")
                return
            progress.phase("copy", manifest.bytes, "bytes")
            self.outcome.transferred_bytes += remote.upload(path, backup, advance=progress.advance)
            progress.phase("check")
            differing = difference.differing(remote.rclone, path, backup, manifest, self.order.check)
            if differing:
                # What an interrupted run has left, or somebody has changed since, under the size and time it had.
                self.outcome.transferred_bytes += remote.upload(path, backup, again=True)
                differing = difference.differing(remote.rclone, path, backup, manifest, self.order.check)
            if differing:
                self._copy_damaged(backup, differing)
                return
            remote.publish(path, backup)
        self.repository.record_offsite(backup, {"did": "copied", "remote": self.order.rclone.remote, "manifest_sha256": manifest.sha256})
        self.outcome.copied.append(backup)
        self.outcome.checked.append(backup)

    def recheck(self, seen: Seen) -> None:
        """Look at the copies of earlier runs; one that differs and is whole here is sent again."""
        for backup in [name for name in seen.published if name not in self.outcome.copied]:
            self.progress.phase("recheck")
            manifest = self._manifest_there(backup)
            differing = [FILE_NAME] if manifest is None else self._sizes(seen, backup, manifest)
            path = self.repository.path(backup)
            if manifest and not differing and self.order.check == "download":
                differing = difference.misread(self.remote.rclone, backup, manifest)
            elif manifest and not differing and path.is_dir():
                with self.repository.reading(backup):
                    differing = difference.differing(self.remote.rclone, path, backup, manifest, "server")
            self.outcome.checked.append(backup)
            if differing:
                self._copy_damaged(backup, differing)
                if path.is_dir():
                    self.copy(backup, load(path))

    def _sizes(self, seen: Seen, backup: str, manifest: Manifest) -> list[str]:
        files = seen.copies[backup]
        return [file.path for file in manifest.files if files.get(file.path) != file.bytes]

    def _manifest_there(self, backup: str) -> Manifest | None:
        try:
            return self.remote.manifest(backup)
        except (ManifestError, DamagedError):
            return None

    def _damaged(self, backup: str, evidence: str) -> None:
        self.outcome.failed = True
        remedy = "Make a new backup, and verify this one; the copies there stay as they are."
        text = "the backup here is not as its manifest says, so it was not copied"
        self.outcome.findings.append(Finding("offsite_source_damaged", "critical", backup, text, evidence, remedy))

    def _copy_damaged(self, backup: str, differing: list[str]) -> None:
        self.outcome.failed = True
        shown = ", ".join(differing[:5]) + (" …" if len(differing) > 5 else "")
        self.outcome.findings.append(
            Finding("offsite_copy_damaged", "critical", backup, "the copy off-site is not as the backup's manifest says", shown, _BY_HAND)
        )
