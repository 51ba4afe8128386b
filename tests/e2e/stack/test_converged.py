# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that is as it should be: a run changes nothing, and what must not be done to it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.runs import Run
from tests.e2e.support import Lab, succeed

VAULT_PASSWORD = "only-for-this-test"


@pytest.fixture(scope="module")
def vault(stack_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
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
    print(f"site, converged: {converged_site.seconds:.0f} s")
    converged_site.expect()
    assert encrypted(stack_lab) == sorted([stack_lab.stack_secrets, stack_lab.paths.secrets / f"{stack_lab.name}-encryption-key.yml"])
    assert converged_site.changed == len(encrypted(stack_lab)), converged_site.changes


def test_a_dry_run_of_the_converged_stack_is_clean(stack_lab: Lab, converged_site: Run, vault: dict[str, Any]) -> None:
    stack_lab.play("app_stack", check=True, variables=vault).expect(changed=0)


def test_encrypted_secrets_are_opened_by_ansible_vault(stack_lab: Lab, converged_site: Run, vault: dict[str, Any]) -> None:
    password = vault["endpoint_stats_vault_password_file"]
    text = succeed(["ansible-vault", "view", f"--vault-password-file={password}", str(stack_lab.stack_secrets)])
    assert len(yaml.safe_load(text)["app_stack_secrets"]["postgres_owner"]) > 12
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
