"""Reads and mends Grafana IRM through its public API (`/api/v1`).

Facts that steer the code, observed on Grafana OnCall: `state=new` is what results call "firing"; a page past
the end answers with the last page again; `next` is built from the server's own idea of its address, so only
its query is taken; groups move between pages while one reads, so entries are de-duplicated by id, and a
reading in which entries were lost is done again. Success of an action is a 200 with an empty body.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from alertsync.clients import failures
from alertsync.clients.deliveries import WireDelivery, delivery
from alertsync.clients.wire import decode
from alertsync.errors import Reason, UpstreamError
from alertsync.models import AlertGroup, Deliveries, Integration, IrmSnapshot

if TYPE_CHECKING:
    from alertsync.clients.http import Http
    from alertsync.clock import Deadline

_OPEN_STATES = ("new", "acknowledged", "silenced")
_READINGS = 3
_MAX_PAGES = 2000
_REQUESTS_OF_A_TURN = 3
RESOLVE = "resolve alert group"
"""The operation of which an `UpstreamError` speaks when a resolve failed."""
_NO_BOUND = sys.maxsize


class _Permalinks(msgspec.Struct):
    web: str | None = None


class _AlertGroup(msgspec.Struct):
    id: str
    integration_id: str
    alerts_count: int
    state: str
    created_at: datetime
    title: str | None = None
    permalinks: _Permalinks | None = None
    last_alert: WireDelivery | None = None


class _Integration(msgspec.Struct):
    id: str
    name: str | None
    type: str
    maintenance_mode: str | int | None


class User(msgspec.Struct):
    """The user whom a token belongs to; `role` is admin, editor, viewer or none."""

    id: str
    username: str = ""
    email: str | None = None
    role: str = ""


T = TypeVar("T")
E = TypeVar("E", _AlertGroup, _Integration, WireDelivery)


class _Page(msgspec.Struct, Generic[T]):
    count: int
    next: str | None
    results: list[T]


@dataclass(frozen=True)
class _Listing:
    operation: str
    path: str
    query: dict[str, str]


@dataclass(frozen=True)
class _Entries(Generic[E]):
    """The entries of a list, and our time when its first and its last page were asked for.

    `lost` if some entries left it, or slipped between two pages, while it was read.
    """

    by_id: dict[str, E]
    started_at: datetime
    asked_at: datetime
    clock: datetime
    lost: bool


_INTEGRATIONS = _Listing("list integrations", "/api/v1/integrations/", {})


class IrmClient:
    """Speaks IRM's public API. Every method raises `UpstreamError`."""

    def __init__(self, http: Http, *, page_size: int) -> None:
        self._http = http
        self._page_size = page_size

    def snapshot(self, deadline: Deadline) -> IrmSnapshot:
        """Read every integration and every open alert group, whatever its state."""
        integrations = self._list(_INTEGRATIONS, _Page[_Integration], deadline)
        groups: dict[str, _AlertGroup] = {}
        clock = integrations.clock
        for state in _OPEN_STATES:
            listing = _Listing("list alert groups", "/api/v1/alert_groups/", {"state": state})
            found = self._list(listing, _Page[_AlertGroup], deadline)
            groups |= found.by_id
            clock = found.clock
        return IrmSnapshot(
            alert_groups=tuple(_alert_group(group) for group in groups.values()),
            integrations=tuple(_integration(one) for one in integrations.by_id.values()),
            clock=clock,
            read_at=integrations.started_at,
        )

    def pages_of(self, entries: int) -> int:
        """Tell how many requests it takes to list so many entries."""
        return max(-(-entries // self._page_size), 1)

    def deliveries(self, alert_group_id: str, deadline: Deadline, *, at_most: int) -> Deliveries:
        """Read the deliveries of an alert group, newest first, `at_most` so many."""
        listing = _Listing("list deliveries", "/api/v1/alerts/", {"alert_group_id": alert_group_id})
        found = self._list(listing, _Page[WireDelivery], deadline, at_most=at_most)
        items = sorted(map(delivery, found.by_id.values()), key=lambda one: one.created_at, reverse=True)
        return Deliveries(
            items=tuple(items[:at_most]), read_at=found.asked_at, complete=len(items) <= at_most
        )

    def alert_group(self, alert_group_id: str, deadline: Deadline) -> AlertGroup:
        """Read one alert group as it is now."""
        operation = "read alert group"
        answer = self._http.get(operation, _path(alert_group_id), deadline)
        return _alert_group(decode(self._http, operation, answer, _AlertGroup))

    def wait_for_turn(self, deadline: Deadline) -> None:
        """Wait until an alert group can be read, resolved and noted without waiting in between."""
        self._http.wait_for_room(_REQUESTS_OF_A_TURN, RESOLVE, deadline)

    def resolve(self, alert_group_id: str, deadline: Deadline) -> None:
        """Resolve an alert group, in one attempt and without waiting: each attempt needs a fresh reading."""
        self._http.post(RESOLVE, f"{_path(alert_group_id)}resolve/", deadline, attempts=1)

    def add_note(self, alert_group_id: str, text: str, deadline: Deadline) -> None:
        """Write a resolution note; not repeated when in doubt, so that no note stands there twice."""
        note = {"alert_group_id": alert_group_id, "text": text}
        self._http.post("write resolution note", "/api/v1/resolution_notes/", deadline, json=note)

    def current_user(self, deadline: Deadline) -> User:
        """Read whose token this is; IRM answers 500 for the token of a service account."""
        answer = self._http.get("read current user", "/api/v1/users/current/", deadline)
        return decode(self._http, "read current user", answer, User)

    def _list(
        self, listing: _Listing, shape: type[_Page[E]], deadline: Deadline, *, at_most: int = _NO_BOUND
    ) -> _Entries[E]:
        """Read all pages; again if entries were lost between them; fail if that goes on."""
        for _ in range(_READINGS):
            entries = self._read_pages(listing, shape, deadline, at_most)
            if not entries.lost or len(entries.by_id) > at_most:
                return entries
        raise failures.unstable(self._http.endpoint, listing.operation, _READINGS)

    def _read_pages(
        self, listing: _Listing, shape: type[_Page[E]], deadline: Deadline, at_most: int
    ) -> _Entries[E]:
        params = {**listing.query, "perpage": str(self._page_size)}
        answer = self._http.get(listing.operation, listing.path, deadline, params)
        page = decode(self._http, listing.operation, answer, shape)
        started_at, count_at_start = answer.asked_at, page.count
        by_id = {entry.id: entry for entry in page.results}
        for _ in range(_MAX_PAGES):
            if page.next is None or len(by_id) > at_most:
                lost = page.count < count_at_start or len(by_id) < count_at_start
                return _Entries(by_id, started_at, answer.asked_at, answer.clock, lost)
            params |= self._page_named_by(page.next, listing.operation)
            answer = self._http.get(listing.operation, listing.path, deadline, params)
            page = decode(self._http, listing.operation, answer, shape)
            by_id |= {entry.id: entry for entry in page.results}
        raise failures.wrong_shape(self._http.endpoint, listing.operation, f"more than {_MAX_PAGES} pages")

    def _page_named_by(self, url: str, operation: str) -> dict[str, str]:
        """Take the page number from `next`, never its host: IRM may know itself by another name."""
        query = dict(parse_qsl(urlsplit(url).query))
        if "page" not in query:
            raise failures.wrong_shape(self._http.endpoint, operation, "`next` names no page")
        return query


def _path(alert_group_id: str) -> str:
    return f"/api/v1/alert_groups/{quote(alert_group_id, safe='')}/"


def _alert_group(group: _AlertGroup) -> AlertGroup:
    return AlertGroup(
        id=group.id,
        integration_id=group.integration_id,
        state=group.state,
        alerts_count=group.alerts_count,
        created_at=group.created_at,
        title=(group.title or "").strip(),
        url=group.permalinks.web if group.permalinks else None,
        last_delivery=delivery(group.last_alert) if group.last_alert else None,
    )


def _integration(one: _Integration) -> Integration:
    return Integration(
        id=one.id, name=one.name or "", type=one.type, in_maintenance=one.maintenance_mode is not None
    )


def refusal(error: UpstreamError) -> str:
    """Give the gist of IRM's refusal of an action: "resolved", "attached", "deleted", "forbidden" or "".

    The texts are IRM's own: `Can't resolve a resolved alert group`, `Can't resolve an attached alert group`.
    """
    if error.reason is Reason.NOT_FOUND and error.detail == "Not found.":
        return "deleted"
    if error.reason in (Reason.FORBIDDEN, Reason.UNAUTHORIZED):
        return "forbidden"
    if error.reason is Reason.REJECTED and "a resolved alert group" in error.detail:
        return "resolved"
    if error.reason is Reason.REJECTED and "an attached alert group" in error.detail:
        return "attached"
    return ""
