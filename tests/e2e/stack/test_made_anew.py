# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database made anew and a changed way in: what stands against the migration is shown, and the next run makes it good."""

from __future__ import annotations

import secrets
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.e2e.runs import Run
from tests.e2e.stack.client import ask
from tests.e2e.support import PROXY, STACK, Lab

CERTIFICATE = "way-in"


@pytest.fixture(scope="module")
def obstructed(stack_lab: Lab) -> Run:
    """The database is made anew by hand, with a table in the way."""
    stack_lab.sql("DROP DATABASE endpoint_stats WITH (FORCE)", "postgres")
    stack_lab.sql("CREATE DATABASE endpoint_stats OWNER owner TEMPLATE template0", "postgres")
    stack_lab.sql("CREATE TABLE endpoints (nothing int)")
    stack_lab.sql("ALTER TABLE endpoints OWNER TO owner")
    return stack_lab.play("app_stack")


def test_the_log_of_a_failed_migration_is_shown(obstructed: Run) -> None:
    assert obstructed.status != 0
    for words in ("The migration flask-api-migration-", "failed, so the API was left as it is", "endpoints", "already exists"):
        assert words in obstructed.refusal


@pytest.fixture(scope="module")
def authority(stack_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the way in, in a Secret of its namespace."""
    directory = tmp_path_factory.mktemp("certificate")
    files = ["-keyout", str(directory / "tls.key"), "-out", str(directory / "tls.crt")]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=way in", "-addext", f"subjectAltName=IP:{stack_lab.address('control-1')}"]
    subprocess.run(["openssl", "req", "-x509", *curve, *files, "-days", "2", *names], check=True, capture_output=True)
    pair = [f"--cert={directory / 'tls.crt'}", f"--key={directory / 'tls.key'}"]
    stack_lab.kubectl("--namespace", PROXY, "delete", "secret", CERTIFICATE, "--ignore-not-found")
    stack_lab.kubectl("--namespace", PROXY, "create", "secret", "tls", CERTIFICATE, *pair)
    return directory / "tls.crt"


@pytest.fixture(scope="module")
def mended(stack_lab: Lab, obstructed: Run, authority: Path) -> Run:
    """Nothing is in the way any more, and the way in has a certificate."""
    stack_lab.sql("DROP TABLE endpoints")
    return stack_lab.play("app_stack", variables={"app_stack_ingress_tls_secret": CERTIFICATE})


def test_a_database_made_anew_is_migrated_with_the_same_release(stack_lab: Lab, obstructed: Run, mended: Run) -> None:
    mended.expect()
    assert stack_lab.sql("SELECT count(*) FROM alembic_version") == "1"
    jobs = stack_lab.get("--namespace", STACK, "jobs", "--selector=app=flask-api-migration")["items"]
    assert [job["status"].get("succeeded") for job in jobs] == [1]


def test_rows_come_and_go_by_https(stack_lab: Lab, mended: Run, authority: Path) -> None:
    mended.expect()
    assert stack_lab.reported_url.startswith("https://")
    endpoint = f"/changed/{secrets.token_hex(4)}"
    call = {"endpoint": endpoint, "response_time": 12.0, "status": 200}
    assert ask(f"{stack_lab.reported_url}/api/requests", call, authority=authority)[0] == 201
    status, document = ask(f"{stack_lab.reported_url}/api/endpoint-stats{endpoint}?period=hour", authority=authority)
    assert (status, document["requests"]) == (200, 1)
    assert ask(f"{stack_lab.reported_url}/metrics", authority=authority)[0] == 404


def test_the_certificate_of_the_way_in_is_the_given_one(stack_lab: Lab, mended: Run) -> None:
    mended.expect()
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(f"{stack_lab.reported_url}/health")


def test_no_older_protocol_is_spoken(stack_lab: Lab, mended: Run, authority: Path) -> None:
    mended.expect()
    place = stack_lab.reported_url.removeprefix("https://")
    command = ["openssl", "s_client", "-connect", place, "-CAfile", str(authority), "-brief"]
    old = subprocess.run([*command, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], input="", capture_output=True, text=True, check=False)
    new = subprocess.run([*command, "-tls1_2"], input="", capture_output=True, text=True, check=False)
    assert (old.returncode != 0, new.returncode) == (True, 0), old.stderr + new.stderr
    assert "TLSv1.2" in new.stderr
