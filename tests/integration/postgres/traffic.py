# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a database that come back whenever they are thrown out. Run with the application's own interpreter; the arguments are those
of a connection, as JSON. It says C(ready) when each client was served, ends when its standard input does, and prints what they saw."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

_PAUSE_SECONDS = 0.005
# One statement, so that both numbers are of one moment.
_READ = "SELECT (SELECT count(*) FROM endpoints), (SELECT count(*) FROM requests WHERE number <= 3000)"
_WRITE = "INSERT INTO requests (timestamp, endpoint, response_time, status, number) VALUES (now(), '/api/1', 1, 200, %s)"


class Client:
    """One of them; C(gap_seconds) is the longest time between two answers."""

    def __init__(self, where: dict[str, Any], ask: Callable[[Any, int], Any]) -> None:
        self.where = where
        self.ask = ask
        self.answers: list[Any] = []
        self.gap_seconds = 0.0
        self.refused: dict[str, int] = {}
        self.stopped = False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        last = time.monotonic()
        while not self.stopped:
            try:
                with psycopg.connect(**self.where, autocommit=True, connect_timeout=5) as connection:
                    while not self.stopped:
                        self.answers.append(self.ask(connection, len(self.answers)))
                        now = time.monotonic()
                        self.gap_seconds, last = max(self.gap_seconds, now - last), now
                        time.sleep(_PAUSE_SECONDS)
            except psycopg.Error as error:
                why = error.sqlstate or " ".join(str(error).rsplit("FATAL:", 1)[-1].split())
                self.refused[why] = self.refused.get(why, 0) + 1


def read(connection: Any, _number: int) -> tuple[int, int]:
    found: tuple[int, int] = connection.execute(_READ).fetchone()
    return found


def write(connection: Any, number: int) -> int:
    connection.execute(_WRITE, (100_000 + number,))
    return number


def main() -> None:
    where = json.loads(sys.argv[1])
    clients = {"readers": [Client(where, read) for _ in range(6)], "writer": [Client(where, write)]}
    everybody = [client for group in clients.values() for client in group]
    for client in everybody:
        client.thread.start()
    while not all(client.answers for client in everybody):
        time.sleep(_PAUSE_SECONDS)
    print("ready", flush=True)
    sys.stdin.read()
    for client in everybody:
        client.stopped = True
    for client in everybody:
        client.thread.join()
    said = {
        "seen": sorted({tuple(answer) for client in clients["readers"] for answer in client.answers}),
        "written": len(clients["writer"][0].answers),
        "gap_seconds": max(client.gap_seconds for client in everybody),
        "refused": [client.refused for client in everybody],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
