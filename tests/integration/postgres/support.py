# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's database on a server of the test, and the modules of the collection run beside it as the user they have in the cluster."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.filter.core import regex_replace
from jinja2 import Environment, FileSystemLoader

from tests.integration import modules
from tests.integration.app import servers
from tests.integration.modules import Outcome, Running
from tools.venv import ROOT

ACCOUNT = "postgres"
DATABASE = "endpoint_stats"
ROWS = 3000
_ROLE = ROOT / "roles" / "app_stack"
_CONTENT = """
SELECT format('SELECT %L, md5(coalesce(string_agg(t::text, E''\\n'' ORDER BY t::text), '''')) FROM ONLY %I t', relname, relname)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
MIGRATED = "migrated"
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'"
_DATA = f"""
INSERT INTO endpoints (name, created_at) SELECT '/api/' || n, '2026-01-01Z' FROM generate_series(1, 20) n;
INSERT INTO requests (timestamp, endpoint, response_time, status, number)
SELECT now() - n * interval '1 minute', '/api/' || 1 + n % 20, n % 97, 200 + n % 5, n FROM generate_series(1, {ROWS}) n;
REFRESH MATERIALIZED VIEW endpoint_daily_stats;
ANALYZE;
"""  # noqa: S608 - a number of ours


@dataclass
class Place:
    """A PostgreSQL with the roles, rights and schema of the stack; the module's own user has a directory there."""

    stack: servers.Stack
    started: list[Running] = field(default_factory=list)

    @property
    def postgresql(self) -> servers.PostgreSQL:
        return self.stack.postgresql

    @property
    def directory(self) -> Path:
        return self.stack.directory

    def options(self, role: str, **changes: Any) -> dict[str, Any]:
        """How a role reaches the server."""
        known = {"host": self.postgresql.host, "port": self.postgresql.port, "credentials_dir": str(self.directory / role)}
        return {**known, "ca_file": str(self.directory / "tls.crt"), **changes}

    def start(
        self,
        module: str,
        options: Mapping[str, Any],
        *,
        check: bool = False,
        programs: Path | None = None,
        code: str = "",
        environment: Mapping[str, str] | None = None,
        as_root: bool = False,
    ) -> Running:
        """Begin a module as the user it has in the cluster; C(programs) is searched before all other directories."""
        home = self.directory / "home"
        known = {"HOME": str(home), "PYTHONPYCACHEPREFIX": str(home / "bytecode"), **(environment or {})}
        if programs:
            known["PATH"] = os.pathsep.join([str(programs), str(servers.BINARIES), "/usr/bin", "/bin"])
        account = [] if as_root else as_account()
        self.started.append(modules.start(module, options, check=check, code=code, account=account, environment=known))
        return self.started[-1]

    def end_started(self) -> None:
        """Nothing that a failed test has left goes on."""
        for running in self.started:
            running.kill()
        self.started.clear()

    def run(self, module: str, options: Mapping[str, Any], **how: Any) -> Outcome:
        """Run a module to its end, whatever that is."""
        return self.start(module, options, **how).outcome()

    def backup(self, directory: Path, *, check: bool = False, programs: Path | None = None, **changes: Any) -> Outcome:
        """Run `pg_backup` as the schedule does."""
        return self.run("pg_backup", self.backup_options(directory, **changes), check=check, programs=programs)

    def backup_options(self, directory: Path, **changes: Any) -> dict[str, Any]:
        return {**self.options("backup"), "directory": str(directory), "database": DATABASE, **changes}

    def good(self, outcome: Outcome) -> Outcome:
        """An outcome that is no failure."""
        assert not outcome.failed, outcome.message or outcome.output
        assert outcome.status == 0, outcome.output
        return outcome

    @contextlib.contextmanager
    def room(self) -> Iterator[Path]:
        """An empty directory of the module's user."""
        with tempfile.TemporaryDirectory(prefix="room-", dir=self.directory) as made:
            own(Path(made))
            yield Path(made)

    def create_database(self) -> None:
        """The database anew, with everything the stack gives it and the same rows each time; migrated once and copied from then on."""
        sql = self.postgresql.sql
        sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", "postgres")
        sql(self._rendered("roles.sql.j2"), "postgres")
        is_migrated = MIGRATED in sql("SELECT datname FROM pg_database", "postgres").splitlines()
        sql(f"CREATE DATABASE {DATABASE} OWNER owner {f'TEMPLATE {MIGRATED}' if is_migrated else ''}", "postgres")
        sql(self._rendered("rights.sql.j2"))
        if not is_migrated:
            self.stack.program("migrate", account="owner")
            sql(_DATA)
            sql(f"CREATE DATABASE {MIGRATED} TEMPLATE {DATABASE}", "postgres")

    def content(self, database: str = DATABASE) -> dict[str, str]:
        """A hash over all rows of each table."""
        queries = self.postgresql.sql(_CONTENT, database).splitlines()
        return dict(line.split("|") for line in self.postgresql.sql(" UNION ALL ".join(queries), database).splitlines())

    def await_nobody(self, role: str, *rooms: Path) -> None:
        """Neither a process that works in one of the rooms nor a session of the role is left."""
        servers.wait_until(lambda: not any(map(processes, rooms)), "end of the processes", 30)
        servers.wait_until(lambda: self.postgresql.sql(_SESSIONS.format(role), "postgres") == "0", "end of the sessions", 30)

    def _rendered(self, template: str) -> str:
        """The role's own SQL with the password of the tests for everybody."""
        environment = Environment(loader=FileSystemLoader(_ROLE / "templates"), autoescape=False, trim_blocks=True)  # noqa: S701
        environment.filters["regex_replace"] = regex_replace
        variables = yaml.safe_load((_ROLE / "vars" / "main" / "database.yml").read_text())
        text = environment.get_template(template).render(variables)
        password = servers.PASSWORD.replace("'", "''")
        for role in ("admin", *variables["_app_stack_database_roles"]):
            text = text.replace(f"{{verifier:{role}}}", f"'{password}'")
        return text


@contextlib.contextmanager
def place(host: str = servers.Process.host, enter: Sequence[str] = ()) -> Iterator[Place]:
    """The server with its database, and credentials for each role."""
    with servers.stack(host, enter) as stack:
        made = Place(stack)
        roles = yaml.safe_load((_ROLE / "vars" / "main" / "database.yml").read_text())["_app_stack_database_roles"]
        for role in roles:
            credentials(made.directory / role, role)
        (made.directory / "home").mkdir()
        own(made.directory / "home")
        made.create_database()
        yield made


def credentials(directory: Path, username: str, password: str = servers.PASSWORD) -> Path:
    """A directory like a mounted Secret."""
    directory.mkdir(exist_ok=True)
    (directory / "username").write_text(username)
    (directory / "password").write_text(f"{password}\n", encoding="utf-8")
    return directory


def own(path: Path) -> None:
    """Give a path to the user the modules run as."""
    if os.geteuid() == 0:
        shutil.chown(path, ACCOUNT, pwd.getpwnam(ACCOUNT).pw_gid)


def processes(room: Path) -> dict[int, str]:
    """What runs with a path of the room in its command line; a server's children are known by where they work."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(room) in words or str(room) in str((path / "cwd").readlink()):
                    found[int(path.name)] = words
    return found


def tree(directory: Path) -> dict[str, str]:
    """Every path below a directory with what tells a change: size, mode, times and content."""
    seen = {}
    for path in sorted([directory, *directory.rglob("*")]):
        status = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        seen[str(path.relative_to(directory))] = f"{status.st_mode:o} {status.st_mtime_ns} {status.st_size} {digest}"
    return seen


def as_account() -> list[str]:
    """PostgreSQL refuses root. The interpreter may lie in a home that only root may enter, so the right to read everything is kept."""
    if os.geteuid() != 0:
        return []
    capability = "+dac_read_search"
    who = [f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"]
    return ["setpriv", *who, f"--inh-caps={capability}", f"--ambient-caps={capability}"]
