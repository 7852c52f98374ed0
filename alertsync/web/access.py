"""Who may: lets in people with a password and scripts with a token, and slows, counts and logs the others.

Probes, metrics and the style sheet stay open: those who ask for them carry no secrets, and must be answered while
everything else is refused. Without a secret in the settings everything is open, and the log and the page say so.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from flask import Response, current_app, render_template, request

from alertsync.web import credentials, problems
from alertsync.web.attempts import Attempts
from alertsync.web.credentials import Failure

if TYPE_CHECKING:
    from flask import Flask

    from alertsync.services import Services
    from alertsync.settings import WebSettings
    from alertsync.web.http_metrics import HttpMetrics

log = logging.getLogger(__name__)

_GUARD = "alertsync.guard"
_OPEN = (
    "Anybody who reaches this address can read these pages and trigger runs. "
    "Set WEB_USERNAME and WEB_PASSWORD for people, and TRIGGER_TOKEN for scripts."
)
_OPEN_TO_ALL = frozenset({"probes.healthz", "probes.readyz", "probes.page", "static"})
_DELAY_SECONDS = 0.5
_KINDS = ("application/problem+json", "application/json", "text/plain", "text/html")


def register(app: Flask, services: Services, http_metrics: HttpMetrics) -> None:
    """Guard everything but probes, metrics and the style sheet; to be registered before what reads a request."""
    guard = app.extensions[_GUARD] = _Guard(services, http_metrics)

    @app.before_request
    def let_in() -> Response | None:
        return None if request.endpoint in _OPEN_TO_ALL else guard.refusal()

    app.jinja_env.globals["open_to_all"] = open_to_all(services)


def open_to_all(services: Services) -> str:
    """Say that nothing guards the service; "" if something does."""
    return _OPEN if services.settings.web.open else ""


def may_read() -> bool:
    """Tell whether who sent this request may read what is behind a password, at an address that is open to all."""
    guard: _Guard = current_app.extensions[_GUARD]
    return guard.knows()


class _Guard:
    """Judges requests, and keeps account of those that fail."""

    def __init__(self, services: Services, http_metrics: HttpMetrics) -> None:
        self._web = services.settings.web
        self._clock = services.clock
        self._attempts = Attempts(services.clock.monotonic)
        self._counted = http_metrics.counter(
            "alertsync_auth_failures",
            "Requests that were not let in, by what they lacked.",
            label="reason",
            values=tuple(Failure),
        )
        # A thread that waits answers nobody: at most one at a time does.
        self._delaying = threading.BoundedSemaphore(1)

    def knows(self) -> bool:
        """Judge a request that is answered in any case."""
        failure = credentials.judge(request.headers.get("Authorization"), self._web)
        if failure not in (None, Failure.MISSING):
            self._account(failure)
        return failure is None

    def refusal(self) -> Response | None:
        """Give the answer to a request that is not let in, None for one that is."""
        failure = credentials.judge(request.headers.get("Authorization"), self._web)
        if failure is None:
            return None
        if failure is Failure.MISSING:
            # The first request of every browser: it knows what to send once it is asked for it.
            self._counted(failure)
            return self._ask(0)
        wait = self._account(failure)
        if self._delaying.acquire(blocking=False):
            try:
                self._clock.sleep(_DELAY_SECONDS)
            finally:
                self._delaying.release()
        return self._ask(wait)

    def _account(self, failure: Failure) -> int:
        """Count and log an attempt that failed; give the seconds to wait before another one, 0 if few failed."""
        self._counted(failure)
        client = request.remote_addr or "unknown"
        wait = self._attempts.fail(client)
        if not wait:
            log.warning("somebody was not let in", extra={"reason": failure.value, "client": client})
        return wait

    def _ask(self, wait: int) -> Response:
        """Ask for what is missing, or to be asked less often."""
        wants_page = request.accept_mimetypes.best_match(_KINDS) == "text/html"
        headers = {"Retry-After": str(wait)} if wait else {}
        # A browser would take any other status for a yes, keep what was wrong, and ask its user no more.
        if wait and not wants_page:
            return problems.response(
                429,
                "Too many failed attempts",
                "this address has sent wrong credentials too often",
                "wait for the seconds of Retry-After; what is right is let in at once",
                headers=headers,
            )
        if wants_page:
            answer = Response(render_template("refused.html"), 401, headers)
        else:
            hint = _hint(self._web)
            answer = problems.response(401, "Unauthorized", "this address is guarded", hint, headers=headers)
        for challenge in credentials.challenges(self._web):
            answer.headers.add("WWW-Authenticate", challenge)
        return answer


def _hint(web: WebSettings) -> str:
    """Say what lets somebody in."""
    script = 'the header "Authorization: Bearer …" with the token of TRIGGER_TOKEN'
    if web.password is None:
        return f"send {script}; in a browser it is the password, with any user name"
    person = "the user name and the password of WEB_USERNAME and WEB_PASSWORD (curl -u NAME asks for it)"
    return f"send {person}" if web.token is None else f"send {person}, or {script}"
