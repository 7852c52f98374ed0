"""Stands between gunicorn and a client's socket: a bounded time for each request, problems in place of HTML, a good parting.

`worker.py` says why. gunicorn's master loads this, too, so it needs nothing of Flask.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from typing import Any

from alertsync.errors import PROBLEM_TYPE
from alertsync.headers import HEADERS

_HINTS = {
    414: "shorten the address",
    431: "send fewer or shorter headers; a header may have 8190 bytes",
}

_REQUEST_SECONDS = 10.0
"""How long we wait for a request, head and body, in all; what the request does in between does not count."""
_ANSWER_SECONDS = 60.0
"""How long a client may take to receive what we send at once."""
_MOST_PEEKED = 4096
_PARTING_SECONDS = 2.0
"""How long a client has to close its end after the last answer; an early reset could cost it that answer."""
_PARTING_BYTES = 1 << 16


class ImpatientSocket:
    """Stands in for a client's socket, and takes a client that is too slow for one that has hung up.

    Waiting is bounded from one `begin` to the next. Once it was too long it stays so: what comes after the gap
    could be the rest of one request or the beginning of another.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401  a socket, of whatever kind gunicorn has
        self._client = client
        self._left = _REQUEST_SECONDS

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  the socket's own attribute
        return getattr(self._client, name)

    def begin(self) -> None:
        """Begin to wait for a request."""
        if self._left > 0:
            self._left = _REQUEST_SECONDS

    def setblocking(self, blocking: bool) -> None:
        """Wait with a bound where gunicorn would wait for ever."""
        self._client.settimeout(_ANSWER_SECONDS if blocking else 0)

    def peek(self) -> bytes | None:
        """Look at what has arrived, without waiting and without taking any of it; None if nothing has."""
        asked = self._client.gettimeout()
        try:
            self._client.settimeout(0)
            arrived: bytes = self._client.recv(_MOST_PEEKED, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        else:
            return arrived
        finally:
            self._client.settimeout(asked)

    def recv(self, size: int) -> bytes:
        """Receive something; nothing, as if the client had hung up, once its time is over."""
        asked = self._client.gettimeout()
        if self._left <= 0:
            return b""
        began = time.monotonic()
        try:
            self._client.settimeout(self._left if asked is None else min(self._left, asked))
            received: bytes = self._client.recv(size)
        except TimeoutError:
            self._left -= time.monotonic() - began
            if self._left > 0:
                raise
            return b""
        else:
            self._left -= time.monotonic() - began
            return received
        finally:
            self._client.settimeout(asked)

    def sendall(self, content: bytes) -> None:
        """Send everything; a client that does not take it in time is gone."""
        try:
            self._client.sendall(content)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "the client takes too long to receive the answer") from None


class ProblemSocket:
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
            f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {PROBLEM_TYPE}\r\n"
            f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
            + "\r\n"
        )
        self._client.sendall(head.encode("latin-1") + content)


class Parting:
    """A connection whose last answer is sent, until its client has closed its end too."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401  a socket, of whatever kind gunicorn has
        self.sock = sock
        self.ends = time.monotonic() + _PARTING_SECONDS
        self._left = _PARTING_BYTES

    def is_over(self) -> bool:
        """Throw away what the client still sends; tell whether there is nothing more to wait for."""
        try:
            received = len(self.sock.recv(4096))
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._left -= received
        return not received or self._left <= 0
