"""The HTTP side of a simulator: connections that are kept alive, and none left behind.

Werkzeug's own server ends the connection after each answer and forgets its threads. The
first would hide how a client behaves when a pooled connection dies, the second would leak
threads from one test into the next.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from alertsync.simulator.wire_faults import Answer, Received

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Answering = Callable[[Received, "WSGIEnvironment"], Answer | None]


class HTTPServer(ThreadedWSGIServer):
    """A thread for each connection, all of them known, so that closing leaves none behind.

    `answering` gets each request and its WSGI environment; None as its answer means to hang up.
    """

    def __init__(
        self, app: WSGIApplication, *, name: str, listener: socket.socket, answering: Answering
    ) -> None:
        host, port = listener.getsockname()[:2]
        # With a socket of ours, a port in use is an OSError here; werkzeug would exit the process.
        super().__init__(host, port, app, _Handler, fd=listener.fileno())
        self.answering = answering
        self._name = name
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._connections_lock = threading.Lock()

    def process_request(self, request: object, client_address: object) -> None:
        """Handle one connection in a thread that `end_connections` can find."""
        thread = threading.Thread(
            target=self._serve_connection,
            args=(request, client_address),
            name=f"{self._name}-connection",
            daemon=True,
        )
        with self._connections_lock:
            self._connections[thread] = cast("socket.socket", request)
        thread.start()

    def _serve_connection(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._connections_lock:
                del self._connections[threading.current_thread()]

    def end_connections(self) -> None:
        """Break all connections and wait for their threads."""
        with self._connections_lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if thread is not threading.current_thread():
                thread.join()


class _Handler(WSGIRequestHandler):
    """Reads a request whole and writes its answer, keeping the connection open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: HTTPServer

    def run_wsgi(self) -> None:
        """Answer the request whose headers have just been read."""
        environ = self.make_environ()
        body = self._read_body(environ)
        path, _, query = self.path.partition("?")
        request = Received(self.command, path, query, dict(self.headers.items()), body, time.monotonic())
        answer = self.server.answering(request, environ)
        if answer is None:
            self._hang_up()
        else:
            self._write(answer)

    def _read_body(self, environ: WSGIEnvironment) -> bytes:
        if environ.get("wsgi.input_terminated"):
            body: bytes = environ["wsgi.input"].read()
        else:
            body = self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        return body

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        names = {name.lower() for name, _ in answer.headers}
        for name, value in answer.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        if "date" not in names:
            self.send_header("Date", formatdate(usegmt=True))
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        self.close_connection = self.close_connection or answer.cut
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Keep quiet: the requests stand in `Server.received`."""
