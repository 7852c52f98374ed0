"""Who may: lets in people with a password and scripts with a token, and slows, counts and logs the others.

Probes, metrics and the style sheet stay open: those who ask for them carry no secrets, and must be answered while
everything else is refused. Without a secret in the settings everything is open, and the log and the page say so. IRM's
webhooks have a user name and password of their own, which open that one address: IRM's users can read what it sends.
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
    from flask import Flask, Request

    from alertsync.services import Services
    from alertsync.settings import WebSettings
    from alertsync.web.credentials import Wanted
    from alertsync.web.http_metrics import HttpMetrics

log = logging.getLogger(__name__)

_GUARD = "alertsync.guard"
_OPEN = (
    "Anybody who reaches this address can read these pages and trigger runs. "
    "Set WEB_USERNAME and WEB_PASSWORD for people, and TRIGGER_TOKEN for scripts."
)
_OPEN_TO_ALL = frozenset({"probes.healthz", "probes.readyz", "probes.page", "static"})
WEBHOOK = "webhook.receive"
"""The address that IRM posts to."""
_DELAY_SECONDS = 0.5
_WEBHOOK_HINT = (
    "send the user name and the password of WEBHOOK_USERNAME and WEBHOOK_PASSWORD, in IRM by the fields of the webhook or by "
    "its header Authorization"
)
_KINDS = ("application/problem+json", "application/json", "text/plain", "text/html")


def register(app: Flask, services: Services, http_metrics: HttpMetrics) -> None:
    """Guard everything but probes, metrics and the style sheet; to be registered before what reads a request."""
    account = _Account(services, http_metrics)
    settings = services.settings
    guard = app.extensions[_GUARD] = _Guard(settings.web, _hint(settings.web), account)
    webhook = _Guard(settings.webhook, _WEBHOOK_HINT, account)

    @app.before_request
    def let_in() -> Response | None:
        if request.endpoint in _OPEN_TO_ALL:
            return None
        if request.endpoint == WEBHOOK:
            # Where it is off there is nothing to guard, and nothing there.
            return webhook.refusal() if settings.webhook.on else None
        return guard.refusal()

    app.jinja_env.globals["open_to_all"] = open_to_all(services)


def open_to_all(services: Services) -> str:
    """Say that nothing guards the service; "" if something does."""
    return _OPEN if services.settings.web.open else ""


def may_read() -> bool:
    """Tell whether who sent this request may read what is behind a password, at an address that is open to all."""
    guard: _Guard = current_app.extensions[_GUARD]
    return guard.knows()


def who(request: Request, web: WebSettings) -> str:
    """Say who sends a request that was let in, as far as anything shows it."""
    shown = request.authorization
    if shown is not None and shown.type == "basic" and web.username is not None:
        return web.username
    return (
        "a script" if shown is not None and shown.type == "bearer" and web.token is not None else "somebody"
    )


class _Account:
    """Counts, logs and slows the attempts that failed, whatever they were to let in to."""

    def __init__(self, services: Services, http_metrics: HttpMetrics) -> None:
        self._clock = services.clock
        self._attempts = Attempts(services.clock.monotonic)
        self._counted = http_metrics.counter(
            "alertsync_auth_failures",
            "Requests that were not let in, by what they lacked.",
            labels=("reason",),
            values=[(failure,) for failure in Failure],
        )
        # A thread that waits answers nobody: at most one at a time does.
        self._delaying = threading.BoundedSemaphore(1)

    def take(self, failure: Failure) -> int:
        """Count and log an attempt that failed; give the seconds to wait before another one, 0 if few failed."""
        self._counted(failure)
        if failure is Failure.MISSING:
            # The first request of every browser: it knows what to send once it is asked for it.
            return 0
        client = request.remote_addr or "unknown"
        wait = self._attempts.fail(client)
        if not wait:
            log.warning("somebody was not let in", extra={"reason": failure.value, "client": client})
        return wait

    def delay(self) -> None:
        """Let an attempt that failed wait, if no other one does."""
        if self._delaying.acquire(blocking=False):
            try:
                self._clock.sleep(_DELAY_SECONDS)
            finally:
                self._delaying.release()


class _Guard:
    """Judges requests by what they show; `hint` says what lets somebody in."""

    def __init__(self, wanted: Wanted, hint: str, account: _Account) -> None:
        self._wanted = wanted
        self._hint = hint
        self._account = account

    def knows(self) -> bool:
        """Judge a request that is answered in any case."""
        failure = self._judge()
        if failure not in (None, Failure.MISSING):
            self._account.take(failure)
        return failure is None

    def refusal(self) -> Response | None:
        """Give the answer to a request that is not let in, None for one that is."""
        failure = self._judge()
        if failure is None:
            return None
        wait = self._account.take(failure)
        if failure is not Failure.MISSING:
            self._account.delay()
        return self._ask(wait)

    def _judge(self) -> Failure | None:
        return credentials.judge(request.headers.get("Authorization"), self._wanted)

    def _ask(self, wait: int) -> Response:
        """Ask for what is missing, or to be asked less often."""
        wants_page = (
            request.accept_mimetypes.best_match(_KINDS) == "text/html" and request.endpoint != WEBHOOK
        )
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
            detail = "this address is guarded"
            answer = problems.response(401, "Unauthorized", detail, self._hint, headers=headers)
        for challenge in credentials.challenges(self._wanted):
            answer.headers.add("WWW-Authenticate", challenge)
        return answer


def _hint(web: WebSettings) -> str:
    """Say what lets somebody in."""
    script = 'the header "Authorization: Bearer …" with the token of TRIGGER_TOKEN'
    if web.password is None:
        return f"send {script}; in a browser it is the password, with any user name"
    person = "the user name and the password of WEB_USERNAME and WEB_PASSWORD (curl -u NAME asks for it)"
    return f"send {person}" if web.token is None else f"send {person}, or {script}"
