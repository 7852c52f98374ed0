"""Why an alert group is decided as it is: read live, together with all that alertsync remembers of it."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from alertsync.errors import NotReadyError, UnknownAlertGroupError, UpstreamError
from alertsync.web import problems, queries, refusals, views

if TYPE_CHECKING:
    from alertsync.services import Services

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_RETRY_SECONDS = 5


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("explain", __name__)
    # An explanation reads both systems whole: more at once would use up IRM's limit and our threads.
    reading = threading.BoundedSemaphore(1)

    @routes.get("/api/v1/alert-groups/<alert_group_id>")
    def alert_group(alert_group_id: str) -> Response:
        queries.check(request)
        if services.reconciler is None:
            raise NotReadyError("; ".join(f"{name} {text}" for name, text in services.missing.items()))
        if not _ID.fullmatch(alert_group_id):
            raise UnknownAlertGroupError("this is no id that IRM gives")
        if not reading.acquire(blocking=False):
            raise problems.ProblemError(
                503,
                "Too many readings at once",
                "another explanation is being read",
                "try again after the seconds of Retry-After",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        try:
            return jsonify(views.explanation(services.reconciler.explain(alert_group_id)))
        finally:
            reading.release()

    _explain_refusals(routes)

    @routes.after_request
    def counted(answer: Response) -> Response:
        services.count_requests()
        return answer

    return routes


def _explain_refusals(routes: Blueprint) -> None:
    """Answer for the reasons why there is no explanation."""
    refusals.register(routes)

    @routes.errorhandler(UnknownAlertGroupError)
    def unknown(error: UnknownAlertGroupError) -> Response:
        hint = "GET /grafana-alerts shows the ids of the open alert groups"
        return problems.response(404, "Unknown alert group", str(error), hint)

    @routes.errorhandler(UpstreamError)
    def upstream_failed(error: UpstreamError) -> Response:
        name = "Alertmanager" if error.upstream == "alertmanager" else "IRM"
        hint = "python -m alertsync check explains how to reach it"
        return problems.response(502, f"{name} gave no usable answer", str(error), hint)
