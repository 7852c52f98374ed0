"""The ways in which an exchange over HTTP can go wrong, as values that a test can list.

They know nothing of sockets: a fault turns a request, or the true answer to it, into
what the client is to see.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from http import HTTPStatus

FAULT_KINDS = frozenset(
    {
        "status",
        "drop",
        "delay",
        "cut",
        "not_json",
        "wrong_type",
        "wrong_shape",
        "redirect",
        "throttle",
        "lost_answer",
    }
)
_THROTTLED_FOR = 46  # seconds, as in the answer that was recorded from a real server


@dataclass(frozen=True)
class Received:
    """A request as it arrived. Header names keep their case; `at` is time.monotonic()."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Fault:
    """One way to break an exchange, and which requests it hits.

    The first matching fault with `times` left applies to a request, and only that one.

    | kind | what the client sees |
    |---|---|
    | status | `status` and `body`; the application is not reached |
    | drop | the connection ends without an answer; the application is not reached |
    | delay | the true answer, `seconds` late |
    | cut | the true answer, its body ending in the middle of what Content-Length promises |
    | not_json | 200 and application/json, but the body is HTML |
    | wrong_type | the true answer, labelled text/html |
    | wrong_shape | 200 and a JSON object that nobody expects |
    | redirect | 302 to `location` |
    | throttle | 429 as Grafana IRM words it; `retry_after` seconds, 46 if None |
    | lost_answer | the application has done the request, but the connection ends before the answer |

    `path` and `query` are substrings of the path and of the raw query string. The first
    `after` matching requests pass untouched. `times` of -1 means always. With "status",
    `retry_after` adds a Retry-After header.
    """

    kind: str
    method: str | None = None
    path: str = ""
    query: str = ""
    after: int = 0
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    location: str = ""
    retry_after: int | None = None
    body: bytes = b""

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault kind {self.kind!r}, expected one of {sorted(FAULT_KINDS)}")

    def matches(self, request: Received) -> bool:
        """Tell whether this fault is meant for that request."""
        return (
            self.method in (None, request.method)
            and self.path in request.path
            and self.query in request.query
        )


@dataclass(frozen=True)
class Answer:
    """What is written back; `cut` ends the body in its middle and then the connection."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool = False


def stand_in(fault: Fault) -> Answer | None:
    """Build the answer of a fault that never asks the application, None for the others."""
    as_json = (("Content-Type", "application/json"),)
    wait = _THROTTLED_FOR if fault.retry_after is None else fault.retry_after
    match fault.kind:
        case "status":
            headers = [("Content-Type", _guess_type(fault.body))]
            if fault.retry_after is not None:
                headers.append(("Retry-After", str(fault.retry_after)))
            return Answer(fault.status, tuple(headers), fault.body)
        case "not_json":
            return Answer(HTTPStatus.OK, as_json, b"<html><body>not what you asked for</body></html>")
        case "wrong_shape":
            return Answer(HTTPStatus.OK, as_json, b'{"unexpected": true}')
        case "redirect":
            return Answer(HTTPStatus.FOUND, (("Location", fault.location),), b"")
        case "throttle":
            text = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
            headers = [("Retry-After", str(wait)), ("RateLimit-Reset", str(wait))]
            body = json.dumps({"detail": text}, separators=(",", ":")).encode()
            return Answer(HTTPStatus.TOO_MANY_REQUESTS, (*as_json, *headers), body)
    return None


def spoil(fault: Fault, answer: Answer) -> Answer | None:
    """Turn the application's answer into what the client is to see; None means to hang up."""
    match fault.kind:
        case "cut":
            return replace(answer, cut=True)
        case "wrong_type":
            kept = tuple(pair for pair in answer.headers if pair[0].lower() != "content-type")
            return replace(answer, headers=(*kept, ("Content-Type", "text/html; charset=utf-8")))
    return None  # lost_answer: the work is done, and nobody is told


def _guess_type(body: bytes) -> str:
    try:
        json.loads(body)
    except ValueError:
        return "text/html; charset=utf-8"
    return "application/json"
