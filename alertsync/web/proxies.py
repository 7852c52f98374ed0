"""What proxies in front say of a request: who sent it, to which host, by which scheme, and below which path.

Anybody can write X-Forwarded-* headers, and each proxy adds its word behind those that were there. So only as many
values count, from the end, as there are proxies to trust, and none where TRUSTED_PROXIES is 0. What counts ends in
addresses, redirects and commands on our pages: a value that is no such thing is refused, whoever wrote it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from flask import request
from werkzeug.http import parse_list_header
from werkzeug.middleware.proxy_fix import ProxyFix

from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask

_BAD = "alertsync.bad_forwarding_header"
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
_DOTS = frozenset({".", ".."})
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+", re.ASCII)


def register(app: Flask, trusted: int) -> None:
    """Believe so many proxies; to be registered before what looks at where a request came from."""
    if trusted:
        app.wsgi_app = _Believing(app.wsgi_app, trusted)  # type: ignore[method-assign]  # how Flask wants it
        app.before_request(_refuse_what_no_proxy_means)


class _Believing:
    """Takes what the trusted proxies said for what the request is.

    Every proxy adds to X-Forwarded-For. Of the others many write one value, which the next proxy hands on as it is.
    """

    def __init__(self, app: WSGIApplication, trusted: int) -> None:
        self._app = app
        self._trusted = trusted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        proto, host, prefix = (
            min(self._trusted, len(parse_list_header(environ.get(f"HTTP_X_FORWARDED_{name}", ""))))
            for name in ("PROTO", "HOST", "PREFIX")
        )
        fixed = ProxyFix(self._checked, x_for=self._trusted, x_proto=proto, x_host=host, x_prefix=prefix)
        return fixed(environ, start_response)

    def _checked(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for header, name, read in _READ:
            said = environ[name]
            meant = read(said)
            if meant is None:
                environ[_BAD] = f"X-Forwarded-{header} cannot be {said[:100]!r}"
                meant = environ["werkzeug.proxy_fix.orig"][name]
            environ[name] = meant
        return self._app(environ, start_response)


def _refuse_what_no_proxy_means() -> None:
    if _BAD in request.environ:
        raise ProblemError(
            400,
            "Bad forwarding header",
            request.environ[_BAD],
            "does each proxy set this header itself, and is TRUSTED_PROXIES the number of them?",
        )


def _address(value: str) -> str | None:
    """Read an address as proxies write it, some of them with a port; None if it is none."""
    found = _WITH_PORT.fullmatch(value)
    try:
        return (
            str(ipaddress.ip_address((found[1] or found[2]) if found else value))
            if "%" not in value
            else None
        )
    except ValueError:
        return None


def _scheme(value: str) -> str | None:
    return value.lower() if value.lower() in ("http", "https") else None


def _prefix(value: str) -> str | None:
    """Read the path below which a proxy shows us; None if it could lead elsewhere."""
    path = value.rstrip("/")
    return path if _PREFIX.fullmatch(path) and not _DOTS & set(path.split("/")) else None


_READ = (
    ("For", "REMOTE_ADDR", _address),
    ("Proto", "wsgi.url_scheme", _scheme),
    ("Prefix", "SCRIPT_NAME", _prefix),
)
"""The end of a header's name, where its value ends up, and how it is read."""
