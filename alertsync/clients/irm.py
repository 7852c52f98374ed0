"""Reads and mends Grafana IRM through its public API (`/api/v1`).

Facts that steer the code, observed on Grafana OnCall: `state=new` is what results call "firing"; success of an
action is a 200 with an empty body; a silence of 0 or -1 seconds is one for ever. An action is one attempt without
any waiting, as each needs a fresh reading before it; what it gives back is IRM's own time when it had acted. How
lists are read stands in `irm_pages.py`, how payloads are posted in `irm_inbound.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from alertsync.clients.abreast import Abreast
from alertsync.clients.deliveries import WireDelivery, delivery
from alertsync.clients.irm_inbound import Inbound
from alertsync.clients.irm_pages import Listing, Lists, Page
from alertsync.clients.irm_wire import (
    User,
    WireAlertGroup,
    WireIntegration,
    WireNote,
    alert_group,
    integration,
    refusal,
)
from alertsync.clients.wire import decode
from alertsync.models import AlertGroup, Deliveries, IrmSnapshot, Operation
from alertsync.progress import UNWATCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from alertsync.clients.http import Http
    from alertsync.clock import Deadline
    from alertsync.progress import Reporter

T = TypeVar("T")

__all__ = ["IrmClient", "User", "refusal"]

_OPEN_STATES = ("new", "acknowledged", "silenced")
_REQUESTS_OF_A_TURN = 5
_MOST_ABREAST = 4
"""So many alert groups have their turns at the same time, where that uses half of the rate limit at most."""
_MAX_NOTES = 500
_GROUPS = "/api/v1/alert_groups/"
_ALERTS = "/api/v1/alerts/"
_NOTES = "/api/v1/resolution_notes/"
_INTEGRATIONS = Listing(
    Operation.LIST_INTEGRATIONS, "/api/v1/integrations/", {}, Page[WireIntegration], lambda one: one
)
_RANGE = "%Y-%m-%dT%H:%M:%S"
_FAR = timedelta(days=3660)
"""A range of times needs an end; this one lies beyond any difference between two clocks."""


class IrmClient:
    """Speaks IRM's public API. Every method raises `UpstreamError`."""

    def __init__(self, http: Http, *, page_size: int) -> None:
        self._http = http
        self._lists = Lists(http, page_size)
        self._inbound = Inbound(http.endpoint, http.clock, http.jitter)
        self._abreast = max(min(http.burst // (2 * _REQUESTS_OF_A_TURN), _MOST_ABREAST), 1)
        self._turns = Abreast(self._abreast, "irm-turn")

    # Reading

    def snapshot(self, deadline: Deadline, progress: Reporter = UNWATCHED) -> IrmSnapshot:
        """Read every integration and every open alert group, whatever its state."""
        integrations = self._lists.read(_INTEGRATIONS, deadline, progress=progress)
        known = integrations.by_id.values()
        self._inbound.learn(
            {one.id: (one.link, one.type) for one in known if one.link is not None},
            {one.id: (link, one.type) for one in known if (link := one.heartbeat_link) is not None},
        )
        listings = [
            Listing(Operation.LIST_ALERT_GROUPS, _GROUPS, {"state": state}, Page[WireAlertGroup], alert_group)
            for state in _OPEN_STATES
        ]
        groups: dict[str, AlertGroup] = {}
        for found in self._lists.read_all(listings, deadline, progress):
            groups |= found.by_id
        return IrmSnapshot(
            alert_groups=tuple(groups.values()),
            integrations=tuple(map(integration, integrations.by_id.values())),
            # Both of one moment, the first: carried on, IRM's time must not run ahead by what the reading took.
            clock=integrations.clock,
            read_at=integrations.asked_at,
        )

    def alert_group(self, alert_group_id: str, deadline: Deadline) -> AlertGroup:
        """Read one alert group as it is now."""
        operation = Operation.READ_ALERT_GROUP
        answer = self._http.get(operation, _path(alert_group_id), deadline)
        return alert_group(decode(self._http, operation, answer, WireAlertGroup))

    def resolved_since(
        self, integration_id: str | None, since: datetime, deadline: Deadline, *, at_most: int
    ) -> tuple[AlertGroup, ...]:
        """Read the alert groups that began at `since` (IRM's clock) or later and are resolved by now, newest first.

        Of one integration, or of all; the newest `at_most`.
        """
        begin = since.astimezone(UTC)
        query = {
            "state": "resolved",
            "started_at": f"{begin.strftime(_RANGE)}_{(begin + _FAR).strftime(_RANGE)}",
        }
        if integration_id is not None:
            query["integration_id"] = integration_id
        listing = Listing(Operation.LIST_RESOLVED, _GROUPS, query, Page[WireAlertGroup], alert_group)
        found = self._lists.read(listing, deadline, at_most=at_most)
        groups = sorted(found.by_id.values(), key=lambda one: one.created_at, reverse=True)
        return tuple(groups[:at_most])

    def pages_of(self, entries: int) -> int:
        """Tell how many requests it takes to read so many deliveries."""
        return self._lists.pages_of(_ALERTS, entries)

    def deliveries(
        self, alert_group_id: str, deadline: Deadline, *, at_most: int, progress: Reporter = UNWATCHED
    ) -> Deliveries:
        """Read the deliveries of an alert group, newest first, `at_most` so many."""
        query = {"alert_group_id": alert_group_id}
        listing = Listing(Operation.LIST_DELIVERIES, _ALERTS, query, Page[WireDelivery], delivery)
        found = self._lists.read(listing, deadline, at_most=at_most, progress=progress)
        items = sorted(found.by_id.values(), key=lambda one: one.created_at, reverse=True)
        return Deliveries(
            items=tuple(items[:at_most]), read_at=found.asked_at, complete=len(items) <= at_most
        )

    def notes(self, alert_group_id: str, deadline: Deadline) -> tuple[str, ...]:
        """Read the texts of the resolution notes of an alert group, in IRM's order, 500 at most."""
        query = {"alert_group_id": alert_group_id}
        listing = Listing(Operation.LIST_NOTES, _NOTES, query, Page[WireNote], lambda one: one.text or "")
        found = self._lists.read(listing, deadline, at_most=_MAX_NOTES)
        return tuple(found.by_id.values())[:_MAX_NOTES]

    def current_user(self, deadline: Deadline) -> User:
        """Read whose token this is; IRM answers 500 for the token of a service account."""
        answer = self._http.get(Operation.READ_USER, "/api/v1/users/current/", deadline)
        return decode(self._http, Operation.READ_USER, answer, User)

    # Acting

    def has_room(self) -> bool:
        """Tell whether at least half of the requests that the rate limit lets through are left for now."""
        return self._http.has_room()

    def take_turns(self, turns: Iterable[Callable[[], T]]) -> list[T]:
        """Take turns, some of them side by side, and give what each gave; each waits with `abreast` for its turn."""
        return self._turns.all(turns)

    def wait_for_turn(self, deadline: Deadline, *, abreast: bool = False) -> None:
        """Wait until one can read, note, read again, act, and look without waiting, whatever others `abreast` do."""
        turns = self._abreast if abreast else 1
        self._http.wait_for_room(_REQUESTS_OF_A_TURN * turns, Operation.RESOLVE, deadline)

    def resolve(self, alert_group_id: str, deadline: Deadline) -> datetime:
        """Resolve an alert group."""
        return self._act(Operation.RESOLVE, "resolve", alert_group_id, deadline)

    def unresolve(self, alert_group_id: str, deadline: Deadline) -> datetime:
        """Open a resolved alert group again; it escalates from the start, and Alertmanager can never close it."""
        return self._act(Operation.UNRESOLVE, "unresolve", alert_group_id, deadline)

    def silence(self, alert_group_id: str, seconds: int, deadline: Deadline) -> datetime:
        """Silence an alert group for so many seconds from now, whatever silence it had; ValueError below 1."""
        if seconds < 1:
            raise ValueError(f"{seconds} s: IRM takes 0 and -1 as for ever")
        return self._act(Operation.SILENCE, "silence", alert_group_id, deadline, {"delay": int(seconds)})

    def unsilence(self, alert_group_id: str, deadline: Deadline) -> datetime:
        """End the silence of an alert group; its escalation goes on."""
        return self._act(Operation.UNSILENCE, "unsilence", alert_group_id, deadline)

    def add_note(self, alert_group_id: str, text: str, deadline: Deadline) -> None:
        """Write a resolution note; not repeated when in doubt, so that no note stands there twice."""
        note = {"alert_group_id": alert_group_id, "text": text}
        self._http.post(Operation.WRITE_NOTE, _NOTES, deadline, json=note)

    def post(self, integration_id: str, payload: Mapping[str, object], deadline: Deadline) -> datetime:
        """Post a payload to the inbound link that an integration had in the last snapshot.

        An answer means that it was taken, not that anybody was paged. Without room (`post_room`) nothing is sent
        (rate_limited), nor without a link (not_found).
        """
        return self._inbound.post(integration_id, payload, deadline)

    def beat(self, integration_id: str, deadline: Deadline) -> datetime:
        """Send the heartbeat that an integration had in the last snapshot; without one nothing is sent (not_found)."""
        return self._inbound.beat(integration_id, deadline)

    def post_room(self, integration_id: str) -> int:
        """Tell how many payloads may be posted to an integration now; 0 if it has no link."""
        return self._inbound.room(integration_id)

    def _act(
        self, operation: Operation, verb: str, alert_group_id: str, deadline: Deadline, body: object = None
    ) -> datetime:
        path = f"{_path(alert_group_id)}{verb}/"
        return self._http.post(operation, path, deadline, attempts=1, json=body).clock


def _path(alert_group_id: str) -> str:
    return f"{_GROUPS}{quote(alert_group_id, safe='')}/"
