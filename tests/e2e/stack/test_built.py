# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack is built, damaged by hand and mended; nothing secret shows on the way."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pytest
import yaml

from tests.e2e.conftest import PLANTED, BuiltStack
from tests.e2e.runs import Run
from tests.e2e.support import PROXY, STACK, Lab, text_of

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


def test_what_a_rebuild_needs_is_kept_for_its_owner_alone(stack_lab: Lab, built_stack: BuiltStack) -> None:
    print(f"stack on an empty cluster: {built_stack.first.seconds:.0f} s")
    assert "postgres_owner" in kept(stack_lab)
    assert "postgres_api" not in kept(stack_lab)  # the inventory's
    assert stack_lab.stack_secrets.stat().st_mode & 0o777 == 0o600


def test_the_report_names_the_way_in(stack_lab: Lab) -> None:
    assert stack_lab.reported_url == stack_lab.url


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
    return Mended(stack_lab.play("app_stack", check=True), stack_lab.play("app_stack", "--diff"))


@pytest.mark.parametrize("which", ["dry", "run"])
def test_what_was_damaged_by_hand_is_shown_and_nothing_else(mended: Mended, which: str) -> None:
    run: Run = getattr(mended, which).expect()
    diffs = {change.thing: change.diff for change in run.changes}
    assert {thing for thing in diffs if thing.count("/") == 1} == {"NetworkPolicy/postgresql"}, run.changes
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
def needles(stack_lab: Lab, mended: Mended) -> dict[str, list[str]]:
    """Each secret by its name, made by the role or given by the inventory: the text itself, and as Secrets carry it."""
    found = {}
    for name, value in {**kept(stack_lab), "postgres_api": PLANTED}.items():
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
