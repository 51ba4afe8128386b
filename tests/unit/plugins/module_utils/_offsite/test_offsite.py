# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rclone is called, and what its words mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._completed import Completed, KilledError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._deadline import Deadline
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._offsite import rclone
from ansible_collections.endpoint_stats.ops.plugins.module_utils._offsite.configuration import Options
from ansible_collections.endpoint_stats.ops.plugins.module_utils._offsite.failure import (
    DamagedError,
    MissingError,
    RefusedError,
    UnreachableError,
)

SECRET = "planted-secret-4711"
CONFIG = f"""
# a comment
[archive]
type = s3
secret_access_key = {SECRET}
[sealed]
type = crypt
remote = archive:bucket/sealed
password = {SECRET}-longer
"""


def options(**changes: Any) -> Options:
    known = {"config_file": "", "remote": "archive:bucket/dir", "ca_file": "", "bandwidth_limit": "", "retries": 3}
    return Options(**{**known, "connect_timeout_seconds": 15, "idle_timeout_seconds": 120, **changes})


@pytest.mark.parametrize("changes", [{"bandwidth_limit": "20 M"}, {"bandwidth_limit": "fast"}, {"retries": 0}, {"idle_timeout_seconds": 0}])
def test_options_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(OpsError):
        options(**changes)


def test_what_it_is_called_with() -> None:
    argv = options(bandwidth_limit="20M", ca_file="/ca.crt").argv()
    assert {"--bwlimit=20M", "--ca-cert=/ca.crt", "--retries=3", "--s3-no-check-bucket", "--ask-password=false"} <= set(argv)
    assert not {word for word in options().argv() if word.startswith(("--bwlimit", "--ca-cert"))}


def test_the_environment_does_not_speak_louder_than_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RCLONE_S3_ENDPOINT", "AWS_CA_BUNDLE", "AWS_ROLE_ARN"):
        monkeypatch.setenv(name, "x")
    assert {"RCLONE_S3_ENDPOINT", "AWS_CA_BUNDLE", "AWS_ROLE_ARN"} & {*rclone.environment()} == {"AWS_ROLE_ARN"}


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "programs" / "rclone"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    path = tmp_path / "rclone.conf"
    path.write_text(CONFIG)
    return path


def test_values_of_the_configuration_are_hidden(configured: Path) -> None:
    with rclone.opened(options(config_file=str(configured), remote="sealed:"), Deadline(5)) as program:
        assert (program.kind, program.inner) == ("crypt", "archive:bucket/sealed")
        assert program.path("a", "b") == "sealed:a/b"
        assert program.path() == "sealed:"
        said = program.hidden(f"no luck with {SECRET} and {SECRET}-longer today")
        assert "planted" not in said
        assert said.endswith(" today")
    with rclone.opened(options(config_file=str(configured)), Deadline(5)) as program:
        assert (program.kind, program.inner, program.path("a")) == ("s3", "", "archive:bucket/dir/a")


@pytest.mark.parametrize("text", ["[archive\ntype = s3", f"password = {SECRET}", "\xff"])
def test_a_configuration_that_is_none_is_refused_without_a_word_of_it(configured: Path, text: str) -> None:
    configured.write_text(text, encoding="latin-1")
    with pytest.raises(OpsError) as refused, rclone.opened(options(config_file=str(configured)), Deadline(5)):
        pass
    assert str(configured) in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("remote", ["nobody:bucket", "archive", "", "/etc:x", "archive:a\nb"])
def test_a_remote_that_the_configuration_lacks_is_refused(configured: Path, remote: str) -> None:
    with (
        pytest.raises(OpsError, match="does not know the remote"),
        rclone.opened(options(config_file=str(configured), remote=remote), Deadline(5)),
    ):
        pass


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (1, "RequestError: send request failed caused by: dial tcp 127.0.0.1:1: connect: connection refused", UnreachableError),
        (1, "ServiceUnavailable: status code: 503", UnreachableError),
        (1, "lookup s3.example.net: no such host", UnreachableError),
        (1, "SignatureDoesNotMatch: status code: 403", RefusedError),
        (1, "couldn't connect SSH: ssh: handshake failed: ssh: unable to authenticate", RefusedError),
        (1, "RequestError: send request failed caused by: x509: certificate signed by unknown authority", OpsError),
        (1, "corrupted on transfer: md5 hash differ", DamagedError),
        (3, "directory not found", MissingError),
        (7, "something new", OpsError),
        (1, "Failed to copy: unexpected EOF", UnreachableError),
        (1, "failed to close file: write /backups/x: no space left on device", OpsError),
        (-9, "", KilledError),
    ],
)
def test_words_of_rclone_are_understood(configured: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str, kind: type) -> None:
    monkeypatch.setattr(
        rclone, "run", lambda argv, **_how: Completed(tuple(argv), status, "", f"2026/11/26 01:00:00 Failed to lsf: {said}")
    )
    with rclone.opened(options(config_file=str(configured)), Deadline(5)) as program, pytest.raises(OpsError) as raised:
        program.run("lsf", program.path())
    assert type(raised.value) is kind
    assert (raised.value.where, bool(raised.value.remedy)) == ("archive:bucket/dir", True)
    assert said in raised.value.cause
