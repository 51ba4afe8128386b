# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis as the stack has it, and the module as the user of the stack that maintains it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration import modules
from tests.integration.app import servers
from tests.integration.postgres import gate
from tools.venv import ROOT

# RESTORE is the way to keys that nobody has used for a time.
FILL = """
redis.call('SET', 'seed', 'value')
local payload = redis.call('DUMP', 'seed')
redis.call('DEL', 'seed')
for number = 1, tonumber(ARGV[2]) do
  redis.call('RESTORE', ARGV[1] .. number .. (ARGV[5] or ''), ARGV[4], payload, 'IDLETIME', ARGV[3])
end
"""


class Redis(servers.Redis):
    """Redis with the users exactly as the stack has them, and an administrator for the test."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        super().__init__(directory)
        self.settings = settings

    def argv(self) -> list[str]:
        argv = super().argv()
        template = (ROOT / "roles" / "app_stack" / "templates" / "users.acl.j2").read_text()
        rules = re.sub(r"\{[%#].*?[%#]\}\n", "", template)
        rules = re.sub(r"\{\{.*?\}\}", hashlib.sha256(servers.PASSWORD.encode()).hexdigest(), rules)
        (self.directory / "users.acl").write_text(f"{rules}user admin on nopass ~* &* +@all\n")
        return [*argv, *(word for name, value in self.settings.items() for word in (f"--{name}", value))]

    def fill(self, prefix: str, count: int, *, idle: int = 0, ttl_seconds: int = 0, suffix: str = "") -> None:
        self.ask("EVAL", FILL, "0", prefix, str(count), str(idle), str(1000 * ttl_seconds), suffix)

    def count(self, glob: str) -> int:
        return int(self.ask("EVAL", "return #redis.call('KEYS', ARGV[1])", "0", glob))

    def keys(self) -> list[str]:
        return sorted(self.ask("KEYS", "*").splitlines())

    def told(self, section: str, name: str) -> str:
        """What INFO says."""
        return dict(line.split(":", 1) for line in self.ask("INFO", section).splitlines() if ":" in line)[name].strip()


@dataclass(frozen=True)
class Served:
    """A server, and the options by which the module reaches it."""

    redis: Redis
    reached: dict[str, Any]

    def options(self, **changes: Any) -> dict[str, Any]:
        return {**self.reached, **changes}

    def maintain(self, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        return modules.run("redis_maintain", self.options(**changes), check=check)


Serve = Callable[..., Served]


def everything(*globs: str) -> list[dict[str, Any]]:
    return [{"match": glob} for glob in globs]


@contextmanager
def in_the_middle(served: Served, room: Path, **options: Any) -> Iterator[tuple[modules.Running, gate.Gate]]:
    """A module that has deleted 300 of 2000 keys, and stands before its fourth page."""
    served.redis.fill("cache:", 2_000)
    changed = served.options(rules=everything("cache:*"), page_size=100, **options)
    with gate.of_function(room, "_redis.keyspace:RedisKeyspace.page", module="redis_maintain") as stop:
        module = modules.start("redis_maintain", changed, code=stop.code)
        try:
            for _page in range(3):
                stop.wait()
                stop.open()
            stop.wait()
            assert 1_500 < served.redis.count("cache:*") < 2_000
            yield module, stop
        finally:
            module.kill()
