"""What happens now, as a stream of server-sent events: how far the run is that goes on, and how the last one ended.

gunicorn lends each stream a thread, and everybody else must always find one: so only a small part of a worker's threads
may stream, each for a bounded time, and a client that has hung up is noticed at once and not at the next thing to say.
Everybody else polls. All streams of a worker share one look at how things stand, whichever process runs.
"""

from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Response, request

from alertsync.web import problems, queries, views

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.clock import Clock
    from alertsync.models import Summary
    from alertsync.services import Services

STREAM_SECONDS = 240.0
"""How long a stream lasts; the client comes again by itself."""
_LOOK_SECONDS = 0.25
_READ_SECONDS = 1.0
_HEARTBEAT_SECONDS = 15.0
_COME_AGAIN_MILLISECONDS = 5000
_SHARE_OF_THREADS = 4
_OTHERS = 6
"""Threads that triggers, live readings and a page need."""
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("events", __name__)
    threads = services.settings.threads
    most = min(threads // _SHARE_OF_THREADS, threads - _OTHERS)
    places = threading.BoundedSemaphore(most)
    now = _Now(services)

    @routes.get("/api/v1/events")
    def events() -> Response:
        queries.check(request)
        answer = Response(mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
        if request.method == "HEAD":
            return answer
        client = _Client(request.environ.get("gunicorn.socket"), services.clock)
        if not places.acquire(blocking=False):
            raise problems.ProblemError(
                503,
                "Too many streams",
                f"this process feeds {most} clients at a time, and keeps its other threads for everybody else",
                "poll /api/v1/status instead, or try again after the seconds of Retry-After",
                headers={"Retry-After": "30"},
            )
        answer.call_on_close(places.release)
        # It is measured when it begins, and would pass for a quick answer.
        request.prom_do_not_track = True  # type: ignore[attr-defined]  # the exporter looks for it
        answer.response = _stream(services, now, client)
        return answer

    return routes


def _stream(services: Services, now: _Now, client: _Client) -> Iterator[bytes]:
    """Give what there is to say until the time is up, the client gone, or the process asked to stop."""
    clock = services.clock
    ends = clock.monotonic() + STREAM_SECONDS
    silent_since = clock.monotonic()
    told: dict[str, bytes] = {}
    yield f"retry: {_COME_AGAIN_MILLISECONDS}\n\n".encode()
    while not services.stop() and clock.monotonic() < ends:
        news = [(name, data) for name, data in now.look().items() if told.get(name) != data]
        if news:
            told |= news
            silent_since = clock.monotonic()
            yield b"".join(b"event: %s\ndata: %s\n\n" % (name.encode(), data) for name, data in news)
        elif clock.monotonic() - silent_since >= _HEARTBEAT_SECONDS:
            silent_since = clock.monotonic()
            yield b": still here\n\n"
        if not client.stays(_LOOK_SECONDS):
            return


class _Now:
    """What stands now, by the name of its event as JSON; looked at once for all streams of this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guard = threading.Lock()
        self._seen: dict[str, bytes] = {}
        self._looked_at = self._read_at = float("-inf")
        self._running: str | None = None
        self._last: Summary | None = None

    def look(self) -> dict[str, bytes]:
        """Give it, as it was a moment ago at most."""
        now = self._services.clock.monotonic()
        with self._guard:
            # A little less than the pause between two looks, so that each finds something new.
            if now - self._looked_at >= _LOOK_SECONDS * 0.8:
                self._looked_at = now
                progress = self._services.progress()
                self._learn_of_the_last(now, None if progress is None else progress.run_id)
                if progress is not None and self._last is not None and self._last.run_id == progress.run_id:
                    # It is recorded, and about to say that it is over.
                    progress = None
                self._seen = {
                    "run": msgspec.json.encode(views.summary(self._last)),
                    "progress": msgspec.json.encode(progress),
                }
            return self._seen

    def _learn_of_the_last(self, now: float, running: str | None) -> None:
        """Ask the store, which costs more than all else here, when a run has ended, and else now and then."""
        if running != self._running or now - self._read_at >= _READ_SECONDS:
            self._running, self._read_at = running, now
            self._last = self._services.store.standing().last


class _Client:
    """The client's end of a stream; `sock` is gunicorn's, None where something else serves."""

    def __init__(self, sock: Any, clock: Clock) -> None:  # noqa: ANN401  a socket, of whatever kind gunicorn has
        self._clock = clock
        self._poll: select.poll | None = None
        if sock is not None:
            self._socket = sock.fileno()
            self._poll = select.poll()

    def stays(self, seconds: float) -> bool:
        """Wait; tell whether the client is there after it, and takes what is sent."""
        if self._poll is None:
            self._clock.sleep(seconds)
            return True
        self._poll.register(self._socket, _GONE)
        if self._poll.poll(seconds * 1000):
            return False
        # Who takes nothing would hold a thread for as long as it takes to be sure of that.
        self._poll.register(self._socket, _GONE | select.POLLOUT)
        return self._poll.poll(0) == [(self._socket, select.POLLOUT)]
