"""Reads IRM's lists, page by page, until nothing can have slipped between two of them.

Facts that steer the code, observed on Grafana OnCall: a page past the end answers with the last page again;
`next` is built from the server's own idea of its address, so only its query is taken; entries move between pages
while one reads, so they are de-duplicated by id, and a reading in which entries were lost is done again. A gateway
may cap the page size that we ask for, so what counts is how many entries a full page really held.
"""

from __future__ import annotations

import sys
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from alertsync.clients import failures
from alertsync.clients.abreast import Abreast
from alertsync.clients.deliveries import WireDelivery
from alertsync.clients.irm_wire import WireAlertGroup, WireIntegration, WireNote
from alertsync.clients.wire import decode
from alertsync.progress import UNWATCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from alertsync.clients.http import Answer, Http
    from alertsync.clock import Deadline
    from alertsync.models import Operation
    from alertsync.progress import Reporter

_READINGS = 3
_MAX_PAGES = 2000
_SIDE_BY_SIDE = 3
"""As many lists are read at the same time: one for each state of open alert groups."""
NO_BOUND = sys.maxsize
"""As many entries as there are."""

T = TypeVar("T")
E = TypeVar("E", WireAlertGroup, WireIntegration, WireDelivery, WireNote)
V = TypeVar("V")


class Page(msgspec.Struct, Generic[T]):
    """One page of a list."""

    count: int
    next: str | None
    results: list[T]


@dataclass(frozen=True)
class Listing(Generic[E, V]):
    """A list that IRM can be asked for: what its pages look like, and what each entry becomes.

    An entry of the wire may hold on to the page that it came in, so none is kept longer than that.
    """

    operation: Operation
    path: str
    query: dict[str, str]
    shape: type[Page[E]]
    become: Callable[[E], V]


@dataclass(frozen=True)
class Entries(Generic[V]):
    """What the entries of a list became, and our time when its first and its last page were asked for.

    `lost` if some entries left it, or slipped between two pages, while it was read.
    """

    by_id: dict[str, V]
    started_at: datetime
    asked_at: datetime
    clock: datetime
    lost: bool


class Lists:
    """Reads lists through `http`, asking for `page_size` entries a page. Raises `UpstreamError`."""

    def __init__(self, http: Http, page_size: int) -> None:
        self._http = http
        self._page_size = page_size
        self._given: dict[str, int] = {}
        self._lists = Abreast(_SIDE_BY_SIDE, "irm-list")
        self._pages = Abreast(_SIDE_BY_SIDE, "irm-page")

    def pages_of(self, path: str, entries: int) -> int:
        """Tell how many requests it takes to list so many entries of `path`, going by the pages that IRM gave."""
        given = self._given.get(path) or min(self._given.values(), default=self._page_size)
        return max(-(-entries // given), 1)

    def read(
        self,
        listing: Listing[E, V],
        deadline: Deadline,
        *,
        at_most: int = NO_BOUND,
        progress: Reporter = UNWATCHED,
    ) -> Entries[V]:
        """Read all pages, or until more than `at_most` entries are there.

        Again if entries were lost between the pages; fail (unstable) if that goes on.
        """
        for _ in range(_READINGS):
            entries = self._read_pages(listing, deadline, at_most, progress)
            if not entries.lost or len(entries.by_id) > at_most:
                return entries
        raise failures.unstable(self._http.endpoint, listing.operation, _READINGS)

    def read_all(
        self, listings: Sequence[Listing[E, V]], deadline: Deadline, progress: Reporter = UNWATCHED
    ) -> list[Entries[V]]:
        """Read several lists side by side, each as `read` does; raise the error of the first that failed."""
        return self._lists.all(
            partial(self.read, listing, deadline, progress=progress) for listing in listings
        )

    def _read_pages(
        self, listing: Listing[E, V], deadline: Deadline, at_most: int, progress: Reporter
    ) -> Entries[V]:
        params = {**listing.query, "perpage": str(self._page_size)}
        answer = self._http.get(listing.operation, listing.path, deadline, params)
        page = decode(self._http, listing.operation, answer, listing.shape)
        started_at, count_at_start = answer.asked_at, page.count
        progress.expect_pages(_pages(page, at_most))
        by_id: dict[str, V] = {}
        ahead: list[Future[Answer]] = []
        try:
            for _ in range(_MAX_PAGES):
                if page.next is not None:
                    self._learn(listing.path, len(page.results))
                    params = params | self._page_named_by(page.next, listing.operation)
                if page.next is not None and at_most == NO_BOUND:
                    # The server works on the next page while this one is made use of.
                    get = partial(self._http.get, listing.operation, listing.path, deadline, params)
                    ahead = [self._pages.begin(get)]
                by_id |= {entry.id: listing.become(entry) for entry in page.results}
                progress.page()
                if page.next is None or len(by_id) > at_most:
                    lost = page.count < count_at_start or len(by_id) < count_at_start
                    return Entries(by_id, started_at, answer.asked_at, answer.clock, lost)
                if ahead:
                    answer = ahead.pop().result()
                else:
                    answer = self._http.get(listing.operation, listing.path, deadline, params)
                page = decode(self._http, listing.operation, answer, listing.shape)
        finally:
            # Nothing is asked any more once this is over, however it ends.
            wait(ahead)
        raise failures.wrong_shape(self._http.endpoint, listing.operation, f"more than {_MAX_PAGES} pages")

    def _learn(self, path: str, entries: int) -> None:
        """Remember the largest page that was followed by another, and so was full."""
        self._given[path] = max(self._given.get(path, 1), entries)

    def _page_named_by(self, url: str, operation: Operation) -> dict[str, str]:
        """Take the page number from `next`, never its host: IRM may know itself by another name."""
        query = dict(parse_qsl(urlsplit(url).query))
        if "page" not in query:
            raise failures.wrong_shape(self._http.endpoint, operation, "`next` names no page")
        return query


def _pages(first: Page[E], at_most: int) -> int:
    """Tell how many pages a list has of which `first` is one, as far as it is to be read."""
    if first.next is None or not first.results:
        return 1
    return -(-min(first.count, at_most + 1) // len(first.results))
