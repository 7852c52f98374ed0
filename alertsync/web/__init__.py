"""The faces of the service: probes, metrics, the manual trigger and what was last seen, as Flask blueprints.

Handlers are thin. What they show was published by the last run; what they start is the same `run_once` that
the loop calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Flask, jsonify, request

import alertsync
from alertsync.web import (
    access,
    alerts,
    assets,
    events,
    explain,
    history,
    links,
    pages,
    probes,
    problems,
    proxies,
    reconcile,
    security,
    webhook,
)
from alertsync.web.api import decisions, docs, plan, silences, status
from alertsync.web.http_metrics import HttpMetrics
from alertsync.web.readings import Readings
from alertsync.web.silencing import Silencing
from alertsync.web.triggers import Triggers

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from alertsync.services import Services

_EXTENSION = "alertsync"
_MAX_BODY_BYTES = 64 * 1024
_ADDRESSES = {
    "/healthz": "liveness",
    "/readyz": "readiness, both upstreams as last seen, what holds alertsync back, and what it owes",
    "/metrics": "Prometheus metrics",
    "POST /reconcile": "run now; ?dry_run=true decides only, ?wait=N answers after N seconds, ?lift= lifts brakes",
    "POST /webhook": "takes in what IRM's outgoing webhooks tell; off without WEBHOOK_USERNAME",
    "/api/v1/status": "how things stand, for those who poll",
    "/api/v1/decisions": "the decisions of the last run, to filter and search",
    "/api/v1/plan": "the newest plan; POST makes one, and acts on nothing",
    "/api/v1/runs": "the runs, newest first",
    "/api/v1/runs/<run_id>": "one run",
    "/api/v1/actions": "the actions, newest first",
    "/api/v1/debts": "what alertsync still owes to IRM, newest first; ?state=all: and what is over",
    "/api/v1/silences": "silences in Alertmanager that are ours; POST makes one for an alert group, DELETE ends one",
    "/api/v1/events": "how far the run is that goes on, and how the last one ended, as server-sent events",
    "/api/v1/alert-groups/<alert_group_id>": "why an alert group is decided as it is, read live",
    "/api/v1/docs": "all of this, for people",
    "/api/v1/openapi.json": "all of this, for programs (OpenAPI 3.1)",
    "/all-alerts": "Alertmanager's alerts, live",
    "/grafana-alerts": "IRM's open alert groups and their decisions, from the last run",
}


def create_app(services: Services) -> Flask:
    """Make the Flask app over these services."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.extensions[_EXTENSION] = services
    links.register(app)
    assets.register(app)
    pages.register(app, services)
    problems.register(app)
    # First of all that sees a request, so that those that are refused are measured too.
    http_metrics = HttpMetrics(app)
    proxies.register(app, services.settings.web.trusted_proxies)
    access.register(app, services, http_metrics)
    security.register(app)
    probes.register(app, services, http_metrics)
    triggers, readings = Triggers(services), Readings(services)
    silencing = Silencing(services, readings, triggers)
    app.register_blueprint(reconcile.blueprint(triggers))
    app.register_blueprint(webhook.blueprint(services, http_metrics))
    app.register_blueprint(history.blueprint(services))
    app.register_blueprint(events.blueprint(services))
    app.register_blueprint(explain.blueprint(services, readings))
    app.register_blueprint(status.blueprint(services))
    app.register_blueprint(decisions.blueprint(services))
    app.register_blueprint(plan.blueprint(services, triggers))
    app.register_blueprint(silences.blueprint(services, silencing))
    app.register_blueprint(docs.blueprint(services))
    app.register_blueprint(alerts.blueprint(services))
    app.register_blueprint(pages.blueprint(services, triggers, readings, silencing))

    @app.get("/")
    def index() -> Response | str:
        if request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
            return pages.show_now(services)
        return jsonify(service="alertsync", version=alertsync.__version__, addresses=_ADDRESSES)

    return app


def services_of(app: object) -> Services:
    """Give the services of an app made by `create_app`."""
    return cast("Services", cast("Flask", app).extensions[_EXTENSION])
