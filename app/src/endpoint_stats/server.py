# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""gunicorn, set up from the environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from endpoint_stats import logs
from endpoint_stats.settings import Settings

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


def prepare_metrics() -> None:
    """An empty directory: files of an earlier start would count for ever."""
    directory = Path(os.environ.setdefault(METRICS_DIRECTORY, str(Path(tempfile.gettempdir(), "prometheus"))))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM, then finish what was begun. Does not return."""
    prepare_metrics()
    # Only now: prometheus-client decides at its import whether there are several processes.
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped] # noqa: PLC0415
    from gunicorn.glogging import Logger  # type: ignore[import-untyped] # noqa: PLC0415
    from prometheus_client import multiprocess  # noqa: PLC0415

    from endpoint_stats import web  # noqa: PLC0415

    class JsonLogger(Logger):  # type: ignore[misc]
        """gunicorn's own messages, through the handler of all others."""

        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            self.error_log.handlers.clear()
            self.error_log.propagate = True

    def child_exit(_server: Any, worker: Any) -> None:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            served = settings.server
            options = {
                "bind": served.bind,
                "workers": served.workers,
                "threads": served.threads,
                "worker_class": "gthread",
                "keepalive": served.keepalive_seconds,
                "timeout": served.timeout_seconds,
                "graceful_timeout": served.graceful_timeout_seconds,
                "logger_class": JsonLogger,
                "child_exit": child_exit,
                "loglevel": settings.log_level.lower(),
                "proc_name": "endpoint-stats",
            }
            for name, value in options.items():
                self.cfg.set(name, value)
            if "control_socket_disable" in self.cfg.settings:
                self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return web.create_app(settings)

    logs.configure(settings.log_level)
    Server().run()
