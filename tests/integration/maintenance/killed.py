# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance that is killed: where, what that leaves, and what the next run makes of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from tests.integration import modules
from tests.integration.app import servers
from tests.integration.maintenance.database import Database, actions
from tests.integration.maintenance.redis_server import Serve, Served, everything, in_the_middle
from tests.integration.postgres import gate
from tests.integration.postgres.gate import Gate

Stop = Callable[[Path], AbstractContextManager[Gate]]
VIEW = "endpoint_daily_stats"
_FREE, _SAVE = (partial(gate.of_phase, name=name, module="redis_maintain") for name in ("free", "save"))
# Where redis_maintain is killed when it has deleted everything.
REDIS_STOPS: dict[str, Stop] = {
    "before memory is given back": _FREE,
    "before the save": _SAVE,
    "in the save": partial(gate.of_function, function="_redis.maintain:_Saving.begin", module="redis_maintain", after=True),
}
REDIS = ("in the sweep", *REDIS_STOPS)
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
_HELD = "SELECT count(*) FROM pg_locks WHERE relation = 'temp_stats'::regclass AND mode = 'AccessExclusiveLock' AND granted"
_KEYS, _OTHERS = 2_000, 1_000


def pg_killed(database: Database, room: Path, phase: str) -> None:
    """No row of the application is another, and what was not done is done by the next run."""
    database.sql("SET ROLE owner; CREATE TABLE temp_stats AS SELECT generate_series(1, 9000) AS x")
    database.spoil()
    content = _content(database)
    kill, done = PG[phase]
    kill(database, room)
    _finished(database, content, done)


def _before(database: Database, room: Path, phase: str) -> None:
    with gate.of_phase(room, phase, module="pg_maintain") as stopped:
        module = database.place.start("pg_maintain", _options(database), code=stopped.code)
        stopped.wait()
        module.kill()


def _in_the_drop(database: Database, room: Path) -> None:
    """It looks twice: when it plans, and behind the lock."""
    with gate.of_function(room, "_postgres.leftovers:find", module="pg_maintain") as stopped:
        module = database.place.start("pg_maintain", _options(database), code=stopped.code)
        stopped.wait()
        stopped.open()
        stopped.wait()
        assert database.sql(_HELD) == "1"
        module.kill()


def _while_it_waits(database: Database, _room: Path, obstacle: str) -> None:
    """In a statement, which the server then gives up."""
    with database.busy("owner", obstacle.format(partition=database.partition())):
        module = database.place.start("pg_maintain", _options(database))
        servers.wait_until(lambda: database.sql(_WAITING) == "1", "wait for the lock")
        module.kill()
        servers.wait_until(lambda: database.sql(_WAITING) == "0", "end of the wait")


def _options(database: Database) -> dict[str, Any]:
    return database.options(refresh=[VIEW], drop_leftovers=["temp_stats"], lock_budget_seconds=60)


def _content(database: Database) -> dict[str, str]:
    return {table: digest for table, digest in database.place.content().items() if table != "temp_stats"}


def _finished(database: Database, content: dict[str, str], done: set[str]) -> None:
    """What was done is done, what was not is done by the next run, and no row of the application is another."""
    partition = database.partition()
    database.place.await_nobody("maintenance")
    assert (database.exists("temp_stats"), database.dead_rows(partition) == 0) == ("drop" not in done, "vacuum" in done)
    result = database.maintain(refresh=[VIEW])
    assert [entry["table"] for entry in result["dropped"]] == ([] if "drop" in done else ["public.temp_stats"])
    assert (partition in actions(result), result["refreshed"][0]["rows_written"] > 0) == ("vacuum" not in done, "refresh" not in done)
    assert (database.exists("temp_stats"), database.dead_rows(partition), result["not_done"]) == (False, 0, [])
    assert database.maintain(refresh=[VIEW])["changed"] is False
    assert _content(database) == content


def redis_killed(serve: Serve, room: Path, phase: str) -> None:
    """Keys that no rule names stay; all others are gone after the next run, also after a restart."""
    # A save takes two seconds, so that it goes on when the module is killed.
    served = serve(save="3600 1000000", rdb_key_save_delay="2000")
    served.redis.fill("other:", _OTHERS)
    others = served.redis.keys()
    rules, progress = everything("cache:*"), str(room / "progress")
    if phase == "in the sweep":
        with in_the_middle(served, room, progress_path=progress) as (module, _stop):
            module.kill()
    else:
        served.redis.fill("cache:", _KEYS)
        with REDIS_STOPS[phase](room) as stopped:
            module = modules.start("redis_maintain", served.options(rules=rules, progress_path=progress), code=stopped.code)
            stopped.wait()
            module.kill()
    left = served.redis.count("cache:*")
    assert left == 0 if phase in REDIS_STOPS else 0 < left < _KEYS
    assert (served.redis.count("other:*"), "user=ops" in served.redis.ask("CLIENT", "LIST")) == (_OTHERS, False)
    _redis_finished(served, rules, left, others)


def _redis_finished(served: Served, rules: list[dict[str, Any]], left: int, others: list[str]) -> None:
    done = served.maintain(rules=rules)
    assert (done["deleted"], done["save"]["kind"], done["save"]["proven"]) == (left, "bgsave", True)
    again = served.maintain(rules=rules)
    assert (again["changed"], again["save"]["kind"]) == (False, "none")
    served.redis.stop(signal.SIGKILL)
    served.redis.start()
    servers.wait_until(lambda: served.redis.told("persistence", "loading") == "0", "end of loading")
    assert served.redis.keys() == others


# How pg_maintain is killed where, and what is done by then.
PG: dict[str, tuple[Callable[[Database, Path], None], set[str]]] = {
    "before the drop": (partial(_before, phase="drop"), set()),
    "in the drop": (_in_the_drop, set()),
    "before the refresh": (partial(_before, phase="refresh"), {"drop"}),
    "in the refresh": (partial(_while_it_waits, obstacle=f"REFRESH MATERIALIZED VIEW CONCURRENTLY {VIEW}"), {"drop"}),
    "before the vacuum": (partial(_before, phase="vacuum"), {"drop", "refresh"}),
    "in the vacuum": (
        partial(_while_it_waits, obstacle="LOCK TABLE {partition} IN SHARE UPDATE EXCLUSIVE MODE"),
        {"drop", "refresh"},
    ),
    "before the retry": (partial(_before, phase="retry"), {"drop", "refresh", "vacuum"}),
}
