# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to Redis: credentials from files, the server's name and certificate checked, every wait bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .._tls import credentials

with declare("redis", minimum="5.0"):
    import redis
    import redis.backoff
    import redis.retry


@dataclass(frozen=True)
class Server:
    """Where Redis is and who connects; an empty C(ca_file) means no TLS, for servers on loopback."""

    host: str
    port: int
    credentials_dir: str
    ca_file: str
    timeout_seconds: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class NoConnectionError(OpsError):
    """No connection; C(down) tells a server that does not serve from one that does not let us in."""

    def __init__(self, server: Server, cause: str, *, down: bool) -> None:
        remedy = "" if down else "Check the credentials that are mounted and the user's rules (ACL)."
        super().__init__("Redis does not let us connect", where=server.address, cause=cause, remedy=remedy)
        self.down = down


@contextmanager
def connected(server: Server, *, decode: bool = True) -> Iterator[Any]:
    """A client that gives text, or bytes where keys may be anything, and does not try twice."""
    who = credentials(server.credentials_dir)
    secure = (
        {"ssl": True, "ssl_ca_certs": server.ca_file, "ssl_cert_reqs": "required", "ssl_check_hostname": True} if server.ca_file else {}
    )
    client = redis.Redis(
        host=server.host,
        port=server.port,
        username=who.username,
        password=who.password,
        socket_connect_timeout=server.timeout_seconds,
        socket_timeout=server.timeout_seconds,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        decode_responses=decode,
        protocol=2,
        **secure,
    )
    try:
        with refusals(server):
            yield client
    finally:
        client.close()


@contextmanager
def refusals(server: Server) -> Iterator[None]:
    """What the client raises becomes an error of ours, for whoever goes on after one."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise NoConnectionError(server, str(error), down=False) from error
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise NoConnectionError(server, str(error), down=True) from error
    except redis.RedisError as error:
        raise OpsError("Redis refused a command", where=server.address, cause=str(error)) from error
