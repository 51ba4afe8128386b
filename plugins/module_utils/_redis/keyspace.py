# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a server, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .connection import Server, refusals
from .rules import Rule

# What the rule says is asked again at the moment of deletion, so that a key which is read in between stays.
_DELETE = """
local idle, ttl, room, predict = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local chosen = {}
for position, key in ipairs(KEYS) do
  if #chosen == room then break end
  local left = redis.call('PTTL', key)
  if left ~= -2 and (ttl == 'any' or (ttl == 'set') == (left ~= -1))
      and (idle == 0 or redis.call('OBJECT', 'IDLETIME', key) >= idle)
      and (predict or redis.call('UNLINK', key) == 1) then
    chosen[#chosen + 1] = position
  end
end
return chosen
"""


@dataclass(frozen=True)
class Page:
    """Some keys, the place to go on at, and which start of the server that place is of."""

    run_id: str
    cursor: int
    keys: Sequence[bytes]


class Keyspace(Protocol):
    """What sweeping needs of a server; a connection that is lost is a NoConnectionError."""

    def run_id(self) -> str: ...
    def page(self, cursor: int, count: int) -> Page: ...
    def delete(self, keys: Sequence[bytes], rule: Rule, room: int, *, predict: bool) -> list[int]: ...


class RedisKeyspace:
    """Database 0 of a server."""

    def __init__(self, client: Any, server: Server) -> None:
        self._client = client
        self._server = server

    def run_id(self) -> str:
        with refusals(self._server):
            return str(self._client.info("server")["run_id"])

    def page(self, cursor: int, count: int) -> Page:
        """Asked in one go on one connection: the answer is of the server that says its run_id, whoever reconnects on the way."""
        with refusals(self._server):
            asked = self._client.pipeline(transaction=False).info("server").scan(cursor, count=count)
            info, (following, keys) = asked.execute()
        return Page(str(info["run_id"]), following, keys)

    def delete(self, keys: Sequence[bytes], rule: Rule, room: int, *, predict: bool) -> list[int]:
        """Places in `keys` of those that went, or would, counted from 1."""
        with refusals(self._server):
            arguments = (rule.idle_seconds_minimum, rule.ttl, room, int(predict))
            return list(self._client.eval(_DELETE, len(keys), *keys, *arguments))
