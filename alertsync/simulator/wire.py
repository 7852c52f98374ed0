"""Serves a simulator on a loopback port and breaks the connection on command.

Most of what goes wrong between two servers goes wrong on the wire: answers that
are late, cut, lost or not what their headers say. Such faults are injected here,
below the application, so that every simulator has them and none knows of them.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from werkzeug.test import run_wsgi_app

from alertsync.simulator.wire_faults import FAULT_KINDS, Answer, Fault, Received, spoil, stand_in
from alertsync.simulator.wire_http import HTTPServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["FAULT_KINDS", "Fault", "Received", "Server"]

_REMEMBERED_REQUESTS = 10_000
_POLL_SECONDS = 0.02


class Server:
    """An application on a port of its own, from the constructor on until `close`.

    The port is bound at once (0 lets the system choose), so `url` is known before `start`.
    """

    def __init__(self, app: WSGIApplication, *, name: str, port: int = 0, host: str = "127.0.0.1") -> None:
        self._app = app
        self._name = name
        self._host = host
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._received: deque[Received] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        with socket.create_server((host, port)) as listener:
            self._http = HTTPServer(app, name=name, listener=listener, answering=self._answer)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._http.port

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://{self._host}:{self.port}"

    @property
    def received(self) -> tuple[Received, ...]:
        """The newest 10 000 requests, oldest first, faulted ones included."""
        with self._lock:
            return tuple(self._received)

    def clear(self) -> None:
        """Forget the requests received so far."""
        with self._lock:
            self._received.clear()

    def inject(self, *faults: Fault) -> None:
        """Add faults behind those already there; the given objects are not changed."""
        with self._lock:
            self._faults.extend(replace(fault) for fault in faults)

    def heal(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def start(self) -> Self:
        """Serve from a thread until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._http.serve_forever, args=(_POLL_SECONDS,), name=self._name, daemon=True
            )
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, end every connection, and wait until no thread is left."""
        self._closing.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.end_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, request: Received, environ: WSGIEnvironment) -> Answer | None:
        """Answer a request the way the faults allow; None means to hang up."""
        fault = self._take(request)
        if fault is None:
            return self._ask_app(environ)
        if fault.kind == "drop":
            return None
        if fault.kind == "delay":
            return None if self._closing.wait(fault.seconds) else self._ask_app(environ)
        return stand_in(fault) or spoil(fault, self._ask_app(environ))

    def _take(self, request: Received) -> Fault | None:
        with self._lock:
            self._received.append(request)
            for fault in self._faults:
                if fault.times == 0 or not fault.matches(request):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times > 0:
                    fault.times -= 1
                return fault
        return None

    def _ask_app(self, environ: WSGIEnvironment) -> Answer:
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        return Answer(int(status.split(maxsplit=1)[0]), tuple(headers), b"".join(chunks))
