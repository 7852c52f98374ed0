"""One HTTP session an upstream, with the manners that both upstreams need.

Timeouts on everything, a bounded number of jittered retries of what may be repeated, no redirect followed
(a token must not travel to a host that nobody configured), no netrc, no cookies, a cap on what is read and on how
long it may take in all, and one classification of what can go wrong.
"""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
import tenacity
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError as Urllib3Error

from alertsync.clients import failures
from alertsync.clients.exchange import BoundedAdapter, bounded
from alertsync.clients.tally import Tally
from alertsync.errors import Reason, UpstreamError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from alertsync.clients.limiter import Limiter
    from alertsync.clock import Clock, Deadline
    from alertsync.models import Operation

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a request is sent at most."""
_BACKOFF_SECONDS = 0.5
_BACKOFF_MAX_SECONDS = 5.0
_QUIET_WAIT_SECONDS = 2.0
_CHUNK_BYTES = 1 << 18
_MAX_BODY_BYTES = 512 << 20
_MAX_ERROR_BODY_BYTES = 1 << 16


class HeaderAuth(AuthBase):
    """Sets Authorization to exactly `value`; with None, sends none, and lets no netrc supply one."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header on `request`."""
        if self._value is None:
            request.headers.pop("Authorization", None)
        else:
            request.headers["Authorization"] = self._value
        return request


@dataclass(frozen=True)
class Endpoint:
    """An upstream: its name for messages, its base address, and how to be let in. `timeout` in seconds.

    `secrets` are struck out of what the upstream says before it is passed on: some servers echo a request.
    `inbound` for an integration's inbound link: what can go wrong there has other cures. `tally` counts the requests.
    """

    upstream: str
    base_url: str
    auth: AuthBase
    headers: Mapping[str, str]
    timeout: float
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    secrets: tuple[str, ...] = ()
    inbound: bool = False
    tally: Tally = field(default_factory=Tally, compare=False, repr=False)


@dataclass(frozen=True)
class Answer:
    """A 2xx answer; nobody changes its body. `asked_at` is our time before it was sent, `clock` the server's when it answered."""

    status: int
    body: bytes | bytearray
    asked_at: datetime
    clock: datetime


@dataclass(frozen=True)
class _Request:
    operation: Operation
    method: str
    path: str
    params: Mapping[str, str | list[str]] | None = None
    json: object = None


class Http:
    """Sends requests to one upstream; raises `UpstreamError` for all but a 2xx that arrived whole."""

    def __init__(
        self, endpoint: Endpoint, clock: Clock, *, limiter: Limiter | None = None, jitter: random.Random
    ) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.jitter = jitter
        self._limiter = limiter
        self._local = threading.local()

    def get(
        self,
        operation: Operation,
        path: str,
        deadline: Deadline,
        params: Mapping[str, str | list[str]] | None = None,
    ) -> Answer:
        """GET `path`, again if need be."""
        return self._send(_Request(operation, "GET", path, params=params), deadline, repeatable=True)

    def post(
        self,
        operation: Operation,
        path: str,
        deadline: Deadline,
        *,
        attempts: int = ATTEMPTS,
        json: object = None,
    ) -> Answer:
        """POST `path`; again only if the server has certainly not acted.

        With a single attempt, nothing is waited for: what is posted may rest on a reading that grows old.
        """
        request = _Request(operation, "POST", path, json=json)
        return self._send(request, deadline, attempts=attempts, repeatable=False)

    def delete(self, operation: Operation, path: str, deadline: Deadline) -> Answer:
        """DELETE `path`, again if need be: what is gone stays gone."""
        return self._send(_Request(operation, "DELETE", path), deadline, repeatable=True)

    def close(self) -> None:
        """Close this thread's connections."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None:
            session.close()

    @property
    def burst(self) -> int:
        """How many requests the rate limit lets through in a row."""
        return sys.maxsize if self._limiter is None else self._limiter.limit.requests

    def has_room(self) -> bool:
        """Tell whether at least half of the requests that the rate limit lets through are left for now."""
        return self._limiter is None or self._limiter.room() >= self._limiter.limit.requests / 2

    def wait_for_room(self, requests: int, operation: Operation, deadline: Deadline) -> None:
        """Wait until the rate limit lets so many requests through, and the server wants no more quiet."""
        if self._limiter is None:
            return
        while (wait := self._limiter.wait_needed(requests)) > 0:
            if wait >= deadline.remaining():
                raise self._must_wait(operation, wait)
            if wait > _QUIET_WAIT_SECONDS:
                log.warning(
                    "waiting for the rate limit", extra={"operation": operation, "seconds": round(wait)}
                )
            deadline.sleep(wait)

    def _send(
        self, request: _Request, deadline: Deadline, *, repeatable: bool, attempts: int = ATTEMPTS
    ) -> Answer:
        deadline.check()

        def worth_repeating(error: BaseException) -> bool:
            return isinstance(error, UpstreamError) and (
                error.retryable if repeatable else error.never_arrived
            )

        def done_trying(state: tenacity.RetryCallState) -> bool:
            out_of_time = state.upcoming_sleep >= deadline.remaining() or deadline.should_stop()
            return state.attempt_number >= attempts or out_of_time

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(worth_repeating),
            stop=done_trying,
            wait=self._wait,
            sleep=deadline.sleep,
            reraise=True,
        )
        return retrying(self._once, request, deadline, patient=attempts > 1)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, UpstreamError) else None
        if asked is not None:
            return asked
        ceiling = min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2**state.attempt_number)
        return self.jitter.uniform(ceiling / 2, ceiling)

    def _once(self, request: _Request, deadline: Deadline, *, patient: bool) -> Answer:
        operation = request.operation
        self._keep_rate(operation, deadline, patient=patient)
        if request.method != "GET":
            # Last of all: whatever was waited for lies behind us.
            deadline.hold.prove()
        seconds = min(self.endpoint.timeout, deadline.remaining())
        if seconds <= 0:
            raise failures.out_of_time(self.endpoint, operation)
        try:
            # Each wait for bytes is bounded by `seconds`, the whole exchange by the deadline: servers drip.
            with bounded(deadline.remaining()):
                return self._exchange(request, deadline, seconds)
        except (requests.RequestException, Urllib3Error, OSError) as error:
            if deadline.remaining() <= 0:
                raise failures.out_of_time(self.endpoint, operation) from None
            raise failures.of_transport(error, self.endpoint, operation) from None

    def _exchange(self, request: _Request, deadline: Deadline, seconds: float) -> Answer:
        asked_at, began, code = self.clock.now(), self.clock.monotonic(), None
        try:
            with self._asked(request, seconds) as response:
                body = self._read(response, request.operation, deadline)
                code = response.status_code
                return self._judge(response, body, request.operation, asked_at)
        finally:
            self.endpoint.tally.add(request.operation, code, self.clock.monotonic() - began)

    def _asked(self, request: _Request, seconds: float) -> requests.Response:
        return self._session().request(
            request.method,
            self.endpoint.base_url + request.path,
            params=request.params,
            json=request.json,
            timeout=seconds,
            stream=True,
            allow_redirects=False,
            cert=self.endpoint.cert,
        )

    def _keep_rate(self, operation: Operation, deadline: Deadline, *, patient: bool) -> None:
        if self._limiter is None:
            return
        while (wait := self._limiter.claim()) > 0:
            if not patient:
                raise self._must_wait(operation, wait)
            self.wait_for_room(1, operation, deadline)

    def _must_wait(self, operation: Operation, wait: float) -> UpstreamError:
        asked = self._limiter is not None and self._limiter.server_asked
        return failures.must_wait(self.endpoint, operation, wait, asked=asked)

    def _session(self) -> requests.Session:
        """Give this thread its session: requests does not promise that threads can share one."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = self.endpoint.auth
            session.headers.update(self.endpoint.headers)
            session.mount("http://", BoundedAdapter())
            session.mount("https://", BoundedAdapter())
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            # What the environment says of proxies and authorities, asked once: to look for it takes requests longer
            # than all the rest that it does for a request.
            found = session.merge_environment_settings(
                self.endpoint.base_url, {}, None, self.endpoint.verify, None
            )
            session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
            self._local.session = session
        return session

    def _read(
        self, response: requests.Response, operation: Operation, deadline: Deadline
    ) -> bytes | bytearray:
        limit = _MAX_BODY_BYTES if response.ok else _MAX_ERROR_BODY_BYTES
        body = bytearray()  # grown in place: joined from its parts, a large body would be there twice
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > limit and response.ok:
                raise failures.too_large(self.endpoint, operation, limit)
            if len(body) > limit:
                break
            if deadline.remaining() <= 0:
                raise failures.out_of_time(self.endpoint, operation)
        return body

    def _judge(
        self, response: requests.Response, body: bytes | bytearray, operation: Operation, asked_at: datetime
    ) -> Answer:
        if 200 <= response.status_code < 300:  # noqa: PLR2004  2xx is success
            return Answer(response.status_code, body, asked_at, self._server_clock(response))
        error = failures.of_status(response, body, self.endpoint, operation)
        if (
            error.reason is Reason.RATE_LIMITED
            and self._limiter is not None
            and error.retry_after is not None
        ):
            self._limiter.close_for(error.retry_after)
        raise error

    def _server_clock(self, response: requests.Response) -> datetime:
        """Read the Date header, which is cut to whole seconds; our own time where there is none."""
        try:
            date = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError):
            return self.clock.now()
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        # Half a second is the expected error of a time cut to whole seconds.
        return date + timedelta(milliseconds=500)
