"""Reads query strings strictly: a misspelled `dry_run` must not turn a rehearsal into the real thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from flask import Request

_BODY_SECONDS = 5.0
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})


def check(request: Request, *allowed: str) -> None:
    """Refuse parameters that are not known, or that stand there twice."""
    names = f"allowed here: {', '.join(allowed)}" if allowed else "this address takes none"
    for name, values in request.args.lists():
        if name not in allowed:
            raise ProblemError(400, "Unknown query parameter", f"{name[:100]!r} is not known", names)
        if len(values) > 1:
            raise ProblemError(400, "Repeated query parameter", f"{name} stands there twice", names)


def flag(request: Request, name: str) -> bool:
    """Read a yes or no; no if it is absent."""
    value = request.args.get(name)
    if value is None or value.lower() in _FALSE:
        return False
    if value.lower() in _TRUE:
        return True
    raise ProblemError(
        400, "Bad query value", f"{name}={value[:100]!r} is neither true nor false", f"write {name}=true"
    )


def whole_seconds(request: Request, name: str, most: int) -> int | None:
    """Read whole seconds from 0 to `most`; None if they are absent."""
    value = request.args.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) > most:
        raise ProblemError(
            400,
            "Bad query value",
            f"{name}={value[:100]!r} is not a number of seconds that can be used",
            f"write whole seconds from 0 to {most}, such as {name}=30",
        )
    return int(value)


def no_body(request: Request) -> None:
    """Refuse a body that says something: it would be ignored, and its sender would not know."""
    if _body(request).strip() not in (b"", b"{}"):
        raise ProblemError(
            400,
            "Unexpected body",
            "this request wants no body, or an empty JSON object",
            "put what you mean in the query, such as ?dry_run=true",
        )


def _body(request: Request) -> bytes:
    """Read the body; a client that announces one and does not send it must not hold a thread for ever."""
    sock = request.environ.get("gunicorn.socket")
    if sock is None:
        return request.get_data()
    sock.settimeout(_BODY_SECONDS)
    try:
        return request.get_data()
    finally:
        sock.settimeout(None)
