# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP interface."""

from __future__ import annotations

import logging
import time
import uuid
from contextvars import Token
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request
from sqlalchemy import Engine
from werkzeug import Response as BaseResponse
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from endpoint_stats import database, metrics, queries, validation
from endpoint_stats.cache import UNAVAILABLE as CACHE_UNAVAILABLE
from endpoint_stats.cache import Answer, Cache
from endpoint_stats.canary import Stored
from endpoint_stats.health import Health
from endpoint_stats.logs import REQUEST, timestamp
from endpoint_stats.periods import DEFAULT, PERIODS, Period
from endpoint_stats.settings import Settings

_LARGEST_BODY = 16 * 1024
_RETRY_AFTER_SECONDS = 2
_SLOW_SECONDS = 1.0
_LONGEST_LOGGED_PATH = 256
_LARGEST_NUMBER = 2**63 - 2
# Asked by machines every few seconds: they are no traffic, neither in the error rate nor in the log.
_PROBES = ("/health", "/live", "/ready", "/metrics")
_log = logging.getLogger(__name__)

Answered = BaseResponse | tuple[Response, int] | tuple[Response, int, dict[str, str]]


@dataclass
class Services:
    """What the requests of one worker share."""

    engine: Engine
    cache: Cache
    health: Health
    ready: bool = False


def create_app(settings: Settings) -> Flask:
    """The application of one worker process."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY
    engine = database.pooled(settings)
    cache = Cache(settings)
    app.extensions["services"] = Services(engine, cache, Health(engine, cache))
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_leave)
    app.register_error_handler(Exception, _failed)
    app.add_url_rule("/api/requests", view_func=record, methods=["POST"])
    app.add_url_rule("/api/endpoint-stats/<path:endpoint>", view_func=endpoint_stats)
    app.add_url_rule("/api/stats", view_func=stats)
    app.add_url_rule("/api/canary/<stream>", view_func=canary)
    app.add_url_rule("/health", view_func=health)
    app.add_url_rule("/live", view_func=live)
    app.add_url_rule("/ready", view_func=ready)
    app.add_url_rule("/metrics", view_func=exposition)
    routes = {rule.rule: 201 if "POST" in (rule.methods or ()) else 200 for rule in app.url_map.iter_rules() if rule.rule not in _PROBES}
    metrics.prepare(routes, settings)
    _warm(app.extensions["services"], settings)
    return app


def _warm(services: Services, settings: Settings) -> None:
    """A store that is down when a worker starts is asked again by the first request."""
    try:
        database.warm(services.engine, settings.database.share(settings.server.workers)[0])
    except database.UNAVAILABLE as error:
        _log.warning("postgresql does not answer yet: %s", database.reason(error), extra={"category": "application"})
    try:
        services.cache.warm()
    except CACHE_UNAVAILABLE as error:
        _log.warning("redis does not answer yet: %s", database.reason(error), extra={"category": "application"})
    metrics.pools(services.engine, services.cache.pool)


def _services() -> Services:
    found: Services = current_app.extensions["services"]
    return found


def _begin() -> None:
    g.begun = time.perf_counter()
    g.request_id = validation.request_id(request.headers.get("X-Request-ID")) or uuid.uuid4().hex
    context = {
        "request_id": g.request_id,
        "user_id": validation.request_id(request.headers.get("X-User-ID")),
        "endpoint": request.url_rule.rule if request.url_rule else None,
    }
    g.context_token = REQUEST.set(context)


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.begun
    response.headers["X-Request-ID"] = g.request_id
    response.headers.setdefault("Cache-Control", "no-store")
    rule = request.url_rule.rule if request.url_rule else metrics.UNMATCHED
    status = response.status_code
    if rule not in _PROBES:
        metrics.REQUESTS.labels(rule, str(status)).inc()
        metrics.DURATION.labels(rule).observe(seconds)
    metrics.pools(_services().engine, _services().cache.pool)
    slow = seconds > _SLOW_SECONDS
    level = logging.ERROR if status >= 500 else logging.WARNING if slow else logging.DEBUG if rule in _PROBES else logging.INFO
    _log.log(
        level,
        "%s %s %d",
        request.method,
        request.path[:_LONGEST_LOGGED_PATH],
        status,
        extra={
            "category": "performance" if slow and status < 500 else "application",
            "metrics": {"duration_ms": round(seconds * 1000, 1), "status_code": status},
        },
    )
    return response


def _leave(_error: BaseException | None) -> None:
    token: Token[Any] | None = g.pop("context_token", None)
    if token is not None:
        REQUEST.reset(token)


def _refusal(status: int, reason: str, *, field: str | None = None) -> tuple[Response, int]:
    error = {"reason": reason} if field is None else {"field": field, "reason": reason}
    return jsonify(error=error, request_id=g.request_id), status


def _failed(error: Exception) -> Answered:
    if isinstance(error, validation.InvalidError):
        return _refusal(400, error.reason, field=error.field)
    if isinstance(error, RequestEntityTooLarge):
        return _refusal(413, f"at most {_LARGEST_BODY} bytes are accepted", field="body")
    if isinstance(error, HTTPException):
        # Flask answers with a redirection by raising it.
        if error.response is not None or error.code is None or error.code < 400:
            return error.get_response()
        refusal, status = _refusal(error.code, error.name)
        return refusal, status, {"Allow": ", ".join(error.valid_methods or ())} if isinstance(error, MethodNotAllowed) else {}
    if isinstance(error, database.UNAVAILABLE) and not isinstance(error, database.REFUSED):
        metrics.STORE_ERRORS.labels("postgresql").inc()
        _log.error("postgresql does not answer: %s", database.reason(error), extra={"category": "application"})
        response, status = _refusal(503, "the database does not answer")
        return response, status, {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    _log.error("a request failed", exc_info=error, extra={"category": "application"})
    return _refusal(500, "internal error")


def record() -> Answered:
    """POST /api/requests."""
    document = request.get_json(force=True, silent=True)
    call = validation.call(document, datetime.now(UTC))
    number, moment = queries.record(_services().engine, call)
    return jsonify(id=number, endpoint=call.endpoint, timestamp=timestamp(moment)), 201


def _period() -> Period:
    name = request.args.get("period", DEFAULT)
    if name not in PERIODS:
        raise validation.InvalidError("period", f"there are {', '.join(PERIODS)}")
    return PERIODS[name]


def _about(period: Period, now: datetime) -> dict[str, str]:
    return {"period": period.name, "since": timestamp(period.since(now)), "until": timestamp(now)}


def _cached(answer: Answer) -> Response:
    response = jsonify(answer.document)
    response.headers["Cache-Control"] = f"public, max-age={answer.seconds_left}"
    response.headers["X-Cache"] = answer.result
    return response


class _NeverCalledError(Exception):
    """What is not there is not kept: the next call may bring it."""


def endpoint_stats(endpoint: str) -> Answered:
    """GET /api/endpoint-stats/<endpoint>."""
    name = validation.endpoint_name(endpoint)
    period = _period()

    def compute() -> dict[str, Any]:
        now = datetime.now(UTC)
        found = queries.of_endpoint(_services().engine, name, period, now)
        if found is None:
            raise _NeverCalledError
        return {"endpoint": name, **_about(period, now), **found}

    try:
        return _cached(_services().cache.fetch(f"cache:endpoint-stats:{period.name}:{name}", period.tier, compute))
    except _NeverCalledError:
        return _refusal(404, "was never called", field="endpoint")


def stats() -> Answered:
    """GET /api/stats."""
    period = _period()

    def compute() -> dict[str, Any]:
        now = datetime.now(UTC)
        return {**_about(period, now), **queries.of_all(_services().engine, period, now)}

    return _cached(_services().cache.fetch(f"cache:stats:{period.name}", period.tier, compute))


def _bound(name: str) -> int | None:
    given = request.args.get(name)
    if given is None:
        return None
    # isdigit() would take digits that int() does not.
    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 20 else None
    return validation.whole_number(name, number, 1, _LARGEST_NUMBER)


def canary(stream: str) -> Answered:
    """GET /api/canary/<stream>: which numbers are stored, from `first` (1) to `last` (the largest there is)."""
    name = validation.CANARY + validation.stream_name(stream)
    engine = _services().engine
    first = _bound("first") or 1
    last = _bound("last") or queries.largest(engine, name)
    if last < first:
        return jsonify(stream=stream, first=first, last=last, **Stored.none().document())
    return jsonify(stream=stream, first=first, last=last, **queries.canary(engine, name, first, last).document())


def health() -> Answered:
    """GET /health: both stores."""
    healthy, document = _services().health.look()
    return jsonify(document), 200 if healthy else 503


def live() -> Answered:
    """GET /live: this process answers; no store is asked."""
    return jsonify(status="ok")


def ready() -> Answered:
    """GET /ready: whether this release works with this database, found out once.

    A store that is lost later does not make the pod unready: all pods would leave the service at the same time, and
    with them what the cache still knows.
    """
    services = _services()
    if not services.ready:
        try:
            queries.compatible(services.engine)
        except database.UNAVAILABLE as error:
            return _refusal(503, f"postgresql: {database.reason(error)}")
        services.ready = True
    return jsonify(status="ok")


def exposition() -> Answered:
    """GET /metrics."""
    metrics.pools(_services().engine, _services().cache.pool)
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
