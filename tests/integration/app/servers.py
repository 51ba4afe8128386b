# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL, a Redis and the API as processes of the test, on free ports of the loopback interface."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

from lab.host import missing_packages
from tools.app import SOURCE, python
from tools.venv import cache_directory, only_one

# Another one where the same tests run beside another release of PostgreSQL.
MAJOR = int(os.environ.get("ENDPOINT_STATS_TEST_POSTGRESQL", "15"))
PACKAGES = ("age", f"postgresql-{MAJOR}", "redis-server", "zstd")
BINARIES = Path(f"/usr/lib/postgresql/{MAJOR}/bin")
# What to look for in output: the rest of the password is written otherwise in JSON.
PLANTED = "Planted-7f3a9c"
PASSWORD = f'{PLANTED}-pässword"\\%40'
_ACCOUNT = "postgres"
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLL_SECONDS = 0.05
# Below what the kernel gives to clients; each process of pytest-xdist has its own part, and two runs at the same time hardly meet.
_PORTS_OF_EACH = 4000
_first_port = 20000 + _PORTS_OF_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = iter(random.sample(range(_first_port, _first_port + _PORTS_OF_EACH), _PORTS_OF_EACH))
_GRACE_SECONDS = 30
Answer = TypeVar("Answer")


def install(packages: tuple[str, ...] = PACKAGES) -> None:
    """What the servers need; servers that come with a package are not started. Files of tests that run at the same time take turns."""
    with only_one(cache_directory() / "packages.lock"):
        if missing := missing_packages(packages):
            _install(missing)


def _install(missing: Sequence[str]) -> None:
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run([*apt, "update"], check=True, env=environment)
        subprocess.run([*apt, "install", "--yes", "--no-install-recommends", *missing], check=True, env=environment)
    finally:
        if ours:
            _POLICY.unlink()


def wait_until(question: Callable[[], Answer], what: str, seconds: float = 15) -> Answer:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s; last answer: {answer!r}"
        time.sleep(_POLL_SECONDS)
    return answer


def certificate(directory: Path, *addresses: str) -> None:
    """A key and a certificate that is its own authority, of loopback where no address is named."""
    names = ",".join(f"IP:{address}" for address in addresses or ("127.0.0.1",))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(directory / "tls.key"), "-out", str(directory / "tls.crt")]
    argv = ["openssl", "req", "-x509", *curve, *files, "-days", "2", "-subj", "/CN=stores", "-addext", f"subjectAltName={names}"]
    subprocess.run(argv, check=True, capture_output=True)


def free_port() -> int:
    """Each is given once, from a range of the test's own process that no client gets: nobody takes it before its server does."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports of the tests are taken")


def answers(port: int, host: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


class Process:
    """A server that can be stopped and started again."""

    stopped_by = signal.SIGTERM
    start_seconds: float = 15
    host = "127.0.0.1"
    # What it is begun by, as where it has a network of its own.
    enter: Sequence[str] = ()

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def argv(self) -> list[str]:
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        return {}

    def start(self) -> None:
        # Once: it writes the files that the server reads.
        argv = [*self.enter, *self.argv()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.options())
        wait_until(self.is_ready, f"answer of {argv[0]}: {self.log}", self.start_seconds)

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
        return answers(self.port, self.host)

    def end(self) -> None:
        """Nothing of it is left, whatever the test did."""
        if self.process:
            self.stop()

    def stop(self, how: signal.Signals | None = None) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how or self.stopped_by)
        return self.wait()

    def wait(self) -> int:
        """The exit status of a server that was told to stop."""
        assert self.process is not None
        status = self.process.wait(_GRACE_SECONDS)
        self.process = None
        return status


class PostgreSQL(Process):
    """PostgreSQL refuses to run as root, and waits for its clients to leave unless it is interrupted."""

    stopped_by = signal.SIGINT
    binaries = BINARIES

    def __init__(self, directory: Path, host: str = Process.host, enter: Sequence[str] = ()) -> None:
        super().__init__(directory)
        self.host, self.enter = host, enter
        self.data = directory / "data"
        self._user: dict[str, Any] = (
            {"user": _ACCOUNT, "group": pwd.getpwnam(_ACCOUNT).pw_gid, "extra_groups": ()} if os.geteuid() == 0 else {}
        )
        if self._user:
            for path in (directory, directory / "tls.key"):
                shutil.chown(path, _ACCOUNT)
        argv = ["initdb", f"--pgdata={self.data}", "--username=admin", "--auth=trust", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run([str(self.binaries / argv[0]), *argv[1:]], check=True, capture_output=True, cwd=directory, **self._user)
        # The superuser of the tests comes by the socket; everybody else needs a password.
        self.data.joinpath("pg_hba.conf").write_text("local all admin trust\nhostssl all all samenet scram-sha-256\n")

    def argv(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": self.directory,
            "fsync": "off",
            "max_prepared_transactions": 2,
            "wal_level": "logical",
            "ssl": "on",
            "ssl_cert_file": self.directory / "tls.crt",
            "ssl_key_file": self.directory / "tls.key",
        }
        return [str(self.binaries / "postgres"), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def options(self) -> dict[str, Any]:
        # Who enters another network is root until then.
        return {**({} if self.enter else self._user), "cwd": self.directory}

    def is_ready(self) -> bool:
        return (
            super().is_ready()
            and subprocess.run([*self.psql("postgres"), "--command=SELECT 1"], capture_output=True, check=False).returncode == 0
        )

    def psql(self, database: str) -> list[str]:
        """The command of a superuser's session."""
        where = [f"--host={self.directory}", f"--port={self.port}", "--username=admin", f"--dbname={database}"]
        options = ["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1"]
        return [str(BINARIES / "psql"), *options, *where]

    def sql(self, statement: str, database: str = "endpoint_stats") -> str:
        """What a statement of the superuser answers."""
        done = subprocess.run([*self.psql(database), f"--command={statement}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextlib.contextmanager
    def locked(self, table: str, database: str = "endpoint_stats") -> Iterator[None]:
        """Nobody else reads or writes a table."""
        argv = self.psql(database)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write(f"BEGIN;\nLOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\n\\echo held\n")
            session.stdin.flush()
            assert session.stdout.readline() == "held\n"
            yield
            session.stdin.close()

    @contextlib.contextmanager
    def repeated(self, statement: str) -> Iterator[None]:
        """A session that runs a statement a hundred times a second."""
        argv = self.psql("endpoint_stats")
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as session:
            assert session.stdin is not None
            session.stdin.write(f"{statement} \\watch 0.01\n")
            session.stdin.close()
            try:
                yield
            finally:
                session.terminate()


class Redis(Process):
    """Redis with the ACL that the application has in the cluster."""

    def argv(self) -> list[str]:
        acl = self.directory / "users.acl"
        digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
        acl.write_text(
            f"user default off ~* &* +@all\nuser admin on nopass ~* +@all\nuser api on #{digest} ~cache:* -@all +auth +ping +get +set\n"
        )
        settings = {
            "port": 0,
            "tls-port": self.port,
            "tls-cert-file": self.directory / "tls.crt",
            "tls-key-file": self.directory / "tls.key",
            "tls-auth-clients": "no",
            "bind": "127.0.0.1",
            "dir": self.directory,
            "aclfile": acl,
            "save": "",
        }
        return ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]

    def ask(self, *words: str) -> str:
        """What a command of the administrator answers."""
        tls = ["--tls", "--cacert", str(self.directory / "tls.crt")]
        argv = ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *tls, "--user", "admin", "--pass", "", "--no-auth-warning", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@dataclass
class Reply:
    """An answer of the API."""

    status: int
    headers: Message
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Api(Process):
    """The application, served by gunicorn."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        super().__init__(directory)
        directory.mkdir(exist_ok=True)
        self.environment = dict(environment)

    def argv(self) -> list[str]:
        return [str(python()), "-m", "endpoint_stats", "serve"]

    def options(self) -> dict[str, Any]:
        own = {"ENDPOINT_STATS_BIND": f"127.0.0.1:{self.port}", "PROMETHEUS_MULTIPROC_DIR": str(self.directory / "metrics")}
        return {"env": {**self.environment, **own}, "cwd": self.directory}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, document: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 20) -> Reply:
        body = None if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read().decode())

    def post(self, endpoint: str, **others: Any) -> Reply:
        return self.ask("/api/requests", {"endpoint": endpoint, "response_time": 12.5, "status": 200, **others})

    def logged(self) -> list[dict[str, Any]]:
        """Every line of the log; one that is not JSON is an error here."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@dataclass
class Stack:
    """The stores and the environment that leads to them."""

    directory: Path
    postgresql: PostgreSQL
    redis: Redis
    environment: dict[str, str] = field(default_factory=dict)

    def program(self, *arguments: str, account: str = "api", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `endpoint-stats` with the credentials of a database role."""
        environment = {**self.environment, "ENDPOINT_STATS_DATABASE_CREDENTIALS_DIR": str(self.directory / account)}
        argv = [str(python()), "-m", "endpoint_stats", *arguments]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def result(self, *arguments: str, account: str = "api") -> Any:
        """The line of JSON a command prints."""
        return json.loads(self.program(*arguments, account=account).stdout)

    def create_database(self) -> None:
        """An empty database with the roles of the cluster."""
        quoted = PASSWORD.replace("'", "''")
        self.postgresql.sql("DROP DATABASE IF EXISTS endpoint_stats WITH (FORCE)", "postgres")
        for role in ("owner", "api"):
            exists = f"SELECT FROM pg_roles WHERE rolname = '{role}'"
            self.postgresql.sql(
                f"DO $$ BEGIN IF NOT EXISTS ({exists}) THEN CREATE ROLE {role} LOGIN PASSWORD '{quoted}'; END IF; END $$", "postgres"
            )
        self.postgresql.sql("CREATE DATABASE endpoint_stats OWNER owner", "postgres")
        for grant in ("SELECT, INSERT ON TABLES", "USAGE ON SEQUENCES"):
            self.postgresql.sql(f"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT {grant} TO api")


@contextlib.contextmanager
def stack(host: str = Process.host, enter: Sequence[str] = ()) -> Iterator[Stack]:
    """Both stores running, and an empty database; PostgreSQL at another address where one is given."""
    install()
    with tempfile.TemporaryDirectory(prefix="endpoint-stats-") as temporary, contextlib.ExitStack() as cleanup:
        root = Path(temporary)
        root.chmod(0o755)
        for part in ("postgresql", "redis", "owner", "api"):
            (root / part).mkdir()
        for account in ("owner", "api"):
            (root / account / "username").write_text(account)
            (root / account / "password").write_text(PASSWORD + "\n", encoding="utf-8")
        certificate(root, *{Process.host, host})
        for store in ("postgresql", "redis"):
            for name in ("tls.crt", "tls.key"):
                shutil.copy(root / name, root / store)
        made = Stack(root, PostgreSQL(root / "postgresql", host, enter), Redis(root / "redis"))
        for server in (made.postgresql, made.redis):
            server.start()
            cleanup.callback(server.end)
        made.environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ENDPOINT_STATS_DATABASE_HOST": host,
            "ENDPOINT_STATS_DATABASE_PORT": str(made.postgresql.port),
            "ENDPOINT_STATS_DATABASE_CREDENTIALS_DIR": str(root / "api"),
            "ENDPOINT_STATS_CA_FILE": str(root / "tls.crt"),
            "ENDPOINT_STATS_REDIS_HOST": "127.0.0.1",
            "ENDPOINT_STATS_REDIS_PORT": str(made.redis.port),
            "ENDPOINT_STATS_REDIS_CREDENTIALS_DIR": str(root / "api"),
        }
        made.create_database()
        yield made
