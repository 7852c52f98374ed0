"""The metrics of our own HTTP requests, by prometheus-flask-exporter, one truth over all workers.

With one worker they live in the process, beside the process's own metrics. With several, each scrape meets
another worker, and Prometheus would take every change of worker for a restart: so the workers count in files of
a directory that gunicorn's master made (prometheus_client's multiprocess mode), and a scrape sums them. A worker that
takes the place of one that is gone goes on with its files, so that there are never more than workers at one time,
and nothing that was counted is lost.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from flask import request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    values,
)
from prometheus_client.values import MultiProcessValue
from prometheus_flask_exporter import PrometheusMetrics

import alertsync
from alertsync import metrics
from alertsync.errors import StateDirError
from alertsync.locks import FileLock
from alertsync.web.http_text import Memory, Sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flask import Flask

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client as it is imported; set by gunicorn.conf.py where there are several workers."""

_MOST_PLACES = 1000
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

F = TypeVar("F", bound="Callable[..., object]")


class HttpMetrics:
    """Measures every request of `app` by route, and renders what was measured."""

    def __init__(self, app: Flask) -> None:
        # A `_created` gauge beside each counter is what nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client ships no types for it
        if MULTIPROCESS_DIR in os.environ:
            self._place = _Place(Path(os.environ[MULTIPROCESS_DIR]))
            values.ValueClass = MultiProcessValue(lambda: self._place.number)  # type: ignore[no-untyped-call]  # the same
        own = self._own = CollectorRegistry()
        self._exporter = PrometheusMetrics(app, path=None, group_by="url_rule", registry=own)
        self._build = metrics.render_build(alertsync.__version__, platform.python_version())
        app.before_request(_leave_out_odd_methods)
        if MULTIPROCESS_DIR in os.environ:
            self._written = Sum(Path(os.environ[MULTIPROCESS_DIR])).written
        else:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=own)
            memory = Memory()
            self._written = lambda: memory.written(own.collect())

    def counter(
        self, name: str, meaning: str, *, labels: Sequence[str], values: Iterable[Sequence[str]]
    ) -> Callable[..., None]:
        """Make a counter beside them, with a series for each of these values of its labels; give what counts them."""
        counted = Counter(name, meaning, labels, registry=self._own)
        for value in values:
            counted.labels(*value)
        return lambda *value: counted.labels(*value).inc()

    def untracked(self, view: F) -> F:
        """Leave a view out of the metrics: scrapes would only measure themselves."""
        return cast("F", self._exporter.do_not_track()(view))

    def render(self) -> bytes:
        """Render the HTTP metrics and the build information in text format 0.0.4."""
        return self._written() + self._build


def _leave_out_odd_methods() -> None:
    """Count no request of a made-up method: each would be a label value, and anybody can make up many."""
    if request.method not in _METHODS:
        request.prom_do_not_track = True  # type: ignore[attr-defined]  # the exporter looks for it


class _Place:
    """The first number that no other living process has; it is kept until this process ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        for number in range(_MOST_PLACES):
            self._lock = FileLock(directory / f"{number}.lock")
            if self._lock.acquire():
                self.number = number
                return
        raise StateDirError(f"{_MOST_PLACES} workers count their requests in {directory} already")
