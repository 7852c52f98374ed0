"""Reads what debts want to know: were they paid, did a resolve happen, what else did IRM resolve because of us.

These readings are made only where something hangs on them, and are bounded: what could not be read counts as
not paid, because a page too many is the lesser harm.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.errors import Reason, UpstreamError
from alertsync.planner.adopt import is_marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from alertsync.clients.irm import IrmClient
    from alertsync.clock import Deadline
    from alertsync.models import AlertGroup, Deliveries, Search, Snapshots

log = logging.getLogger(__name__)

_MAX_LATER = 500
_MAX_LOOKUPS = 100
_MAX_RESOLVED = 1000
_MAX_CANDIDATES = 60
_MOMENT = timedelta(seconds=5)
_LONGEST_SECONDS = 60.0
"""How much of a run may go into such readings: what is due must still be paged in it."""
SILENT = frozenset({Reason.DNS, Reason.UNREACHABLE, Reason.TIMEOUT, Reason.DEADLINE, Reason.RATE_LIMITED})
"""Reasons that mean that IRM does not answer now, whatever it is asked."""
_LONGEST_LIFE = timedelta(days=30)
"""How long before its resolve an alert group may have begun to be found again."""
_WITH_THE_ROOT = timedelta(seconds=10)
"""IRM resolves attached alert groups together with their root."""


class Inquiry:
    """Reads for one run, and takes at most a part of its time; `deliveries` reads those of one alert group.

    What one alert group keeps from being read keeps nothing else from being read; an IRM that does not answer at
    all is not asked again.
    """

    def __init__(
        self,
        irm: IrmClient,
        deadline: Deadline,
        deliveries: Callable[[str, Deadline], Deliveries],
    ) -> None:
        self._irm = irm
        self._run = deadline
        self._deliveries = deliveries
        self._me: str | None = None

    def answer(self, search: Search, known: Snapshots, affordable: Callable[[AlertGroup], bool]) -> Snapshots:
        """Read what a search asks for, and add it to what is known; never raises `UpstreamError`."""
        deadline = self._run.part(_LONGEST_SECONDS)
        later: dict[str, tuple[AlertGroup, ...]] = {}
        found: dict[str, AlertGroup | None] = {}
        read: dict[str, Deliveries] = {}
        try:
            for integration_id, since in search.integrations.items():
                with _told("what was resolved since"):
                    later[integration_id] = self._irm.resolved_since(
                        integration_id, since - _MOMENT, deadline, at_most=_MAX_LATER
                    )
            for group in search.alert_groups:
                if group.id not in known.deliveries and affordable(group):
                    with _told("what was delivered since"):
                        read[group.id] = self._deliveries(group.id, deadline)
            for group_id in search.ids[:_MAX_LOOKUPS]:
                with _told("whether a resolve happened"):
                    found[group_id] = self.find(group_id, deadline)
        except UpstreamError as error:
            log.warning("IRM is not asked further about what is owed", extra={"reason": str(error)})
        return msgspec.structs.replace(
            known,
            later=known.later | later,
            found=known.found | found,
            deliveries=known.deliveries | read,
        )

    def resolved_with_ours(
        self, vanished: Sequence[str], times: Iterable[datetime]
    ) -> tuple[list[tuple[AlertGroup, Deliveries]], list[str]]:
        """Give those alert groups that IRM resolved in our name when we resolved others, at these times of IRM's.

        They were attached to what we resolved; nothing else shows it. Give also those that could not be read.
        If IRM does not answer any more, the rest counts as unread: what was found already is not lost.
        """
        ours, deadline = list(times), self._run.part(_LONGEST_SECONDS)
        resolved: list[tuple[AlertGroup, Deliveries]] = []
        unread = list(vanished)
        try:
            for group_id in vanished:
                with _told("what was resolved with ours"):
                    group = self.find(group_id, deadline)
                    if group is not None and self._with_ours(group, ours, deadline):
                        resolved.append((group, self._deliveries(group.id, deadline)))
                    unread.remove(group_id)
        except UpstreamError as error:
            log.warning(
                "IRM is not asked further about what it resolved with ours", extra={"reason": str(error)}
            )
        return resolved, unread

    def delivered_into(
        self, groups: Sequence[AlertGroup]
    ) -> tuple[list[tuple[AlertGroup, Deliveries]], list[AlertGroup]]:
        """Read the deliveries of alert groups that are resolved; give also those whose deliveries cannot be read."""
        deadline = self._run.part(_LONGEST_SECONDS)
        read: list[tuple[AlertGroup, Deliveries]] = []
        unread = list(groups)
        try:
            for group in groups:
                with _told("what was delivered before a resolve"):
                    read.append((group, self._deliveries(group.id, deadline)))
                    unread.remove(group)
        except UpstreamError as error:
            log.warning("IRM is not asked further about what it took", extra={"reason": str(error)})
        return read, unread

    def _with_ours(self, group: AlertGroup, ours: Iterable[datetime], deadline: Deadline) -> bool:
        if group.state != "resolved" or group.resolved_at is None or group.resolved_by is None:
            return False
        at = group.resolved_at
        return any(abs(at - one) <= _WITH_THE_ROOT for one in ours) and self._is_me(
            group.resolved_by, deadline
        )

    def me(self) -> str:
        """Give the id of the user whose token we use; "" where IRM does not tell. Never raises `UpstreamError`."""
        try:
            self._is_me("", self._run.part(_LONGEST_SECONDS))
        except UpstreamError as error:
            log.warning("IRM does not tell whose token this is", extra={"reason": str(error)})
        return self._me or ""

    def _is_me(self, user_id: str, deadline: Deadline) -> bool:
        """Tell whether a user is the one whose token we use; where IRM does not tell, anybody may be."""
        if self._me is None:
            try:
                self._me = self._irm.current_user(deadline).id
            except UpstreamError as error:
                if error.reason is not Reason.SERVER_ERROR:
                    raise
                # IRM answers so for the token of a service account, which may not resolve anything anyway.
                self._me = ""
        return self._me in ("", user_id)

    def marked(
        self, irm_now: datetime, within: timedelta, looked_at: set[str]
    ) -> tuple[list[tuple[AlertGroup, Deliveries]], int]:
        """Give the alert groups with our marker that were resolved lately, whoever's token it was then.

        Give also how many are still to be looked at: those that could not be read, and those beyond what one run
        may read. What was read is added to `looked_at`, and not read again. Raises `UpstreamError` if there is no list.
        """
        since = irm_now - within - _LONGEST_LIFE
        groups = self._irm.resolved_since(None, since, self._run, at_most=_MAX_RESOLVED)
        lately = [
            group
            for group in groups
            if group.resolved_at is not None
            and irm_now - group.resolved_at <= within
            and group.resolved_by
            and group.id not in looked_at
        ]
        lately.sort(key=lambda group: group.resolved_at or irm_now, reverse=True)
        found: list[tuple[AlertGroup, Deliveries]] = []
        left, deadline = len(lately), self._run.part(self._run.remaining())
        try:
            for group in lately[:_MAX_CANDIDATES]:
                with _told("whether it was resolved by us"):
                    if is_marked(self._irm.notes(group.id, deadline)):
                        found.append((group, self._deliveries(group.id, deadline)))
                    looked_at.add(group.id)
                    left -= 1
        except UpstreamError as error:
            log.warning("IRM is not asked further for our markers", extra={"reason": str(error)})
        return found, left

    def find(self, group_id: str, deadline: Deadline | None = None) -> AlertGroup | None:
        """Read one alert group by its id; None if there is none. Raises `UpstreamError`."""
        try:
            return self._irm.alert_group(group_id, deadline or self._run)
        except UpstreamError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Go on without one answer; raise on if IRM does not answer at all."""
    try:
        yield
    except UpstreamError as error:
        if error.reason in SILENT:
            raise
        log.warning("IRM does not tell %s", what, extra={"reason": str(error)})
