"""Posts to the inbound links of integrations, as Alertmanager does, and keeps those links to itself.

The link for an integration's heartbeat is the inbound link with a word behind it, and just as secret.

Whoever knows an integration's link can page people through it. So the links never leave this module: no error, log
line, repr or model shows one, and their secret part is struck from every log line. They may lead to another host
than the API's, to which our token must not travel: nothing but the payload is sent along.

Alertmanager needs the same link for its own pages, so a share of what IRM lets through is left to it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from alertsync.clients import failures
from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clients.limiter import Limiter
from alertsync.config_parsers import RateLimit
from alertsync.models import Operation
from alertsync.redaction import remember

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import datetime

    from alertsync.clock import Clock, Deadline

INBOUND_LIMIT = RateLimit(150, 300.0)
"""Half of the 300 deliveries in 5 minutes that IRM takes for one integration (Grafana's documentation of its rate
limits); the other half is Alertmanager's."""

_BEHIND_THE_KEY = "/heartbeat"
_MIN_SECRET = 8
"""Keys of integrations are longer by far; shorter last parts of a link are words."""


def is_link(link: str | None) -> bool:
    """Tell whether IRM shows an inbound link that can be posted to."""
    parts = _split(link)
    return parts is not None


def _split(link: str | None) -> SplitResult | None:
    try:
        parts = urlsplit((link or "").strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and host else None


@dataclass(frozen=True, repr=False)
class _Door:
    """Where the payloads of one integration go in, and what is secret about it."""

    origin: str
    path: str
    secrets: tuple[str, ...]


def _door(link: str, kind: str) -> _Door | None:
    parts = _split(link)
    if parts is None:
        return None
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    key = parts.path.rstrip("/").removesuffix(_BEHIND_THE_KEY).rpartition("/")[2]
    secrets = [link.strip(), path] if len(path) >= _MIN_SECRET else [link.strip()]
    if len(key) >= _MIN_SECRET and key != kind:
        secrets += [key, unquote(key)]
    if parts.query:
        secrets.append(parts.query)
    # What stands before an @ would be credentials, and has no place in a message.
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return _Door(origin, path, tuple(dict.fromkeys(secrets)))


def _doors(links: Mapping[str, tuple[str, str]]) -> dict[str, _Door]:
    return {id_: door for id_, (link, kind) in links.items() if (door := _door(link, kind)) is not None}


class Inbound:
    """The inbound links of all integrations, as of the last snapshot, and how much may be posted to each.

    IRM counts heartbeats among the deliveries of an integration, so both share one limit.

    `api` is IRM's API, whose TLS settings and timeout apply.
    """

    def __init__(self, api: Endpoint, clock: Clock, jitter: random.Random) -> None:
        self._api = api
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._doors: dict[str, _Door] = {}
        self._heartbeats: dict[str, _Door] = {}
        self._limiters: dict[str, Limiter] = {}

    def learn(self, links: Mapping[str, tuple[str, str]], heartbeats: Mapping[str, tuple[str, str]]) -> None:
        """Take integration id to (link, type of the integration) in place of all that was known before.

        `heartbeats` holds the links for heartbeats in the same way.
        """
        doors, beating = _doors(links), _doors(heartbeats)
        with self._lock:
            for known, now in ((self._doors, doors), (self._heartbeats, beating)):
                remember(
                    secret for id_, door in now.items() if door != known.get(id_) for secret in door.secrets
                )
            self._doors, self._heartbeats = doors, beating
            # What was sent counts until it has left the window, however the link changes.
            self._limiters = {
                id_: self._limiters.get(id_) or Limiter(INBOUND_LIMIT, self._clock)
                for id_ in doors.keys() | beating.keys()
            }

    def room(self, integration_id: str) -> int:
        """Tell how many payloads may be posted to an integration now."""
        with self._lock:
            limiter = self._limiters.get(integration_id) if integration_id in self._doors else None
        return 0 if limiter is None else limiter.room()

    def post(self, integration_id: str, payload: Mapping[str, object], deadline: Deadline) -> datetime:
        """Post in one attempt and without waiting; give IRM's time when it took it. Raises `UpstreamError`."""
        with self._lock:
            door, limiter = self._doors.get(integration_id), self._limiters.get(integration_id)
        if door is None or limiter is None:
            raise failures.no_link(self._api, Operation.POST, integration_id)
        return self._send(Operation.POST, door, limiter, deadline, json=dict(payload))

    def beat(self, integration_id: str, deadline: Deadline) -> datetime:
        """Send a heartbeat in one attempt and without waiting; give IRM's time when it took it. Raises `UpstreamError`."""
        with self._lock:
            door, limiter = self._heartbeats.get(integration_id), self._limiters.get(integration_id)
        if door is None or limiter is None:
            raise failures.no_heartbeat(self._api, Operation.BEAT, integration_id)
        return self._send(Operation.BEAT, door, limiter, deadline)

    def _send(
        self,
        operation: Operation,
        door: _Door,
        limiter: Limiter,
        deadline: Deadline,
        *,
        json: object = None,
    ) -> datetime:
        endpoint = Endpoint(
            upstream=self._api.upstream,
            base_url=door.origin,
            auth=HeaderAuth(None),
            headers={},
            timeout=self._api.timeout,
            verify=self._api.verify,
            cert=self._api.cert,
            secrets=(*self._api.secrets, *door.secrets),
            inbound=True,
            tally=self._api.tally,
        )
        http = Http(endpoint, self._clock, limiter=limiter, jitter=self._jitter)
        try:
            return http.post(operation, door.path, deadline, attempts=1, json=json).clock
        finally:
            http.close()
