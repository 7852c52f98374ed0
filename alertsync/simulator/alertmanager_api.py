"""The HTTP face of the simulated Alertmanager: API v2 with the statuses and bodies of the real one.

Refusals matter as much as answers: the service must read Alertmanager's errors, which are a JSON string, an
object, or nothing. All of them were recorded from 0.25.0; what 0.28 changed depends on the model's version.
"""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from wsgiref.handlers import format_date_time

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from alertsync.simulator.alertmanager_access import Access
from alertsync.simulator.alertmanager_bodies import (
    BodyError,
    alert_json,
    group_json,
    read_alerts,
    read_silence,
    silence_json,
    status_json,
)
from alertsync.simulator.alertmanager_model import (
    Alertmanager,
    Matcher,
    Sighting,
    SilenceNotFoundError,
    SilenceRefusedError,
)
from alertsync.simulator.alertmanager_text import compile_regex, parse_matcher

_TRUE = {"true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"}
_INVALID_TYPE = 601
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def create_app(  # noqa: PLR0913 - each is a setting of a real installation, and named at the call
    alertmanager: Alertmanager,
    *,
    prefix: str = "",
    username: str = "",
    password: str = "",
    token: str = "",
    tenant: str = "",
) -> Flask:
    """Return the WSGI app that serves an Alertmanager, all of it below ``prefix`` (``/alertmanager``).

    With a username it demands basic auth, with a token a bearer token, with a tenant ``X-Scope-OrgID``. Its
    ``Date`` header tells the model's clock.
    """
    app = Flask(__name__, static_folder=None)
    app.before_request(Access(username=username, password=password, token=token, tenant=tenant).refusal)
    app.register_error_handler(BodyError, _refusal)
    app.register_error_handler(ParameterError, _bad_request)
    app.register_error_handler(SilenceRefusedError, _bad_request)
    app.register_error_handler(HTTPException, lambda error: _no_such_path(error, prefix))

    @app.after_request
    def tell_the_time(response: Response) -> Response:
        response.headers["Date"] = format_date_time(alertmanager.clock().timestamp())
        return response

    app.add_url_rule(f"{prefix}/-/healthy", "healthy", _ok)
    app.add_url_rule(f"{prefix}/-/ready", "ready", _ok)
    handlers = _Handlers(alertmanager)
    for method, path, view in handlers.table():
        endpoint = f"{method} {path}".replace(".", "")
        app.add_url_rule(f"{prefix}/api/v2{path}", endpoint, view, methods=[method])
    return app


class ParameterError(ValueError):
    """A query parameter that Alertmanager refuses, in its words."""


class _Handlers:
    """The operations of the API, each named as in Alertmanager's OpenAPI document."""

    def __init__(self, alertmanager: Alertmanager) -> None:
        self._alertmanager = alertmanager

    def table(self) -> list[tuple[str, str, Callable[..., Response]]]:
        return [
            ("GET", "/alerts", self.get_alerts),
            ("POST", "/alerts", self.post_alerts),
            ("GET", "/alerts/groups", self.get_alert_groups),
            ("GET", "/silences", self.get_silences),
            ("POST", "/silences", self.post_silences),
            ("GET", "/silence/<silence_id>", self.get_silence),
            ("DELETE", "/silence/<silence_id>", self.delete_silence),
            ("GET", "/status", self.get_status),
            ("GET", "/receivers", self.get_receivers),
        ]

    def get_alerts(self) -> Response:
        keep, keep_receiver = _keep(), _keep_receiver()
        shown = self._alertmanager.alerts(
            lambda seen: any(keep_receiver(name) for name in seen.receivers) and keep(seen)
        )
        return _json([alert_json(seen, self._alertmanager) for seen in shown])

    def post_alerts(self) -> Response:
        """Take the valid alerts, and complain about the others."""
        problems = []
        for alert in read_alerts(request, self._alertmanager.clock()):
            try:
                self._alertmanager.put_alert(alert)
            except ValueError as error:
                problems.append(str(error))
        return _json("; ".join(problems), HTTPStatus.BAD_REQUEST) if problems else _empty()

    def get_alert_groups(self) -> Response:
        views = self._alertmanager.groups(_keep(), _keep_receiver())
        shown = [view for view in views if _flag("muted") or not view.muted]
        return _json([group_json(view, self._alertmanager) for view in shown])

    def get_silences(self) -> Response:
        wanted, now = _filters(), self._alertmanager.clock()
        listed = self._alertmanager.silences()
        return _json(
            [silence_json(one, now) for one in listed if all(matcher in one.matchers for matcher in wanted)]
        )

    def post_silences(self) -> Response:
        silence = read_silence(request, self._alertmanager.clock())
        try:
            return _json({"silenceID": self._alertmanager.put_silence(silence)})
        except SilenceNotFoundError as error:
            return _json(str(error), HTTPStatus.NOT_FOUND)

    def get_silence(self, silence_id: str) -> Response:
        _demand_uuid(silence_id)
        try:
            silence = self._alertmanager.get_silence(silence_id)
        except SilenceNotFoundError:
            return _empty(HTTPStatus.NOT_FOUND)
        return _json(silence_json(silence, self._alertmanager.clock()))

    def delete_silence(self, silence_id: str) -> Response:
        _demand_uuid(silence_id)
        try:
            self._alertmanager.expire(silence_id)
        except SilenceNotFoundError as error:
            if self._alertmanager.since_028:
                return _empty(HTTPStatus.NOT_FOUND)
            return _json(str(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        return _empty()

    def get_status(self) -> Response:
        return _json(status_json(self._alertmanager))

    def get_receivers(self) -> Response:
        return _json([{"name": name} for name in self._alertmanager.configuration.receivers])


def _demand_uuid(silence_id: str) -> None:
    if not _UUID.fullmatch(silence_id):
        problem = f'silenceID in path must be of type uuid: "{silence_id}"'
        raise BodyError(HTTPStatus.UNPROCESSABLE_ENTITY, _INVALID_TYPE, problem)


def _flag(name: str) -> bool:
    """Read a parameter that is true by default and false for whatever does not clearly say true."""
    return request.args.get(name, "true").lower() in _TRUE


def _filters() -> list[Matcher]:
    try:
        return [parse_matcher(text) for text in request.args.getlist("filter")]
    except ValueError as error:
        raise ParameterError(str(error)) from error


def _keep() -> Callable[[Sighting], bool]:
    """Return the condition that the parameters of this request put on alerts."""
    matchers = _filters()
    active, silenced, inhibited = _flag("active"), _flag("silenced"), _flag("inhibited")
    unprocessed = _flag("unprocessed")

    def keep(seen: Sighting) -> bool:
        if (seen.state == "active" and not active) or (seen.state == "unprocessed" and not unprocessed):
            return False
        if (seen.silenced_by and not silenced) or (seen.inhibited_by and not inhibited):
            return False
        return all(matcher.matches(seen.alert.labels) for matcher in matchers)

    return keep


def _keep_receiver() -> Callable[[str], bool]:
    if "receiver" not in request.args:
        return lambda _: True
    try:
        pattern = compile_regex(request.args["receiver"])
    except ValueError as error:
        raise ParameterError(f"failed to parse receiver param: {error}") from error
    return lambda name: pattern.fullmatch(name) is not None


def _no_such_path(error: HTTPException, prefix: str) -> Response:
    path, code = request.path.removeprefix(prefix), error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if not request.path.startswith(f"{prefix}/api/v2"):
        return Response("404 page not found\n", code, content_type="text/plain; charset=utf-8")
    message = f"path {path} was not found" if code == HTTPStatus.NOT_FOUND else error.name
    if isinstance(error, MethodNotAllowed):
        allowed = ",".join(sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"}, reverse=True))
        message = f"method {request.method} is not allowed, but [{allowed}] are"
    return _json({"code": code, "message": message}, code)


def _ok() -> Response:
    return Response("OK", content_type="text/plain; charset=utf-8")


def _json(body: Any, status: int = HTTPStatus.OK) -> Response:  # noqa: ANN401 - whatever JSON can say
    return Response(f"{_encode(body)}\n", status, content_type="application/json")


def _empty(status: int = HTTPStatus.OK) -> Response:
    """Answer without a body, and so without a content type."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    return response


def _bad_request(error: ValueError) -> Response:
    return _json(str(error), HTTPStatus.BAD_REQUEST)


def _refusal(error: BodyError) -> Response:
    return _json({"code": error.code, "message": str(error)}, error.status)
