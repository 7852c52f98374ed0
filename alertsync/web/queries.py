"""Reads query strings strictly: a misspelled `dry_run` must not turn a rehearsal into the real thing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import parse_qsl

import msgspec

from alertsync.models import Brake
from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

    from flask import Request

E = TypeVar("E", bound="StrEnum")

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_BODY_SECONDS = 5.0
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_TEXT = 200
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


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
    value = request.args.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= MAX_LIMIT:
        raise ProblemError(
            400,
            "Bad query value",
            f"limit={value[:100]!r} is not a number of entries that can be given",
            f"write a whole number from 1 to {MAX_LIMIT}, such as limit=100",
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


def one_of(request: Request, name: str, words: Iterable[str]) -> str | None:
    """Read one of these words; None if it is absent."""
    value = request.args.get(name)
    if value is not None and value not in words:
        raise ProblemError(
            400, "Bad query value", f"{name}={value[:100]!r} is not known", f"write one of {', '.join(words)}"
        )
    return value


def member(request: Request, name: str, kinds: type[E]) -> E | None:
    """Read one of the words of an enumeration; None if it is absent."""
    value = one_of(request, name, [kind.value for kind in kinds])
    return None if value is None else kinds(value)


def optional_flag(request: Request, name: str) -> bool | None:
    """Read a yes or no; None if it is absent."""
    return flag(request, name) if name in request.args else None


def identifier(request: Request, name: str, where: str) -> str | None:
    """Read an id, of IRM's or of ours; None if it is absent. `where` tells where ids are found."""
    value = request.args.get(name)
    if value is not None and not _ID.fullmatch(value):
        raise ProblemError(
            400, "Bad query value", f"{name}={value[:100]!r} is no id that there can be", where
        )
    return value


def text(request: Request, name: str) -> str:
    """Read words to look for, at most 200 characters; "" if they are absent."""
    value = request.args.get(name, "")
    if len(value) > MAX_TEXT:
        raise ProblemError(
            400, "Bad query value", f"{name} is too long", f"write at most {MAX_TEXT} characters"
        )
    return value


def moment(request: Request, name: str) -> datetime | None:
    """Read a time of RFC 3339, which names its zone; None if it is absent."""
    value = request.args.get(name)
    if value is None:
        return None
    try:
        found: datetime = msgspec.convert(value, _Moment)
        return found.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise ProblemError(
            400,
            "Bad query value",
            f"{name}={value[:100]!r} is no time with a zone",
            f"write it as in {name}=2026-11-23T09:30:00Z; in a zone such as +02:00 the plus is written %2B",
        ) from None


def cursor(request: Request) -> str | None:
    """Read where a page of a list begins: `cursor`, or `before` as it was called first; None at the beginning."""
    if "cursor" in request.args and "before" in request.args:
        raise ProblemError(
            400, "Bad query value", "cursor and before are two names of one thing", "write cursor= alone"
        )
    return request.args.get("cursor", request.args.get("before"))


def unknown_cursor() -> ProblemError:
    """Make the error of a cursor that is none of the list."""
    return ProblemError(
        400,
        "Unknown cursor",
        "cursor= is no cursor of this list",
        "take the `next` of the page before it; without cursor= the list begins with the newest",
    )


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


def is_id(text: str) -> bool:
    """Tell whether there can be such an id, of IRM's or of ours."""
    return _ID.fullmatch(text) is not None


def form(request: Request, *names: str) -> dict[str, str]:
    """Read what a form sends, of which it must be nothing but these names, each once."""
    body = read_body(request)
    if body and request.mimetype != "application/x-www-form-urlencoded":
        raise ProblemError(
            415,
            "Unsupported Media Type",
            f"this wants what a form sends, and not {request.mimetype[:100]!r}",
            "use the form of the page; programs find what they want in GET /api/v1/docs",
        )
    try:
        text = body.decode("ascii")
        sent = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=20
        )
    except ValueError:
        raise ProblemError(400, "Bad form", "what was sent is no form", "use the form of the page") from None
    found = dict(sent)
    if len(found) != len(sent) or not found.keys() <= set(names):
        allowed = f"its fields: {', '.join(names)}" if names else "it has no fields"
        raise ProblemError(400, "Bad form", "a field stands there twice, or is not known", allowed)
    return found


def no_body(request: Request) -> None:
    """Refuse a body that says something: it would be ignored, and its sender would not know."""
    body = read_body(request).strip()
    if body in (b"", b"{}"):
        return
    if request.mimetype and request.mimetype != "application/json":
        raise ProblemError(
            415,
            "Unsupported Media Type",
            f"this request wants no body, and none of the type {request.mimetype[:100]!r}",
            "put what you mean in the query, such as ?dry_run=true",
        )
    raise ProblemError(
        400,
        "Unexpected body",
        "this request wants no body, or an empty JSON object",
        "put what you mean in the query, such as ?dry_run=true",
    )


def read_body(request: Request) -> bytes:
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
