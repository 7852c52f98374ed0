"""Reads query strings strictly: a misspelled `dry_run` must not turn a rehearsal into the real thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertsync.models import Brake
from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from flask import Request

_BODY_SECONDS = 5.0
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_DEFAULT_LIMIT = 50
_MAX_LIMIT = 500


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


def limit(request: Request) -> int:
    """Read how many entries a page of a list may have: 1 to 500, 50 if it is absent."""
    value = request.args.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= _MAX_LIMIT:
        raise ProblemError(
            400,
            "Bad query value",
            f"limit={value[:100]!r} is not a number of entries that can be given",
            f"write a whole number from 1 to {_MAX_LIMIT}, such as limit=100",
        )
    return int(value)


def choice(request: Request, name: str, *choices: str) -> str:
    """Read one of a few words; the first of them if it is absent."""
    value = request.args.get(name, choices[0])
    if value not in choices:
        raise ProblemError(
            400,
            "Bad query value",
            f"{name}={value[:100]!r} is not known",
            f"write {' or '.join(f'{name}={one}' for one in choices)}",
        )
    return value


def lifted(request: Request) -> frozenset[str]:
    """Read which brakes to lift for one run; none if they are absent."""
    value = request.args.get("lift")
    if value is None:
        return frozenset()
    names = value.split(",")
    if not set(names) <= set(Brake) or len(names) != len(set(names)):
        both = ",".join(Brake)
        raise ProblemError(
            400,
            "Bad query value",
            f"lift={value[:100]!r} names no brakes",
            f"write {', '.join(f'lift={one}' for one in Brake)} or lift={both}",
        )
    return frozenset(names)


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
    asked = sock.gettimeout()
    sock.settimeout(_BODY_SECONDS)
    try:
        return request.get_data()
    finally:
        # Not without a bound: the answer is sent over it, to a client that may never take it.
        sock.settimeout(asked)
