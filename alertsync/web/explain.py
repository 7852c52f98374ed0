"""Why an alert group is decided as it is: read live, together with all that alertsync remembers of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from alertsync.errors import UnknownAlertGroupError, UpstreamError
from alertsync.web import problems, queries, refusals, views

if TYPE_CHECKING:
    from alertsync.services import Services
    from alertsync.web.readings import Readings


def blueprint(services: Services, readings: Readings) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("explain", __name__)

    @routes.get("/api/v1/alert-groups/<alert_group_id>")
    def alert_group(alert_group_id: str) -> Response:
        queries.check(request)
        return jsonify(views.explanation(readings.read(alert_group_id)))

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
