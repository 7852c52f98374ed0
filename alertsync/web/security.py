"""Keeps other web sites from pressing our button, and what came from outside from being run in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from flask import request

from alertsync.headers import HEADERS
from alertsync.web.access import WEBHOOK
from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from flask import Flask, Response

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": ":80", "https": ":443"}


def register(app: Flask) -> None:
    """Check the origin of every request that changes something, and set the headers of every answer."""

    @app.before_request
    def refuse_other_origins() -> None:
        # A browser keeps what it is asked for at IRM's address to itself, and could send no JSON there from elsewhere.
        if request.method not in _SAFE and request.endpoint != WEBHOOK and not _same_origin():
            raise ProblemError(
                403,
                "Cross-origin request refused",
                "a page of another site asked a browser to send this request",
                "open alertsync's own page, or use a client that is not a browser, such as curl",
            )

    @app.after_request
    def set_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        # An answer with an ETag may be kept, and is asked for again: who asks shows a password each time.
        response.headers.setdefault(
            "Cache-Control", "private, no-cache" if "ETag" in response.headers else "no-store"
        )
        return response


def _same_origin() -> bool:
    """Trust Sec-Fetch-Site where the browser sends it, else Origin; clients that send neither are no browsers."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    try:
        return origin is None or _is_ours(urlsplit(origin))
    except ValueError:
        return False


def _is_ours(origin: SplitResult) -> bool:
    """Tell whether the host is ours; browsers leave the port of a scheme out, and proxies may write it."""
    port = _PORTS.get(origin.scheme, "")
    return origin.netloc.lower() == request.host.lower().removesuffix(port)
