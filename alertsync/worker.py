"""gunicorn's threaded worker, with five differences: how it ends at boot, refuses, waits for slow clients, takes turns, parts.

A request line or a header that is too long never reaches Flask. gunicorn answers it with an HTML page; our
users' clients expect what they get everywhere else, a JSON problem.

gunicorn gives a thread to a new connection before its first byte is there, for five seconds, and then waits for the
rest for ever. A few clients that say nothing or stop in the middle, by accident or design, would hold all threads,
and the probes would fail with them. So a connection gets a thread once something has arrived, and each request has
a bounded time to arrive, and each part of an answer to be taken.

gunicorn lets as many requests begin as it has threads, in the order in which they came. A flood of them would leave the
probes at its end, and every thread waiting for all others. `admission.py` says who begins when.

When an answer was the last on its connection, gunicorn waits up to two seconds for the client to close its end, in
the thread that accepts, dispatches and tells the master that we live. A client that keeps its end open would halt
everybody for that time, and thirty of them would get the worker killed, in the middle of an action. So the poller
waits for them beside everything else.

An app that will not start ends its worker, and the master, which ends the others. Where a second worker ends so meanwhile,
the master stumbles over it: a traceback hides the reason. So the first one ends, and the others wait to be ended.

gunicorn's master loads this module before it forks, so it needs nothing of Flask: what the master imports, it keeps.
"""

from __future__ import annotations

import contextlib
import errno
import json
import selectors
import socket
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from alertsync.admission import MOMENT_SECONDS, Admission, is_probe
from alertsync.errors import PROBLEM_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    _Ended = Callable[[Any, Future[object]], None]

_HINTS = {
    414: "shorten the address",
    431: "send fewer or shorter headers; a header may have 8190 bytes",
}

_REQUEST_SECONDS = 10.0
"""How long we wait for a request, head and body, in all; what the request does in between does not count."""
_ANSWER_SECONDS = 60.0
"""How long a client may take to receive what we send at once."""
_PROBE_THREADS = 2
"""Threads for probes and scrapes alone; while all of them are busy, as with clients that take no answer, others help."""
_END_SECONDS = 10.0
"""How long a worker whose app will not start waits for the master to end it, because of the first one."""
_TURN_SECONDS = 0.001
"""How long a thread computes while others want to: Python's own 5 ms add up at each step of a probe that is in a hurry."""
_MOST_PEEKED = 4096
_PARTING_SECONDS = 2.0
"""How long a client has to close its end after the last answer; an early reset could cost it that answer."""
_PARTING_BYTES = 1 << 16
_MOST_PARTING = 500


class _ImpatientSocket:
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
            f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {PROBLEM_TYPE}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self._client.sendall(head.encode("latin-1") + content)


class _Parting:
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


class ProblemWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """The gthread worker."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  as in the base class
        super().__init__(*args, **options)
        self._parting: dict[int, _Parting] = {}
        self._admission: Admission[Any] = Admission(self.cfg.threads, time.monotonic)
        self._probing = 0

    def init_process(self) -> None:
        """Make the threads that answer probes, in the process that uses them, and let no thread compute for long."""
        sys.setswitchinterval(_TURN_SECONDS)
        self._probes = ThreadPoolExecutor(_PROBE_THREADS, thread_name_prefix="probe")
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the app; end if it will not start."""
        try:
            super().load_wsgi()
        except SystemExit:
            ends = time.monotonic() + _END_SECONDS
            while self.age > 1 and self.alive and time.monotonic() < ends:
                time.sleep(0.1)
            if not self.alive:
                sys.exit(0)
            raise

    def enqueue_req(self, conn: Any) -> None:  # noqa: ANN401  gunicorn ships no types
        """Hand a connection on which something has arrived to a thread, and one on which nothing has to the poller."""
        if not isinstance(conn.sock, _ImpatientSocket):
            conn.sock = _ImpatientSocket(conn.sock)
            conn.close = partial(self._close, conn)
        arrived = conn.sock.peek()
        if arrived is None and not conn.initialized:
            deferred: Future[object] = Future()
            deferred.set_result(_DEFER)
            self.finish_request(conn, deferred)
            return
        conn.data_ready = True
        conn.sock.begin()
        if self._probing < _PROBE_THREADS and is_probe(arrived or b""):
            self._probing += 1
            self._submit(self._probes, conn, self._probed)
            return
        self._admission.add(conn)
        self._admit()

    def _admit(self) -> None:
        """Let those begin whose turn it is."""
        while (conn := self._admission.begin()) is not None:
            self._submit(self.tpool, conn, self._handled)

    def _submit(self, pool: ThreadPoolExecutor, conn: Any, ended: _Ended) -> None:  # noqa: ANN401  gunicorn ships no types
        handled = pool.submit(self.handle, conn)
        handled.add_done_callback(lambda done: self.method_queue.defer(ended, conn, done))

    def _handled(self, conn: Any, done: Future[object]) -> None:  # noqa: ANN401  gunicorn ships no types
        self._admission.end(conn)
        self.finish_request(conn, done)
        self._admit()

    def _probed(self, conn: Any, done: Future[object]) -> None:  # noqa: ANN401  gunicorn ships no types
        self._probing -= 1
        self.finish_request(conn, done)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for what happens next; while requests wait for their turn, look soon whether it has come."""
        super().wait_for_and_dispatch_events(MOMENT_SECONDS if self._admission.waits else timeout)
        self._admit()

    def _close(self, conn: Any, graceful: bool = False) -> None:  # noqa: ANN401  as in gunicorn
        """Close a connection; where gunicorn would wait for the client to do so first, let the poller wait."""
        sock = conn.sock
        if not graceful:
            util.close(sock)
            return
        try:
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
            number = sock.fileno()
            self.poller.register(number, selectors.EVENT_READ, self._hear)
        except (OSError, ValueError, KeyError):
            util.close(sock)
            return
        self._parting[number] = _Parting(sock)
        if len(self._parting) > _MOST_PARTING:
            self._part(next(iter(self._parting)))

    def _hear(self, number: int) -> None:
        if self._parting[number].is_over():
            self._part(number)

    def _part(self, number: int) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            self.poller.unregister(number)
        util.close(self._parting.pop(number).sock)

    def murder_pending(self) -> None:
        """Close the connections on which nothing came, or whose clients do not close their end."""
        super().murder_pending()
        now = time.monotonic()
        for number in [number for number, one in self._parting.items() if one.ends <= now]:
            self._part(number)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ANN401  gunicorn ships no types
        """Answer a request that could not be read or handled."""
        super().handle_error(req, _ProblemSocket(client), addr, exc)
