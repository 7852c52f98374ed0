"""IRM as a WSGI application: which paths there are, who may ask them, and how refusals look.

Paths, status codes and error bodies follow those recorded from Grafana OnCall 2026-01, the odd ones
included: of the API a trailing slash is optional, of the inbound endpoints it is not, and a wrong
method is answered with 500 and an HTML page.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from wsgiref.handlers import format_date_time

from flask import Flask, Response, request

from alertsync.simulator.irm_actions import ACTIONS
from alertsync.simulator.irm_endpoints import Endpoints, ServerError, answer
from alertsync.simulator.irm_gate import Gate, RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.simulator.irm_model import Irm

_HTML_PAGE = """
<!doctype html>
<html lang="en">
<head>
  <title>{title}</title>
</head>
<body>
  <h1>{title}</h1><p>{text}</p>
</body>
</html>
"""
_INBOUND = "/integrations/v1/<kind>/<key>"


@dataclass(frozen=True)
class _Route:
    method: str
    rule: str
    view: Callable[..., Response]
    to_act: bool = False
    scope: str = "api"


def create_app(irm: Irm) -> Flask:
    """Build the WSGI application that serves this IRM. Its `Date` header tells the model's clock."""
    app = Flask("irm-simulator", static_folder=None)
    app.url_map.strict_slashes = False
    endpoints = Endpoints(irm)
    _add_api(app, Gate(irm), _routes(endpoints))
    _add_open_paths(app, endpoints)
    _add_errors(app)

    def tell_time(response: Response) -> Response:
        response.headers["Date"] = format_date_time(irm.clock().timestamp())
        return response

    app.after_request(tell_time)
    return app


def _routes(its: Endpoints) -> tuple[_Route, ...]:
    actions = ",".join(ACTIONS)
    return (
        _Route("GET", "/alert_groups/", its.list_groups),
        _Route("GET", "/alert_groups/<group_id>/", its.show_group),
        _Route("DELETE", "/alert_groups/<group_id>/", its.remove_group, to_act=True),
        _Route("POST", f"/alert_groups/<group_id>/<any({actions}):action>/", its.act, to_act=True),
        _Route("GET", "/alerts/", its.list_deliveries),
        _Route("GET", "/resolution_notes/", its.list_notes),
        _Route("POST", "/resolution_notes/", its.add_note, to_act=True),
        _Route("GET", "/integrations/", its.list_integrations),
        _Route("GET", "/integrations/<integration_id>/", its.show_integration),
        _Route("GET", "/users/", its.list_users),
        _Route("GET", "/users/<user_id>/", its.show_user),
        _Route("GET", "/info/", its.show_info, scope="info"),
    )


def _add_api(app: Flask, gate: Gate, routes: tuple[_Route, ...]) -> None:
    def guard(route: _Route) -> Callable[..., Response]:
        def view(**parts: str) -> Response:
            user = gate.enter(request.headers, to_act=route.to_act, scope=route.scope)
            return route.view(user, **parts)

        return view

    for route in routes:
        name = f"{route.method} {route.rule}"
        app.add_url_rule(f"/api/v1{route.rule}", name, guard(route), methods=[route.method])


def _add_open_paths(app: Flask, its: Endpoints) -> None:
    for path in ("/health/", "/ready/"):
        app.add_url_rule(path, path, lambda: Response("Ok", mimetype="text/html"))
    app.add_url_rule(f"{_INBOUND}/heartbeat/", "beat", its.beat, methods=["GET", "POST"])
    app.add_url_rule(f"{_INBOUND}/", "deliver", its.deliver, methods=["POST"], strict_slashes=True)
    app.add_url_rule(_INBOUND, "no slash", lambda **_: _not_found(), methods=["POST"], strict_slashes=True)


def _add_errors(app: Flask) -> None:
    app.register_error_handler(RefusalError, lambda it: answer(it.body, it.status, it.headers))
    app.register_error_handler(ServerError, lambda _: _server_error())
    app.register_error_handler(HTTPStatus.METHOD_NOT_ALLOWED, lambda _: _server_error())
    app.register_error_handler(HTTPStatus.NOT_FOUND, lambda _: _not_found())


def _server_error() -> Response:
    page = _HTML_PAGE.format(title="Server Error (500)", text="")
    return Response(page, HTTPStatus.INTERNAL_SERVER_ERROR, mimetype="text/html")


def _not_found() -> Response:
    text = "The requested resource was not found on this server."
    page = _HTML_PAGE.format(title="Not Found", text=text)
    return Response(page, HTTPStatus.NOT_FOUND, mimetype="text/html")
