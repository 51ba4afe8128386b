# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings, all of them from the environment, and credentials, from files that are read for every new connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from endpoint_stats.logs import LEVELS, conceal
from endpoint_stats.periods import Tier

PREFIX = "ENDPOINT_STATS_"
_SECRETS = "/run/secrets/endpoint-stats"


class SettingsError(Exception):
    """A setting that cannot be used, by the name it was given under."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"{name}: {reason}")


@dataclass(frozen=True)
class Credentials:
    """A directory with the files `username` and `password`; a rotated Secret is used by the next connection."""

    directory: Path

    def read(self) -> tuple[str, str]:
        username = (self.directory / "username").read_text(encoding="utf-8").strip()
        password = (self.directory / "password").read_text(encoding="utf-8").strip()
        conceal(password)
        return username, password


@dataclass(frozen=True)
class StoreSettings:
    """Where one store is and how many connections a pod may hold to it."""

    host: str
    port: int
    credentials: Credentials
    ca_file: str
    pool_minimum: int
    pool_maximum: int

    def share(self, workers: int) -> tuple[int, int]:
        """Smallest and largest pool of one of the pod's worker processes: all together they hold what the pod may hold."""
        maximum = self.pool_maximum // workers
        return min(-(-self.pool_minimum // workers), maximum), maximum


@dataclass(frozen=True)
class ServerSettings:
    """How gunicorn serves."""

    bind: str
    workers: int
    threads: int
    keepalive_seconds: int
    timeout_seconds: int
    graceful_timeout_seconds: int


@dataclass(frozen=True)
class Settings:
    """Everything that can be set."""

    database: StoreSettings
    database_name: str
    redis: StoreSettings
    ttl_seconds: Mapping[Tier, int]
    server: ServerSettings
    log_level: str


class _Environment:
    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str) -> str:
        return self._values.get(PREFIX + name, "") or default

    def number(self, name: str, default: int, *, minimum: int = 0, maximum: int = 1_000_000) -> int:
        given = self.text(name, str(default))
        if not given.isascii() or not given.isdigit():
            raise SettingsError(PREFIX + name, f"is {given!r}, a whole number is needed")
        if not minimum <= int(given) <= maximum:
            raise SettingsError(PREFIX + name, f"is {given}, it has to be from {minimum} to {maximum}")
        return int(given)

    def store(self, name: str, port: int, directory: str, pool: tuple[int, int], workers: int) -> StoreSettings:
        minimum, maximum = (self.number(f"{name}_POOL_{end}", size) for end, size in zip(("MINIMUM", "MAXIMUM"), pool, strict=True))
        if minimum > maximum:
            raise SettingsError(f"{PREFIX}{name}_POOL_MINIMUM", f"is {minimum}, more than the maximum of {maximum}")
        if maximum < workers:
            raise SettingsError(f"{PREFIX}{name}_POOL_MAXIMUM", f"is {maximum}, each of the {workers} workers needs a connection")
        return StoreSettings(
            host=self.text(f"{name}_HOST", "localhost"),
            port=self.number(f"{name}_PORT", port, minimum=1, maximum=65535),
            credentials=Credentials(Path(self.text(f"{name}_CREDENTIALS_DIR", f"{_SECRETS}/{directory}"))),
            ca_file=self.text("CA_FILE", ""),
            pool_minimum=minimum,
            pool_maximum=maximum,
        )


def from_environment(values: Mapping[str, str]) -> Settings:
    """The settings; the first one that cannot be used is refused by name."""
    environment = _Environment(values)
    workers = environment.number("WORKERS", 2, minimum=1, maximum=64)
    log_level = environment.text("LOG_LEVEL", "INFO").upper()
    if log_level not in LEVELS:
        raise SettingsError(f"{PREFIX}LOG_LEVEL", f"is {log_level!r}, there are {', '.join(LEVELS)}")
    return Settings(
        database=environment.store("DATABASE", 5432, "postgresql", (5, 20), workers),
        database_name=environment.text("DATABASE_NAME", "endpoint_stats"),
        redis=environment.store("REDIS", 6379, "redis", (2, 10), workers),
        ttl_seconds={
            "short": environment.number("CACHE_TTL_SHORT_SECONDS", 60, minimum=1),
            "medium": environment.number("CACHE_TTL_MEDIUM_SECONDS", 1800, minimum=1),
            "long": environment.number("CACHE_TTL_LONG_SECONDS", 43200, minimum=1),
        },
        server=ServerSettings(
            bind=environment.text("BIND", "0.0.0.0:5000"),
            workers=workers,
            threads=environment.number("THREADS", 4, minimum=1, maximum=256),
            # Longer than the 90 s for which a proxy keeps an idle connection, so that it is never the server that ends one.
            keepalive_seconds=environment.number("KEEPALIVE_SECONDS", 95),
            timeout_seconds=environment.number("TIMEOUT_SECONDS", 30, minimum=1),
            graceful_timeout_seconds=environment.number("GRACEFUL_TIMEOUT_SECONDS", 25, minimum=1),
        ),
        log_level=log_level,
    )
