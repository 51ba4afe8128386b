# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack is built, damaged by hand, mended, and converged; nothing secret shows on the way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import PLANTED, BuiltStack
from tests.e2e.runs import Run
from tests.e2e.support import PROXY, STACK, Lab, succeed, text_of

VAULT_PASSWORD = "only-for-this-test"
FIRST_RUN_SECONDS = 180
SITE_SECONDS = 90
# A shared host may take twice as long as the promise.
LENIENCY = 2
SERVER = "postgres.endpoint-stats.svc"
MANIFESTS = "pods,deployments,replicasets,statefulsets,controllerrevisions,jobs,cronjobs,configmaps,services,events"
AUDIT_LOG = "/var/log/kubernetes/audit*.log"


def said(run: Run) -> str:
    """All messages of a run."""
    return "\n".join(str(result["msg"]) for _host, result in run.results if result.get("msg"))


def kept(lab: Lab) -> dict[str, str]:
    """The secrets that a rebuild needs."""
    secrets: dict[str, str] = yaml.safe_load(lab.stack_secrets.read_text())["app_stack_secrets"]
    return secrets


def test_a_dry_run_says_that_there_is_no_stack_yet(built_stack: BuiltStack) -> None:
    assert f"The cluster has no namespace {STACK}" in said(built_stack.dry.expect())


def test_the_stack_is_built_in_time(stack_lab: Lab, built_stack: BuiltStack) -> None:
    print(f"stack on an empty cluster: {built_stack.first.seconds:.0f} s")
    assert built_stack.first.seconds < FIRST_RUN_SECONDS * LENIENCY
    assert kept(stack_lab)["postgres_api"] == PLANTED
    assert stack_lab.stack_secrets.stat().st_mode & 0o777 == 0o600


@dataclass(frozen=True)
class Mended:
    """What a dry run showed of three damages, and the run that mended them."""

    dry: Run
    run: Run


@pytest.fixture(scope="module")
def mended(stack_lab: Lab) -> Mended:
    """One object, one setting and one secret."""
    stack_lab.stack("delete", "networkpolicy", "postgresql")
    stack_lab.sql("ALTER SYSTEM SET log_connections = on", "postgres")
    stack_lab.sql("SELECT pg_reload_conf()", "postgres")
    password = base64.b64encode(b"damaged-by-hand").decode()
    stack_lab.stack("patch", "secret", "postgres-restore", f"--patch={json.dumps({'data': {'password': password}})}")
    return Mended(stack_lab.play("app_stack", check=True), stack_lab.play("app_stack"))


@pytest.mark.parametrize("which", ["dry", "run"])
def test_what_was_damaged_by_hand_is_shown_and_nothing_else(mended: Mended, which: str) -> None:
    run: Run = getattr(mended, which).expect()
    diffs = {change.thing: change.diff for change in run.changes}
    assert {thing for thing in diffs if thing.count("/") == 1} == {"NetworkPolicy/postgresql"}
    assert "ALTER SYSTEM: log_connections = on" in diffs[SERVER]
    assert "another value, or none: postgres_restore" in said(run)
    assert "damaged-by-hand" not in run.output
    # The three, and the Secrets themselves, of which no difference is shown.
    assert run.changed == 4, run.changes


def test_what_was_damaged_is_mended(stack_lab: Lab, mended: Mended) -> None:
    mended.run.expect()
    assert stack_lab.stack("get", "networkpolicy", "postgresql", "--output=name")
    assert stack_lab.sql("SHOW log_connections") == "off"
    found = stack_lab.get("--namespace", STACK, "secret/postgres-restore")["data"]["password"]
    assert base64.b64decode(found).decode() == kept(stack_lab)["postgres_restore"]


@pytest.fixture(scope="module")
def vault(stack_lab: Lab, mended: Mended, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The variable that has kept secrets encrypted; in the end the files are opened again."""
    password = tmp_path_factory.mktemp("vault") / "password"
    password.write_text(f"{VAULT_PASSWORD}\n")
    yield {"endpoint_stats_vault_password_file": str(password)}
    for path in encrypted(stack_lab):
        succeed(["ansible-vault", "decrypt", f"--vault-password-file={password}", str(path)])


def encrypted(lab: Lab) -> list[Path]:
    return [path for path in sorted(lab.paths.secrets.iterdir()) if path.read_text().startswith("$ANSIBLE_VAULT")]


@pytest.fixture(scope="module")
def converged_site(stack_lab: Lab, vault: dict[str, Any]) -> Run:
    """Everything once more, with a password for the kept secrets from now on."""
    return stack_lab.play("site", variables=vault)


def test_a_converged_site_changes_nothing_but_the_form_of_kept_secrets(stack_lab: Lab, converged_site: Run) -> None:
    converged_site.expect()
    print(f"site, converged: {converged_site.seconds:.0f} s")
    assert encrypted(stack_lab) == sorted([stack_lab.stack_secrets, stack_lab.paths.secrets / f"{stack_lab.name}-encryption-key.yml"])
    assert converged_site.changed == len(encrypted(stack_lab)), converged_site.changes
    assert converged_site.seconds < SITE_SECONDS * LENIENCY


def test_a_dry_run_of_the_converged_stack_is_clean(stack_lab: Lab, converged_site: Run, vault: dict[str, Any]) -> None:
    stack_lab.play("app_stack", check=True, variables=vault).expect(changed=0)


def test_encrypted_secrets_are_opened_by_ansible_vault(stack_lab: Lab, converged_site: Run, vault: dict[str, Any]) -> None:
    password = vault["endpoint_stats_vault_password_file"]
    text = succeed(["ansible-vault", "view", f"--vault-password-file={password}", str(stack_lab.stack_secrets)])
    assert yaml.safe_load(text)["app_stack_secrets"]["postgres_api"] == PLANTED
    assert stack_lab.stack_secrets.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", ["", "another-password"])
def test_encrypted_secrets_are_not_overwritten_without_their_password(
    stack_lab: Lab, converged_site: Run, tmp_path: Path, given: str
) -> None:
    before = stack_lab.stack_secrets.read_bytes()
    (tmp_path / "password").write_text(f"{given}\n")
    variables = {"endpoint_stats_vault_password_file": str(tmp_path / "password")} if given else {}
    run = stack_lab.play("app_stack", variables=variables)
    assert run.status != 0
    assert run.changed == 0
    for words in ("Nothing was changed", str(stack_lab.stack_secrets), "could not be opened", "Name the file with the password"):
        assert words in run.refusal
    assert stack_lab.stack_secrets.read_bytes() == before


def test_a_claim_that_cannot_grow_is_refused_by_name(stack_lab: Lab, converged_site: Run) -> None:
    run = stack_lab.play("app_stack", variables={"app_stack_redis_storage": "1Gi"})
    assert run.status != 0
    assert run.changed == 0
    for words in ("the claim redis-data", "has 512Mi, 1Gi is asked for", "local-path does not expand volumes"):
        assert words in run.refusal


@pytest.fixture(scope="module")
def needles(stack_lab: Lab, mended: Mended) -> dict[str, list[str]]:
    """Each secret by its name: the text itself, and as Secrets carry it."""
    found = {}
    for name, value in kept(stack_lab).items():
        if name.endswith("_key"):
            # A line of its own, as a PEM document is quoted in many ways.
            line = value.splitlines()[1]
            found[name] = [line, base64.b64encode(value.encode()).decode()[60:120]]
        elif not name.endswith(("_certificate", "_renew_after", "_made_for")):
            found[name] = [value, base64.b64encode(value.encode()).decode()]
    return found


def shown(needles: dict[str, list[str]], text: str) -> list[str]:
    """Names of the secrets that a text gives away."""
    return [name for name, forms in needles.items() if any(form in text for form in forms)]


def test_the_search_would_find_a_secret(needles: dict[str, list[str]]) -> None:
    assert len(needles) == 13
    assert shown(needles, f"password={PLANTED}") == ["postgres_api"]
    assert shown(needles, base64.b64encode(PLANTED.encode()).decode()) == ["postgres_api"]


def test_no_secret_is_in_what_runs_print_or_report(
    stack_lab: Lab, built_stack: BuiltStack, mended: Mended, needles: dict[str, list[str]]
) -> None:
    assert "no_log" in built_stack.first.output
    everything = [built_stack.first.output, built_stack.dry.output, mended.dry.output, mended.run.output, text_of(stack_lab.paths.reports)]
    assert [shown(needles, text) for text in everything] == [[]] * len(everything)


def test_no_secret_is_in_a_command_line(built_stack: BuiltStack, needles: dict[str, list[str]]) -> None:
    """Of this host and of all machines, whose processes it sees, while the stack was built."""
    for program in ("ansible-playbook", "kubectl", "postgres", "redis-server", "endpoint-stats"):
        assert program in built_stack.first.processes
    assert shown(needles, built_stack.first.processes) == []


def test_no_secret_is_in_an_object_but_the_secrets(stack_lab: Lab, needles: dict[str, list[str]]) -> None:
    objects = stack_lab.kubectl("get", MANIFESTS, "--all-namespaces", "--output=json", "--show-managed-fields")
    assert "postgres-api" in objects
    assert shown(needles, objects) == []


def test_no_secret_is_in_a_log_of_a_pod(stack_lab: Lab, needles: dict[str, list[str]]) -> None:
    for namespace in (STACK, PROXY, "kube-system"):
        for pod in stack_lab.get("--namespace", namespace, "pods")["items"]:
            log = stack_lab.kubectl("--namespace", namespace, "logs", pod["metadata"]["name"], "--all-containers", "--ignore-errors")
            assert shown(needles, log) == [], pod["metadata"]["name"]


@pytest.mark.parametrize(
    ("machine", "source", "known"),
    [
        ("control-1", f"cat {AUDIT_LOG}", '"name":"postgres-api"'),
        ("control-1", "journalctl --boot", "kubelet"),
        ("worker-1", "journalctl --boot", "kubelet"),
    ],
    ids=["audit log", "journal of control-1", "journal of worker-1"],
)
def test_no_secret_is_in_a_log_of_a_machine(stack_lab: Lab, needles: dict[str, list[str]], machine: str, source: str, known: str) -> None:
    def lines(texts: list[str]) -> int:
        listed = "\n".join(texts)
        return int(stack_lab.root(machine, f"cat > /run/e2e-needles <<'EOF'\n{listed}\nEOF\n{source} | grep -cFf /run/e2e-needles || true"))

    assert lines([known]) > 0
    assert lines([form for forms in needles.values() for form in forms]) == 0
    stack_lab.root(machine, "rm /run/e2e-needles")
