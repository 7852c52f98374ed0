"""Liveness, readiness and metrics: open to all, quick, and never touching an upstream.

Liveness knows nothing of upstreams, because restarting alertsync mends neither: it fails when, and only when, the
leader's loop is stuck, which a restart does mend. Readiness depends on settings only, because a 503 would also take
away the pages that explain a fault of an upstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Response, jsonify, request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from alertsync import exposition, metrics
from alertsync.web import access, attention, problems, views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask

    from alertsync.services import Services
    from alertsync.settings import Settings
    from alertsync.web.http_metrics import HttpMetrics


def register(app: Flask, services: Services, http_metrics: HttpMetrics) -> None:
    """Add the probes and the metrics to `app`."""
    blueprint = Blueprint("probes", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        age, longest = services.heartbeat.age(services.clock), longest_still(services.settings)
        if age is None or age <= longest:
            return jsonify(status="alive")
        return problems.response(
            503,
            "The loop is stuck",
            f"the loop of process {services.heartbeat.leader} has not moved for {age:.0f} s, and no run may take longer "
            f"than {longest:.0f} s",
            "restart alertsync: another run begins at once, and what is owed is kept; then look what its log says last",
        )

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        ready = services.reconciler is not None
        return jsonify(_readiness(services, ready=ready)), 200 if ready else 503

    @blueprint.get("/metrics")
    @http_metrics.untracked
    def page() -> Response:
        standing = services.store.standing_at_a_glance()
        degraded = bool(attention.degraded(services, standing))
        speaks = _speaks_of_runs(services)
        waiting = services.store.count_waiting_events() if speaks else None
        live = metrics.render_live(
            services.heartbeat,
            services.clock,
            degraded=degraded,
            interval=services.settings.interval,
            waiting=waiting,
        )
        if not speaks:
            return _page((exposition.deflate(http_metrics.render() + live),))
        published = services.store.metrics()
        if not published:
            first = metrics.render_standing(standing) + metrics.render_requests(services.store.requests())
            published = (exposition.deflate(first),)
        return _page((exposition.deflate(http_metrics.render() + live), *published))

    app.register_blueprint(blueprint)


def _speaks_of_runs(services: Services) -> bool:
    """Tell whether this host is the one that tells of runs: where several would, sums over all of them were wrong."""
    alone = not services.store.shared or not services.settings.interval
    return alone or services.heartbeat.leader is not None


def longest_still(settings: Settings) -> float:
    """Seconds for which the leader's loop may stand still: twice what a run, and waiting for its turn, may take."""
    return 2 * (settings.run_timeout + settings.reconcile_wait)


def _page(pages: Sequence[exposition.Page]) -> Response:
    """Answer with a page of metrics, as gzip to those that take it."""
    gzip = request.accept_encodings.quality("gzip") > 0
    answer = Response(
        exposition.gzipped(pages) if gzip else exposition.plain(pages), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )
    if gzip:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


def _readiness(services: Services, *, ready: bool) -> dict[str, Any]:
    """Tell whether it is ready, and why not; titles, addresses and what others said to those only who may read them."""
    interval = services.settings.interval
    whole = access.may_read()
    brief = {
        "status": "ready" if ready else "not ready",
        "missing": [f"{name} {text}" if whole else name for name, text in services.missing.items()],
        "loop": f"every {interval:g} s" if interval else "off (RECONCILE_INTERVAL is not set)",
        "leader": services.heartbeat.leader is not None,
        "next_run_at": views.time(services.heartbeat.next_run_at(services.clock)),
        "dry_run": services.settings.policy.dry_run,
    }
    if not whole:
        return {**brief, "more": "with a user name and password, or the token, there is more to read here"}
    standing = services.store.standing()
    return {
        **brief,
        "attention": msgspec.to_builtins(attention.of(services, curl=attention.curl(request))),
        "upstreams": {name: views.upstream(standing.upstreams.get(name)) for name in ("alertmanager", "irm")},
        "last_run": views.summary(standing.last),
    }
