"""What both systems say: Alertmanager's alerts, read live, and IRM's alert groups, from the last run."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from alertsync.clock import Deadline
from alertsync.errors import Reason, UpstreamError
from alertsync.web import lists, problems, queries, views

if TYPE_CHECKING:
    from alertsync.models import Run
    from alertsync.services import Services

_AT_ONCE = 2
"""Live readings at a time in this worker: Alertmanager serves few at once, and the probes need threads too."""


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("alerts", __name__)
    reading = threading.BoundedSemaphore(_AT_ONCE)

    @routes.get("/all-alerts")
    def all_alerts() -> Response:
        queries.check(request)
        if not reading.acquire(blocking=False):
            raise problems.ProblemError(
                503,
                "Too many readings at once",
                f"{_AT_ONCE} requests already read Alertmanager",
                "try again in a moment",
                headers={"Retry-After": "2"},
            )
        try:
            return jsonify(_all_alerts(services))
        finally:
            reading.release()

    @routes.get("/grafana-alerts")
    def grafana_alerts() -> Response:
        queries.check(request)
        run = services.store.last_run()
        decisions = run.decisions if run else ()
        head = {"as_of": _as_of(run), "run_id": run.run_id if run else None, "count": len(decisions)}
        return lists.listed(head, "alert_groups", map(views.of_decision, decisions))

    @routes.errorhandler(UpstreamError)
    def upstream_failed(error: UpstreamError) -> Response:
        status = 504 if error.reason in (Reason.TIMEOUT, Reason.DEADLINE) else 502
        hint = "python -m alertsync check explains how to reach it"
        return problems.response(status, "Alertmanager gave no usable answer", str(error), hint)

    @routes.after_request
    def counted(answer: Response) -> Response:
        services.count_requests()
        return answer

    return routes


def _all_alerts(services: Services) -> dict[str, Any]:
    timeout = services.settings.alertmanager.timeout
    alerts, silences = services.alertmanager.alerts(Deadline(services.clock, timeout))
    by_id = {silence.id: views.silence(silence) for silence in silences}
    run = services.store.last_run()
    groups = _alert_groups_by_fingerprint(run)
    for alert in alerts:
        named = alert["status"]["silencedBy"]
        alert["silences"] = [by_id[silence_id] for silence_id in named if silence_id in by_id]
        alert["alert_groups"] = groups.get(alert["fingerprint"], [])
    return {"count": len(alerts), "alert_groups_as_of": _as_of(run), "alerts": alerts}


def _alert_groups_by_fingerprint(run: Run | None) -> dict[str, list[dict[str, Any]]]:
    """Find, for each alert, the open alert groups of the last run that it is a member of."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for decision in run.decisions if run else ():
        group = decision.alert_group
        shown = {
            "id": group.id,
            "title": group.title,
            "state": group.state,
            "url": group.url,
            "decision": decision.kind.value,
        }
        for member in decision.members:
            found[member.fingerprint].append(shown)
    return found


def _as_of(run: Run | None) -> str | None:
    return run.ended_at.isoformat() if run and run.ended_at else None
