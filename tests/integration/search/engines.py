# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Elasticsearch and a real OpenSearch as processes of the test, on free ports of the loopback interface."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import shutil
import ssl
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.integration.app import servers
from tests.integration.search import artifacts

HERE = Path(__file__).parent
PACKAGES = ("maven", "openjdk-17-jdk-headless", "openssl")
PASSWORD = 'Planted-search-Vq8xZ3-pässword"\\%41'
# Of that password, by the security plugin's own tool.
_PASSWORD_HASH = "$2y$12$cIUOey/ws27lfl.SFiYuEOphnDPvQfRNN9yc/O9UWhRYCLuNvBlui"
_HEAP = "512m"
_OPTIONS = (
    f"-Xms{_HEAP}",
    f"-Xmx{_HEAP}",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dlog4j2.disable.jmx=true",
)
# The disk of the machine that runs the tests is not what they are about.
_WATERMARKS = {"low": "3mb", "high": "2mb", "flood_stage": "1mb"}
_DISK = "cluster.routing.allocation.disk.watermark"
# What the documentation of the module says the account needs, and an account that lacks one of it.
ROLES = {
    "monitoring": {"cluster": ["cluster_monitor"], "indices": ["indices:monitor/settings/get", "indices:monitor/stats"]},
    "limited": {"cluster": ["cluster_monitor"], "indices": ["indices:monitor/stats"]},
}


def install() -> None:
    """Java's compiler and Maven; the servers themselves come by their lock files."""
    servers.install(PACKAGES)


def java(program: str) -> str:
    """A program of Debian's Java 17, which both engines run on, whatever else the machine has."""
    return str(next(iter(sorted(Path("/usr/lib/jvm").glob(f"java-17-openjdk-*/bin/{program}")))))


class Engine(servers.Process):
    """One node, with what the tests say to it as administrator."""

    start_seconds = 240
    name = ""
    account = ""
    scheme = "http"
    java_options: tuple[str, ...] = ()

    def __init__(self, directory: Path, **settings: Any) -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(directory)
        self.installed = artifacts.assembled(self.name, HERE / self.name / "artifacts.lock", self.sources(), self.build)
        self.config = directory / "config"
        self.config.mkdir()
        shutil.copy(HERE / "log4j2.properties", self.config)
        self.settings: dict[str, Any] = {
            "cluster.name": "search",
            "node.name": "node-1",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": servers.free_port(),
            "discovery.type": "single-node",
            "path.data": str(directory / "data"),
            "path.logs": str(directory / "logs"),
            # Asked for when it starts, and never again: a watermark that a test sets is not acted on behind its back.
            "cluster.info.update.interval": "1h",
            **{f"{_DISK}.{stage}": amount for stage, amount in _WATERMARKS.items()},
        }
        self.configure()
        self.settings = {name: value for name, value in {**self.settings, **settings}.items() if value is not None}
        lines = [f"{name}: {json.dumps(value)}\n" for name, value in self.settings.items()]
        (self.config / f"{self.name}.yml").write_text("".join(lines))

    @classmethod
    def sources(cls) -> list[Path]:
        return [Path(__file__), *(HERE / cls.name).glob("*.java")]

    @classmethod
    def build(cls, home: Path) -> None:
        """Compile what starts the node."""
        _compile(HERE / cls.name / "Node.java", home / "classes", home)

    def configure(self) -> None:
        """What one engine needs and the other does not."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def authority(self) -> str:
        return str(self.directory / "tls.crt") if self.scheme == "https" else ""

    def is_ready(self) -> bool:
        return super().is_ready() and self.answer("GET", "/")[0] == 200

    def credentials(self, name: str, password: str = PASSWORD) -> str:
        """A directory as a Secret is mounted; none for an engine without accounts."""
        if not self.account:
            return ""
        directory = self.directory / f"credentials-{name}-{len(password)}"
        directory.mkdir(exist_ok=True)
        (directory / "username").write_text(f"{name}\n")
        (directory / "password").write_text(f"{password}\n", encoding="utf-8")
        return str(directory)

    def answer(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """The status and the document of one answer; 0 while nobody answers."""
        headers = {"Content-Type": "application/json"}
        if self.account:
            headers["Authorization"] = f"Basic {base64.b64encode(f'{self.account}:{PASSWORD}'.encode()).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if self.authority:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=30, context=ssl.create_default_context(cafile=self.authority)
            )
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request(method, path, None if document is None else json.dumps(document).encode(), headers)
            reply = connection.getresponse()
            return reply.status, _document(reply.read())
        return 0, None

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """What has to succeed."""
        status, answer = self.answer(method, path, document)
        assert status in (200, 201), f"{method} {path}: {status} {answer}"
        return answer

    def set(self, **values: Any) -> None:
        """Settings of the cluster, their dots written as two underscores; None takes one back."""
        self.ask("PUT", "/_cluster/settings", {"persistent": {name.replace("__", "."): value for name, value in values.items()}})

    def set_watermarks(self, low: str, high: str, flood_stage: str) -> None:
        """All three, as the engine compares them with each other."""
        given = {"low": low, "high": high, "flood_stage": flood_stage}
        self.set(**{f"{_DISK}.{stage}": mark for stage, mark in given.items()})

    def create(self, index: str, **settings: Any) -> None:
        """An index, waiting for none of its shards."""
        given = {"number_of_replicas": 0, **{name.replace("__", "."): value for name, value in settings.items()}}
        self.ask("PUT", f"/{index}?wait_for_active_shards=0", {"settings": given})

    def restore(self) -> None:
        """Without the settings of a test and its indices."""
        persistent = self.ask("GET", "/_cluster/settings?flat_settings=true")["persistent"]
        if persistent:
            self.ask("PUT", "/_cluster/settings", {"persistent": dict.fromkeys(persistent)})
        for index in self.ask("GET", "/_cat/indices?format=json&h=index"):
            if not index["index"].startswith("."):
                self.ask("DELETE", f"/{index['index']}")

    def status(self, index: str) -> str:
        return str(self.ask("GET", f"/_cluster/health/{index}")["status"])


class Elasticsearch(Engine):
    """Without TLS and accounts, as its security module is not published."""

    name = "elasticsearch"

    @classmethod
    def build(cls, home: Path) -> None:
        super().build(home)
        netty = next((home / "modules" / "transport-netty4").glob("transport-netty4-*.jar"))
        with zipfile.ZipFile(netty) as archive:
            descriptor = archive.read("META-INF/es-plugins/transport-netty4/plugin-descriptor.properties").decode()
        version = netty.stem.removeprefix("transport-netty4-")
        # Without its modulename it is loaded from the class path, outside of Java's modules.
        kept = [line for line in descriptor.splitlines() if not line.startswith(("modulename", "#"))]
        netty.with_name("plugin-descriptor.properties").write_text("\n".join(kept) + "\n")
        module = home / "modules" / "small-modules"
        _compile(HERE / cls.name / "SmallModules.java", home / "small-modules", home)
        module.mkdir()
        subprocess.run([java("jar"), "cf", str(module / "small-modules.jar"), "-C", str(home / "small-modules"), "."], check=True)
        said = {"description": "small", "name": "small-modules", "classname": "search.SmallModules", "java.version": "17"}
        said.update({"version": version, "elasticsearch.version": version})
        (module / "plugin-descriptor.properties").write_text("".join(f"{name}={value}\n" for name, value in said.items()))

    def argv(self) -> list[str]:
        opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("nio", "io")]
        places = [f"-Des.path.home={self.directory}", f"-Des.path.conf={self.config}", "-Des.distribution.type=tar"]
        classes = f"{self.installed}/classes:{self.installed}/lib/*"
        return [
            java("java"),
            *_OPTIONS,
            *self.java_options,
            *opened,
            *places,
            "-cp",
            classes,
            "search.Node",
            str(self.directory),
            str(self.installed / "modules"),
        ]


class Forlorn(Elasticsearch):
    """A node that waits for another one to elect a master with, and has no C(GET /)."""

    java_options = ("-Dsearch.without.root=true",)

    def __init__(self, directory: Path) -> None:
        alone = {"discovery.type": None, "discovery.initial_state_timeout": "0s"}
        waiting = {"cluster.initial_master_nodes": ["node-1", "absent"], "discovery.seed_hosts": [f"127.0.0.1:{servers.free_port()}"]}
        super().__init__(directory, **alone, **waiting)

    def is_ready(self) -> bool:
        return servers.Process.is_ready(self) and self.answer("GET", "/_nodes/_local")[0] == 200


class OpenSearch(Engine):
    """With its security plugin: TLS, users, roles."""

    name = "opensearch"
    account = "admin"
    scheme = "https"

    @classmethod
    def build(cls, home: Path) -> None:
        super().build(home)
        packed = next((home / "plugins").glob("opensearch-security-*.zip"))
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(home / "plugins" / "opensearch-security")

    def configure(self) -> None:
        (self.directory / "plugins").mkdir()
        (self.directory / "plugins" / "opensearch-security").symlink_to(self.installed / "plugins" / "opensearch-security")
        servers.certificate(self.directory)
        for name in ("tls.key", "tls.crt"):
            shutil.copy(self.directory / name, self.config)
        security = "plugins.security"
        for layer in ("transport", "http"):
            files = {"pemcert_filepath": "tls.crt", "pemkey_filepath": "tls.key", "pemtrustedcas_filepath": "tls.crt"}
            self.settings.update({f"{security}.ssl.{layer}.{name}": file for name, file in files.items()})
        self.settings.update(
            {
                f"{security}.ssl.http.enabled": True,
                f"{security}.ssl.transport.enforce_hostname_verification": False,
                f"{security}.allow_default_init_securityindex": True,
                f"{security}.nodes_dn": ["CN=stores"],
                f"{security}.authcz.admin_dn": ["CN=nobody"],
                f"{_DISK}.enable_for_single_data_node": True,
            }
        )
        accounts = self.config / "opensearch-security"
        shutil.copytree(self.installed / "plugins" / "opensearch-security" / "config", accounts, ignore=shutil.ignore_patterns("*.example"))
        for file, document in _accounts().items():
            kind = file.replace("_", "")
            (accounts / f"{file}.yml").write_text(json.dumps({"_meta": {"type": kind, "config_version": 2}, **document}))

    def argv(self) -> list[str]:
        opened = "--add-opens=java.base/java.nio=ALL-UNNAMED"
        places = ["-Dopensearch.distribution.type=tar", f"-Dlog4j.configurationFile={self.config / 'log4j2.properties'}"]
        classes = f"{self.installed}/classes:{self.installed}/lib/*"
        return [java("java"), *_OPTIONS, *self.java_options, opened, *places, "-cp", classes, "search.Node", str(self.directory)]


def _accounts() -> dict[str, dict[str, Any]]:
    """The administrator of the tests, and the accounts the module asks with."""
    roles = {
        name: {
            "cluster_permissions": rights["cluster"],
            "index_permissions": [{"index_patterns": ["*"], "allowed_actions": rights["indices"]}],
        }
        for name, rights in ROLES.items()
    }
    users: Mapping[str, Any] = {name: {"hash": _PASSWORD_HASH} for name in ("admin", *ROLES)}
    mapping = {"all_access": {"users": ["admin"]}, **{name: {"users": [name]} for name in ROLES}}
    return {"internal_users": dict(users), "roles": roles, "roles_mapping": mapping}


def _document(body: bytes) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(body)
    return body.decode(errors="replace")


def _compile(source: Path, classes: Path, home: Path) -> None:
    subprocess.run([java("javac"), "-cp", f"{home}/lib/*", "-d", str(classes), str(source)], check=True, capture_output=True)
