"""The wire of the simulation: the product's own HTTP clients reach WSGI applications without a socket.

A run makes dozens of requests and a simulation thousands of runs, so the transport below `requests` is replaced:
everything above it is the product's, from its session to its parsing. Here, too, things go wrong on command, to
the n-th request from now: an answer is lost after the act, or we die before or after it.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

if TYPE_CHECKING:
    import pytest

    from tests.unit.clocks import FakeTime

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Any]
Event = Callable[[], None]

HALF_A_REQUEST_SECONDS = 0.025
"""How long a request is on its way, and its answer, too: no two acts happen at the same time."""
TIMEOUT_SECONDS = 10.0

LOST, REFUSED, TIMED_OUT, TIMED_OUT_AFTER = "answer lost", "refused", "timed out", "timed out after the act"
CUT, THROTTLED, BROKEN = "answer cut", "429", "500"
CRASH_BEFORE, CRASH_AFTER = "crash before the act", "crash after the act"
COMMIT = "a commit of ours"
"""In place of an address: counts what we write to our database, and not requests."""
LATER_PAGES = "&page="
"""In place of an address: the second page of a list, and those after it."""
FAULTS = (
    LOST,
    REFUSED,
    TIMED_OUT,
    TIMED_OUT_AFTER,
    CUT,
    THROTTLED,
    BROKEN,
    CRASH_BEFORE,
    CRASH_AFTER,
)


class CrashError(BaseException):
    """Our process has just died, in the middle of what it did."""


@dataclass(frozen=True)
class Exchange:
    """A request of ours that reached a server, and the status of its answer."""

    host: str
    method: str
    path: str
    query: str
    body: bytes
    status: int = 0


@dataclass(frozen=True)
class Plan:
    """What is to go wrong, or to happen, at the request after so many others, and for how many requests.

    Only requests count whose address holds `path`.
    """

    after: int
    fault: str = ""
    event: Event | None = None
    times: int = 1
    path: str = ""


class InTurn:
    """A pool of threads without threads: what is asked side by side is asked in turn, so that a life can be replayed."""

    def __init__(self, *_: Any, **_options: Any) -> None:
        """Take the place of `ThreadPoolExecutor`."""

    def submit(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Call it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **options))
        except BaseException as error:  # noqa: BLE001  a pool keeps whatever ended a call
            future.set_exception(error)
        return future


class Wire:
    """Carries requests to the application mounted at their host.

    `before` is called with each exchange that a server is about to carry out, `done` once it has, `crashing` in
    the moment of our death. The requests after a crash go nowhere: the dead send nothing.
    """

    def __init__(self, time: FakeTime) -> None:
        self._time = time
        self._apps: dict[str, WsgiApp] = {}
        self._plans: dict[int, Plan] = {}
        self._counts: list[int] = []
        self._lock = threading.RLock()
        self._dead = False
        self.requests = 0
        self.faults = 0
        self.later_pages = 0
        self.before: Callable[[Exchange], None] = lambda _: None
        self.done: Callable[[Exchange], None] = lambda _: None
        self.crashing: Event = lambda: None

    def mount(self, host: str, app: WsgiApp) -> None:
        """Let requests to a host reach an application."""
        self._apps[host] = app

    def arm(self, *plans: Plan) -> None:
        """Plan what happens at the next requests; what was planned before is forgotten."""
        self._plans = dict(enumerate(plans))
        self._counts = [0] * len(plans)

    @contextlib.contextmanager
    def without_plans(self) -> Iterator[None]:
        """Let all go well for a while; what was planned goes on after it."""
        plans, counts = self._plans, self._counts
        self._plans, self._counts = {}, []
        try:
            yield
        finally:
            self._plans, self._counts = plans, counts

    def committed(self) -> None:
        """Let happen what is planned after what we have just written to our database: we die, or nothing."""
        if not self._dead and self._due(COMMIT):
            self.faults += 1
            self._die()

    def disarm(self) -> None:
        """Let all go well from now on, with a process that lives."""
        self._plans.clear()
        self._dead = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the transport of every `requests` session."""
        wire = self

        def send(
            _: requests.adapters.HTTPAdapter,
            request: requests.PreparedRequest,
            *_more: Any,
            **_options: Any,
        ) -> requests.Response:
            return wire.send(request)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
        monkeypatch.setattr("alertsync.clients.abreast.ThreadPoolExecutor", InTurn)
        # Proxies are looked for in the environment before each request, and there is no transport that could use one.
        monkeypatch.setattr("requests.sessions.get_environ_proxies", lambda *_, **_options: {})

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        """Carry one request to its server, and the answer back."""
        with self._lock:
            if self._dead:
                raise CrashError
            self.requests += 1
            due = self._due(str(request.url))
            self.later_pages += LATER_PAGES in str(request.url)
            for one in due:
                if one.event is not None:
                    one.event()
            fault = next((one.fault for one in due if one.fault), "")
            if fault:
                self.faults += 1
            self._time.sleep(HALF_A_REQUEST_SECONDS)
            return self._exchange(request, fault)

    def _due(self, url: str) -> list[Plan]:
        due = []
        for index, plan in self._plans.items():
            if plan.path in url and (plan.path == COMMIT) == (url == COMMIT):
                if plan.after <= self._counts[index] < plan.after + plan.times:
                    due.append(plan)
                self._counts[index] += 1
        return due

    def _exchange(self, request: requests.PreparedRequest, fault: str) -> requests.Response:
        self._before_the_act(request, fault)
        if fault == THROTTLED:
            body, wait = b'{"detail":"Request was throttled. Expected available in 2 seconds."}', "2"
            headers = [("Content-Type", "application/json"), ("Retry-After", wait), ("RateLimit-Reset", wait)]
            return _response(request, 429, headers, body)
        if fault == BROKEN:
            return _response(request, 500, [("Content-Type", "text/html")], b"<h1>Server Error (500)</h1>")
        status, headers, body = self._ask(request)
        if fault == CRASH_AFTER:
            self._die()
        if fault == TIMED_OUT_AFTER:
            self._time_out(request)
        self._time.sleep(HALF_A_REQUEST_SECONDS)
        if fault == LOST:
            raise requests.ConnectionError(
                ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")), request=request
            )
        return _response(
            request, status, headers, body[: len(body) // 2] if fault == CUT else body, len(body)
        )

    def _before_the_act(self, request: requests.PreparedRequest, fault: str) -> None:
        if fault == CRASH_BEFORE:
            self._die()
        if fault == TIMED_OUT:
            self._time_out(request)
        if fault == REFUSED:
            refused = ConnectionRefusedError(111, "refused")
            cause = NewConnectionError(None, "refused")  # type: ignore[arg-type]  # no connection was made
            cause.__cause__ = refused
            raise requests.ConnectionError(MaxRetryError(None, "", cause), request=request)  # type: ignore[arg-type]  # there is no pool

    def _time_out(self, request: requests.PreparedRequest) -> None:
        self._time.sleep(TIMEOUT_SECONDS)
        raise requests.ReadTimeout(ReadTimeoutError(None, "", "timed out"), request=request)  # type: ignore[arg-type]  # there is no pool

    def _die(self) -> None:
        self._dead = True
        self.crashing()
        raise CrashError

    def _ask(self, request: requests.PreparedRequest) -> tuple[int, list[tuple[str, str]], bytes]:
        parts = urlsplit(str(request.url))
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        assert isinstance(body, bytes)
        exchange = Exchange(parts.netloc, str(request.method), parts.path, parts.query, body)
        self.before(exchange)
        answered: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], None]:
            answered[:] = [int(status[:3]), headers]
            return lambda _: None

        chunks = self._apps[parts.netloc](_environ(exchange, request), start_response)
        try:
            content = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        self.done(Exchange(parts.netloc, exchange.method, parts.path, parts.query, body, answered[0]))
        return answered[0], answered[1], content


def _environ(exchange: Exchange, request: requests.PreparedRequest) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": exchange.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(exchange.path).decode("latin-1"),
        "QUERY_STRING": exchange.query,
        "SERVER_NAME": exchange.host,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(exchange.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(exchange.body)),
        "HTTP_HOST": exchange.host,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        if key != "CONTENT_LENGTH":
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = str(value)
    return environ


def _response(
    request: requests.PreparedRequest,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    length: int | None = None,
) -> requests.Response:
    kept = [pair for pair in headers if pair[0].lower() != "content-length"]
    raw = urllib3.HTTPResponse(
        body=io.BytesIO(body),
        headers=urllib3.HTTPHeaderDict(
            [*kept, ("Content-Length", str(len(body) if length is None else length))]
        ),
        status=status,
        preload_content=False,
        request_method=request.method,
    )
    return requests.adapters.HTTPAdapter().build_response(request, raw)
