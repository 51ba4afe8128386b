# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of rows as zstd gives them back: whole ones are read to the end, of others it is said what is wrong with them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._deadline import Deadline
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import compressed
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import BackupFile
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.compressor import Compressor

from tests.integration.app import servers
from tests.integration.postgres.damage import compressed as packed
from tests.integration.postgres.damage import flipped

END = b"\\.\n\n\n"
ROWS = b"".join(b"%d\tvalue %d\\r\\n\\\\.\t\\N\n" % (n, n * n) for n in range(200_000))
NAME = "dump/3456.dat.zst"


@pytest.fixture(scope="module", autouse=True)
def zstd() -> None:
    servers.install()


def file_of(directory: Path, data: bytes, *, plain: bytes | None = None) -> BackupFile:
    """A file of these compressed bytes, described as holding those."""
    path = directory / NAME
    path.parent.mkdir()
    path.write_bytes(data)
    held = compressed_back(path) if plain is None else plain
    return BackupFile(NAME, len(data), hashlib.sha256(data).hexdigest(), len(held), hashlib.sha256(held).hexdigest())


def compressed_back(path: Path) -> bytes:
    return subprocess.run(["zstd", "--decompress", "--stdout", "--quiet", str(path)], check=False, capture_output=True).stdout


@pytest.mark.parametrize("rows", [ROWS, b"1\n", b"\n", b""], ids=["many", "one", "an empty one", "none"])
def test_rows_come_back_whole_in_the_same_parts_each_time(rows: bytes, tmp_path: Path) -> None:
    file = file_of(tmp_path, packed(rows + END))
    blocks = list(compressed.rows(tmp_path, file))
    assert b"".join(blocks) == rows
    assert all(block.endswith(b"\n") for block in blocks)
    assert (len(blocks) > 3) is (rows == ROWS)
    assert list(compressed.rows(tmp_path, file)) == blocks


def test_a_row_that_is_longer_than_what_is_read_at_a_time_stays_whole(tmp_path: Path) -> None:
    rows = b"%d\t" % 1 + b"x" * (3 << 20) + b"\n2\ty\n"
    blocks = list(compressed.rows(tmp_path, file_of(tmp_path, packed(rows + END))))
    assert (b"".join(blocks), all(block.endswith(b"\n") for block in blocks)) == (rows, True)


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut at the end of a row": (lambda: packed(ROWS), "end_marker"),
    "cut inside a row": (lambda: packed(ROWS[:-5]), "end_marker"),
    "cut within its end marker": (lambda: packed(ROWS + b"\\"), "end_marker"),
    "empty": (lambda: packed(b""), "end_marker"),
    "followed by more rows": (lambda: packed(ROWS + END + b"1\n"), "end_marker"),
    "followed by a byte": (lambda: packed(ROWS + END + b"x"), "end_marker"),
    "truncated": (lambda: packed(ROWS + END)[:-1000], "file_unreadable"),
    "flipped": (lambda: flipped(30_000)(packed(ROWS + END)), "file_unreadable"),
    "followed by bytes that are not compressed": (lambda: packed(ROWS + END) + b"rest", "file_unreadable"),
    "not compressed": (lambda: ROWS + END, "file_unreadable"),
    "without a byte": (lambda: b"", "file_unreadable"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_is_not_taken_when_it_is(name: str, tmp_path: Path) -> None:
    make, kind = DAMAGED[name]
    with pytest.raises(compressed.DamagedFileError) as refused:
        list(compressed.rows(tmp_path, file_of(tmp_path, make())))
    assert (refused.value.kind, refused.value.path) == (kind, NAME)


def several(directory: Path, parts: dict[str, bytes]) -> list[BackupFile]:
    """Files of these compressed bytes, all described as holding their names as rows."""
    found = []
    for name, data in parts.items():
        (directory / name).write_bytes(data)
        held = name.encode() + b"\n" + END
        found.append(BackupFile(name, len(data), hashlib.sha256(data).hexdigest(), len(held), hashlib.sha256(held).hexdigest()))
    return found


def whole(name: str) -> bytes:
    return packed(name.encode() + b"\n" + END)


def test_small_files_are_read_together(tmp_path: Path) -> None:
    names = ["1.dat.zst", "-2.dat.zst", "3.dat.zst"]
    files = several(tmp_path, {name: whole(name) for name in names})
    assert list(compressed.small_rows(tmp_path, files)) == [(file, file.path.encode() + b"\n") for file in files]


@pytest.mark.parametrize("name", [name for name in DAMAGED if name != "empty"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_small_files_the_damaged_one_is_named(place: int, name: str, tmp_path: Path) -> None:
    names = ["1.dat.zst", "2.dat.zst", "3.dat.zst"]
    parts = {one: whole(one) for one in names}
    parts[names[place]] = DAMAGED[name][0]()
    with pytest.raises(compressed.DamagedFileError) as refused:
        list(compressed.small_rows(tmp_path, several(tmp_path, parts)))
    assert refused.value.path == names[place]


def test_what_the_manifest_says_is_compared(tmp_path: Path) -> None:
    other = ROWS.replace(b"value 49", b"value 50", 1) + END
    with pytest.raises(compressed.DamagedFileError) as refused:
        list(compressed.rows(tmp_path, file_of(tmp_path, packed(other), plain=ROWS + END)))
    assert refused.value.kind == "file_content"
    assert hashlib.sha256(other).hexdigest() in refused.value.found


def compressor(directory: Path) -> Compressor:
    return Compressor(compressed.program(), directory, 1, 2, Deadline(60))


@contextmanager
def writer(path: Path, last: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own that has the file open, and writes this to it in the end."""
    argv, piped = ["bash", "-c", 'exec >> "$0"; echo open >&2; exec cat', str(path)], subprocess.PIPE
    with subprocess.Popen(argv, start_new_session=True, stdin=piped, stderr=piped) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"open\n"
        yield process
        process.communicate(last)


def test_a_file_is_compressed_when_nobody_of_the_dump_has_it_open(tmp_path: Path) -> None:
    for name in ("1.dat", "2.dat", "blob_3.dat", "toc.dat", "blobs.toc"):
        (tmp_path / name).write_bytes(ROWS + END)
    with compressor(tmp_path) as work:
        assert work.look() == 3 * len(ROWS + END)
        assert work.plain == {}
        with writer(tmp_path / "2.dat") as dump:
            work.follow(dump.pid)
            work.look()
            servers.wait_until(lambda: len(work.plain) == 2, "compressed files")
            assert work.look() == 3 * len(ROWS + END)
            assert sorted(path.name for path in tmp_path.iterdir()) == ["1.dat.zst", "2.dat", "blob_3.dat.zst", "blobs.toc", "toc.dat"]
        assert work.finish(lambda: None).keys() == {"1.dat.zst", "2.dat.zst", "blob_3.dat.zst"}
    assert compressed_back(tmp_path / "2.dat.zst") == ROWS + END
    assert work.plain["2.dat.zst"] == compressed.Plain(len(ROWS + END), hashlib.sha256(ROWS + END).hexdigest())


def test_a_large_file_is_compressed_while_it_grows(tmp_path: Path) -> None:
    rows = ROWS * 5
    (tmp_path / "1.dat").write_bytes(rows)
    with compressor(tmp_path) as work:
        with writer(tmp_path / "1.dat", END) as dump:
            work.follow(dump.pid)
            work.look()
            servers.wait_until((tmp_path / "1.dat.zst").exists, "compressed file")
            assert work.plain == {}
        assert work.finish(lambda: None) == {"1.dat.zst": compressed.Plain(len(rows + END), hashlib.sha256(rows + END).hexdigest())}
    assert compressed_back(tmp_path / "1.dat.zst") == rows + END
    assert not (tmp_path / "1.dat").exists()


def test_a_dump_that_fails_leaves_no_zstd_waiting_for_its_file(tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_bytes(ROWS * 5)
    with compressor(tmp_path) as work, writer(tmp_path / "1.dat") as dump:
        work.follow(dump.pid)
        work.look()
        servers.wait_until((tmp_path / "1.dat.zst").exists, "compressed file")
    assert work.plain == {}
    assert (tmp_path / "1.dat").read_bytes() == ROWS * 5


@pytest.mark.parametrize("rows", [ROWS, b"", ROWS + END + b"more\n"], ids=["cut", "empty", "followed"])
def test_a_dump_that_lacks_an_end_marker_is_no_backup(rows: bytes, tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_bytes(rows)
    with compressor(tmp_path) as work, pytest.raises(compressed.DamagedFileError):
        work.finish(lambda: None)
    assert (tmp_path / "1.dat").read_bytes() == rows


def test_a_file_that_cannot_be_compressed_stays_and_ends_the_backup(tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_bytes(END)
    (tmp_path / "1.dat.zst").mkdir()
    with compressor(tmp_path) as work, pytest.raises(OpsError, match="could not be compressed"):
        work.finish(lambda: None)
    assert (tmp_path / "1.dat").read_bytes() == END


def test_a_host_without_zstd_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", "/nonexistent")
    with pytest.raises(OpsError, match="Install the package zstd"):
        compressed.program()
