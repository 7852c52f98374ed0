"""gunicorn's threaded worker, with one difference: what it refuses itself, it refuses as a JSON problem.

A request line or a header that is too long never reaches Flask. gunicorn answers it with an HTML page; our
users' clients expect what they get everywhere else.
"""

from __future__ import annotations

import json
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from alertsync.web.problems import MIME

_HINTS = {
    414: "shorten the address",
    431: "send fewer or shorter headers; a header may have 8190 bytes",
}


class _ProblemSocket:
    """Stands in for the client's socket while gunicorn writes its page, and sends a problem in its place."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401  a socket, of whatever kind gunicorn has
        self._client = client

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  the socket's own attribute
        return getattr(self._client, name)

    def sendall(self, page: bytes) -> None:
        """Send a problem of the same status as the page."""
        _, status, reason = page.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        body = {
            "type": "about:blank",
            "title": reason,
            "status": int(status),
            "detail": "the request was refused before it was read",
            "hint": _HINTS.get(int(status), "is it HTTP/1.1, and does it come from a common client?"),
        }
        content = json.dumps(body).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MIME}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self._client.sendall(head.encode("latin-1") + content)


class ProblemWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """The gthread worker."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ANN401  gunicorn ships no types
        """Answer a request that could not be read or handled."""
        super().handle_error(req, _ProblemSocket(client), addr, exc)
