# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load for the lab: calls at a rate that does not wait for answers, and a canary stream beside them."""

from __future__ import annotations

import json
import queue
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, Literal

from endpoint_stats.canary import State
from endpoint_stats.client import NO_ANSWER, Client, Target
from endpoint_stats.validation import CANARY

Mode = Literal["steady", "spike"]

_PATH = "/api/requests"
_SPIKE = (0.4, 0.6)
_PROGRESS_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 2.0
_KEPT_LATENCIES = 100_000
_STATUSES = (200, 404, 500)
_STATUS_WEIGHTS = (95, 3, 2)


class LoadError(Exception):
    """The load cannot go on."""


@dataclass(frozen=True)
class Plan:
    """What to send."""

    target: Target
    rate: float
    duration_seconds: float
    mode: Mode = "steady"
    spike_factor: float = 5.0
    connections: int = 16
    endpoints: int = 20
    reads: float = 0.1
    canary_rate: float = 2.0
    seed: int | None = None

    def highest_rate(self) -> float:
        """Calls a second in a spike."""
        return self.rate * self.spike_factor if self.mode == "spike" else self.rate

    def rate_at(self, elapsed_seconds: float) -> float:
        """Calls a second at a moment; a spike is the middle fifth of the time."""
        begin, end = (share * self.duration_seconds for share in _SPIKE)
        return self.highest_rate() if begin <= elapsed_seconds < end else self.rate


@dataclass
class Tally:
    """What happened to the calls."""

    sent: int = 0
    shed: int = 0
    no_answer: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, status: int, seconds: float) -> None:
        with self.lock:
            self.statuses[status] += 1
            if len(self.latencies) < _KEPT_LATENCIES:
                self.latencies.append(seconds)
            else:
                # Every answer has the same chance to be among those kept.
                place = random.randrange(self.statuses.total())  # noqa: S311 - no secret
                if place < _KEPT_LATENCIES:
                    self.latencies[place] = seconds

    def lost(self) -> None:
        with self.lock:
            self.no_answer += 1

    @property
    def succeeded(self) -> int:
        return sum(count for status, count in self.statuses.items() if status < 400)

    def latency_ms(self) -> dict[str, float | None]:
        with self.lock:
            kept = list(self.latencies)
        if len(kept) < 2:
            return {"p50": None, "p95": None, "p99": None}
        cuts = quantiles(kept, n=100)
        return {f"p{share}": round(cuts[share - 1] * 1000, 1) for share in (50, 95, 99)}


class Canary:
    """Posts the numbers of a stream one after the other, each until it is acknowledged."""

    def __init__(self, target: Target, state: State, rate: float) -> None:
        self._client = target.client()
        self._state = state
        self._interval = 1 / rate
        self.retries = 0
        self.longest_gap_seconds = 0.0
        self._last = time.monotonic()

    @property
    def acknowledged(self) -> int:
        return self._state.acknowledged

    def gap_seconds(self) -> float:
        """Time since the last number was acknowledged."""
        return time.monotonic() - self._last

    def run(self, stop: threading.Event) -> None:
        pause = self._interval
        while not stop.wait(pause):
            number = self._state.acknowledged + 1
            if self._post(number):
                self._state.record(number)
                self.longest_gap_seconds = max(self.longest_gap_seconds, self.gap_seconds())
                self._last = time.monotonic()
                pause = self._interval
            else:
                self.retries += 1
                pause = min(max(pause, 0.1) * 2, _LONGEST_PAUSE_SECONDS)
        self.longest_gap_seconds = max(self.longest_gap_seconds, self.gap_seconds())
        self._client.close()

    def _post(self, number: int) -> bool:
        document = {"endpoint": CANARY + self._state.stream, "response_time": 1, "status": 200, "number": number}
        try:
            status, answer = self._client.post(_PATH, document)
        except NO_ANSWER:
            return False
        if status == 400:
            raise LoadError(f"the API refused a canary row: {answer}")
        return status == 201

    def document(self) -> dict[str, Any]:
        return {
            "stream": self._state.stream,
            "acknowledged": self.acknowledged,
            "retries": self.retries,
            "longest_gap_seconds": round(self.longest_gap_seconds, 3),
        }


def schedule(plan: Plan) -> Iterator[float]:
    """When each call is due, in seconds from the start."""
    due = 0.0
    while due < plan.duration_seconds:
        yield due
        due += 1 / plan.rate_at(due)


class Load:
    """One run."""

    def __init__(self, plan: Plan, state: State | None) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - no secret
        self._tally = Tally()
        # A call that nobody takes within a second is shed: late calls would measure the generator.
        self._due: queue.Queue[dict[str, Any] | str | None] = queue.Queue(maxsize=max(plan.connections, int(plan.highest_rate())))
        self._stored: set[str] = set()
        self._canary = Canary(plan.target, state, plan.canary_rate) if state else None
        self._failure: BaseException | None = None
        self._started = time.monotonic()

    def run(self, stop: threading.Event) -> dict[str, Any]:
        """Send until the time is over or `stop` is set; the result."""
        self._started = time.monotonic()
        canary_stop = threading.Event()
        senders = [threading.Thread(target=self._guarded, args=(self._send, stop), daemon=True) for _ in range(self._plan.connections)]
        others = [threading.Thread(target=self._guarded, args=(self._report, canary_stop), daemon=True)]
        if self._canary:
            others.append(threading.Thread(target=self._guarded, args=(self._canary.run, canary_stop), daemon=True))
        for thread in (*senders, *others):
            thread.start()
        self._emit(stop)
        for _ in senders:
            self._due.put(None)
        for thread in senders:
            thread.join()
        canary_stop.set()
        for thread in others:
            thread.join()
        if self._failure:
            raise self._failure
        return self.result()

    def _guarded(self, work: Any, stop: threading.Event) -> None:
        try:
            work(stop)
        except Exception as error:
            self._failure = error

    def _emit(self, stop: threading.Event) -> None:
        if self._plan.rate == 0:
            stop.wait(self._plan.duration_seconds)
            return
        for due in schedule(self._plan):
            ahead = self._started + due - time.monotonic()
            if (ahead > 0 and stop.wait(ahead)) or stop.is_set() or self._failure:
                return
            self._tally.sent += 1
            try:
                self._due.put_nowait(self._call())
            except queue.Full:
                self._tally.shed += 1

    def _call(self) -> dict[str, Any] | str:
        """A call to record, or now and then a question about one that is stored; few endpoints get most of them."""
        endpoint = f"/load/endpoint-{int(self._random.paretovariate(1.2)) % self._plan.endpoints}"
        if self._random.random() < self._plan.reads and endpoint in self._stored:
            return f"/api/endpoint-stats{endpoint}"
        return {
            "endpoint": endpoint,
            "response_time": round(self._random.lognormvariate(4, 0.7), 3),
            "status": self._random.choices(_STATUSES, _STATUS_WEIGHTS)[0],
        }

    def _send(self, _stop: threading.Event) -> None:
        client = self._plan.target.client()
        while (call := self._due.get()) is not None:
            begun = time.monotonic()
            try:
                status = self._ask(client, call)
            except NO_ANSWER:
                self._tally.lost()
            else:
                self._tally.answered(status, time.monotonic() - begun)
        client.close()

    def _ask(self, client: Client, call: dict[str, Any] | str) -> int:
        if isinstance(call, str):
            return client.get(call)[0]
        status, _ = client.post(_PATH, call)
        if status == 201:
            self._stored.add(call["endpoint"])
        return status

    def _report(self, stop: threading.Event) -> None:
        while not stop.wait(_PROGRESS_SECONDS):
            print(self.progress(), file=sys.stderr, flush=True)

    def progress(self) -> str:
        """One line for who watches."""
        tally = self._tally
        words = [
            f"{time.monotonic() - self._started:.0f} s of {self._plan.duration_seconds:.0f} s: {tally.sent} sent",
            f"{tally.succeeded} succeeded",
            f"{tally.statuses.total() - tally.succeeded} refused, {tally.no_answer} without answer, {tally.shed} shed",
            f"p95 {tally.latency_ms()['p95']} ms",
        ]
        if self._canary:
            words.append(f"canary {self._canary.acknowledged}, {self._canary.gap_seconds():.1f} s ago")
        return "; ".join(words)

    def result(self) -> dict[str, Any]:
        """What happened, as a document."""
        tally = self._tally
        return {
            "command": "load",
            "mode": self._plan.mode,
            "seconds": round(time.monotonic() - self._started, 3),
            "sent": tally.sent,
            "succeeded": tally.succeeded,
            "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
            "no_answer": tally.no_answer,
            "shed": tally.shed,
            "latency_ms": tally.latency_ms(),
            "canary": self._canary.document() if self._canary else None,
        }


def printed(document: dict[str, Any]) -> None:
    """The result of a command: one line of JSON."""
    print(json.dumps(document), flush=True)
