# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that is as it should be: a run changes nothing, and what must not be done to it is refused."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.runs import Run
from tests.e2e.support import Lab, succeed

VAULT_PASSWORD = "only-for-this-test"


@dataclass(frozen=True)
class Vault:
    """A copy of the kept secrets, as a session that is interrupted must not leave those of the lab encrypted."""

    directory: Path

    @property
    def password(self) -> Path:
        return self.directory / "password"

    @property
    def secrets(self) -> Path:
        return self.directory / "secrets"

    @property
    def encrypted(self) -> list[Path]:
        return [path for path in sorted(self.secrets.iterdir()) if path.read_text().startswith("$ANSIBLE_VAULT")]

    @property
    def place(self) -> dict[str, Any]:
        return {"endpoint_stats_secrets_dir": str(self.secrets)}

    @property
    def variables(self) -> dict[str, Any]:
        """Those that have kept secrets encrypted."""
        return {**self.place, "endpoint_stats_vault_password_file": str(self.password)}


@pytest.fixture(scope="module")
def vault(stack_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Vault:
    made = Vault(tmp_path_factory.mktemp("vault"))
    made.password.write_text(f"{VAULT_PASSWORD}\n")
    shutil.copytree(stack_lab.paths.secrets, made.secrets)
    return made


@pytest.fixture(scope="module")
def converged_site(stack_lab: Lab, vault: Vault) -> Run:
    """Everything once more, with a password for the kept secrets from now on."""
    return stack_lab.play("site", variables=vault.variables)


def test_a_converged_site_changes_nothing_but_the_form_of_kept_secrets(stack_lab: Lab, converged_site: Run, vault: Vault) -> None:
    print(f"site, converged: {converged_site.seconds:.0f} s")
    converged_site.expect()
    kept = {stack_lab.stack_secrets.name, f"{stack_lab.name}-encryption-key.yml"}
    assert {path.name for path in vault.encrypted} == kept
    assert converged_site.changed == len(kept), converged_site.changes


def test_a_dry_run_of_the_converged_stack_is_clean(stack_lab: Lab, converged_site: Run, vault: Vault) -> None:
    stack_lab.play("app_stack", check=True, variables=vault.variables).expect(changed=0)


def test_encrypted_secrets_are_opened_by_ansible_vault(stack_lab: Lab, converged_site: Run, vault: Vault) -> None:
    path = vault.secrets / stack_lab.stack_secrets.name
    text = succeed(["ansible-vault", "view", f"--vault-password-file={vault.password}", str(path)])
    assert len(yaml.safe_load(text)["app_stack_secrets"]["postgres_owner"]) > 12
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", ["", "another-password"])
def test_encrypted_secrets_are_not_overwritten_without_their_password(
    stack_lab: Lab, converged_site: Run, vault: Vault, tmp_path: Path, given: str
) -> None:
    path = vault.secrets / stack_lab.stack_secrets.name
    before = path.read_bytes()
    (tmp_path / "password").write_text(f"{given}\n")
    variables = {"endpoint_stats_vault_password_file": str(tmp_path / "password")} if given else {}
    run = stack_lab.play("app_stack", variables={**vault.place, **variables})
    assert run.status != 0
    assert run.changed == 0
    for words in ("Nothing was changed", str(path), "could not be opened", "Name the file with the password"):
        assert words in run.refusal
    assert path.read_bytes() == before


def test_a_claim_that_cannot_grow_is_refused_by_name(stack_lab: Lab, converged_site: Run) -> None:
    run = stack_lab.play("app_stack", variables={"app_stack_redis_storage": "1Gi"})
    assert run.status != 0
    assert run.changed == 0
    for words in ("the claim redis-data", "has 512Mi, 1Gi is asked for", "local-path does not expand volumes"):
        assert words in run.refusal
