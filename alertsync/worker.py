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
from alertsync.client_sockets import ImpatientSocket, Parting, ProblemSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    _Ended = Callable[[Any, Future[object]], None]

_PROBE_THREADS = 2
"""Threads for probes and scrapes alone; while all of them are busy, as with clients that take no answer, others help."""
_END_SECONDS = 10.0
"""How long a worker whose app will not start waits for the master to end it, because of the first one."""
_TURN_SECONDS = 0.001
"""How long a thread computes while others want to: Python's own 5 ms add up at each step of a probe that is in a hurry."""
_MOST_PARTING = 500


class ProblemWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """The gthread worker."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  as in the base class
        super().__init__(*args, **options)
        self._parting: dict[int, Parting] = {}
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
        if not isinstance(conn.sock, ImpatientSocket):
            conn.sock = ImpatientSocket(conn.sock)
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
        self._parting[number] = Parting(sock)
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
        super().handle_error(req, ProblemSocket(client), addr, exc)
