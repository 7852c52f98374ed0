"""Answers to bad requests and failures: JSON problems (RFC 9457), each with a hint at what to do next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Response, json, render_template, request
from werkzeug.exceptions import HTTPException

from alertsync.errors import PROBLEM_TYPE

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

_HINTS = {
    400: "GET /api/v1/docs tells what each address takes",
    404: "GET / leads to what is there",
    405: "the header Allow names the methods that are",
    413: "send less; most addresses want no body, and what you mean in the query",
    415: "POST /reconcile wants no body, or an empty JSON object",
}

_FOR_PROGRAMS = ("/api/", "/healthz", "/readyz", "/metrics", "/static/", "/webhook")


class ProblemError(Exception):
    """A request that cannot be answered as asked: an HTTP status, what is wrong, and what to do."""

    def __init__(
        self, status: int, title: str, detail: str, hint: str, *, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.hint = hint
        self.headers = headers or {}
        super().__init__(detail)


def response(
    status: int,
    title: str,
    detail: str,
    hint: str = "",
    *,
    headers: dict[str, str] | None = None,
    **more: object,
) -> Response:
    """Make a problem; `more` are extension members."""
    if _wants_page():
        page = Response(
            render_template("problem.html", status=status, problem=title, detail=detail, hint=hint),
            status=status,
        )
        page.headers.update(headers or {})
        return page
    if request.accept_mimetypes.best_match((PROBLEM_TYPE, "application/json", "text/plain")) == "text/plain":
        lines = [f"{title}: {detail}", *([f"hint: {hint}"] if hint else [])]
        plain = Response("\n".join(lines) + "\n", status=status, mimetype="text/plain")
        plain.headers.update(headers or {})
        return plain
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.script_root + quote(request.path),
    }
    if hint:
        body["hint"] = hint
    answer = Response(json.dumps({**body, **more}) + "\n", status=status, mimetype=PROBLEM_TYPE)
    answer.headers.update(headers or {})
    return answer


def _wants_page() -> bool:
    """Tell whether a person reads the answer in a browser, at an address that is made for people."""
    kinds = (PROBLEM_TYPE, "application/json", "text/plain", "text/html")
    return request.accept_mimetypes.best_match(kinds) == "text/html" and not request.path.startswith(
        _FOR_PROGRAMS
    )


def register(app: Flask) -> None:
    """Answer every error of `app` with a problem, and none with a stack trace."""

    @app.errorhandler(ProblemError)
    def of_problem(error: ProblemError) -> Response:
        return response(error.status, error.title, error.detail, error.hint, headers=error.headers)

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        status = error.code or 500
        headers = {}
        valid = getattr(error, "valid_methods", None)
        if valid:
            headers["Allow"] = ", ".join(sorted(valid))
        return response(
            status, error.name, error.description or error.name, _HINTS.get(status, ""), headers=headers
        )

    @app.errorhandler(Exception)
    def of_bug(error: Exception) -> Response:
        log.error("a request met an unexpected error", exc_info=error, extra={"path": request.path})
        return response(
            500,
            "Internal Server Error",
            "alertsync met an unexpected error with this request",
            "its log has the details; please report it",
        )
