"""Liveness, readiness and metrics: open to all, quick, and never touching an upstream.

Liveness knows nothing of upstreams, because restarting alertsync mends neither. Readiness depends on settings
only, because a 503 would also take away the pages that explain a fault of an upstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Response, jsonify, request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from alertsync import metrics
from alertsync.web import attention, views
from alertsync.web.http_metrics import HttpMetrics

if TYPE_CHECKING:
    from flask import Flask

    from alertsync.services import Services


def register(app: Flask, services: Services) -> None:
    """Add the probes and the metrics to `app`, and measure all its requests by route."""
    http_metrics = HttpMetrics(app)
    blueprint = Blueprint("probes", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        ready = services.reconciler is not None
        return jsonify(_readiness(services, ready=ready)), 200 if ready else 503

    @blueprint.get("/metrics")
    @http_metrics.untracked
    def page() -> Response:
        standing = services.store.standing()
        live = metrics.render_live(degraded=bool(attention.degraded(services, standing)))
        published = services.store.metrics_page()
        if published is None:
            published = metrics.render_standing(standing)
        return Response(http_metrics.render() + live + published, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    app.register_blueprint(blueprint)


def _readiness(services: Services, *, ready: bool) -> dict[str, Any]:
    standing = services.store.standing()
    interval = services.settings.interval
    return {
        "status": "ready" if ready else "not ready",
        "missing": [f"{name} {text}" for name, text in services.missing.items()],
        "loop": f"every {interval:g} s" if interval else "off (RECONCILE_INTERVAL is not set)",
        "dry_run": services.settings.policy.dry_run,
        "attention": msgspec.to_builtins(attention.of(services, curl=attention.curl(request))),
        "upstreams": {name: views.upstream(standing.upstreams.get(name)) for name in ("alertmanager", "irm")},
        "last_run": views.summary(standing.last),
    }
