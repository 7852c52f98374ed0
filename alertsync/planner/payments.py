"""Looks for payment: a delivery, later than our resolve, that told IRM of the alert at that place.

"Ok." of the inbound URL is not a page. Paid is what can be read back, whoever sent it, whatever became of the
alert group that took it. Deliveries of the alert group that we resolved do not count: after a resolve, IRM puts
what fires into a new one.
"""

from __future__ import annotations

import bisect
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from alertsync.models import AlertGroup, LegacyAlert, Search, Webhook
from alertsync.planner.evidence import gather

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from alertsync.models import Debt, Delivery, Snapshots
    from alertsync.planner.context import Context


class Findings(msgspec.Struct, frozen=True):
    """The owed alerts of a debt that IRM knows again, each with how, and what is still to be read to be sure.

    `lags` where IRM's list is so young that it may not show yet that the alert group was resolved.
    """

    paid: dict[str, str]
    integration: bool = False
    unread: tuple[AlertGroup, ...] = ()
    lags: bool = False


_LAG = timedelta(seconds=60)


_ANYWHERE = "*"


class _Place(NamedTuple):
    receiver: str
    group_labels: frozenset[tuple[str, str]]


_Where = tuple[str, _Place | str | None]
"""An integration, and in it a place, the fingerprint of a legacy alert, or what nobody can read."""


def _where(integration_id: str, content: object) -> _Where:
    if isinstance(content, Webhook):
        return integration_id, _Place(content.receiver, frozenset(content.group_labels.items()))
    return integration_id, content.fingerprint if isinstance(content, LegacyAlert) else None


def _places(debt: Debt) -> list[_Where]:
    """Give where deliveries of a debt are filed: its place, or the fingerprints of a legacy alert."""
    if debt.receiver is not None:
        return [(debt.integration_id, _Place(debt.receiver, frozenset(debt.group_labels.items())))]
    return [(debt.integration_id, alert.fingerprint) for alert in debt.alerts]


def _last_at(group: AlertGroup) -> datetime:
    return group.last_delivery.created_at if group.last_delivery else group.created_at


class Payments:
    """The deliveries that may pay debts, by integration."""

    def __init__(self, snapshots: Snapshots, context: Context) -> None:
        self._snapshots = snapshots
        self._context = context
        self._said: dict[_Where, list[tuple[Delivery, str]]] = {}
        self._unread: dict[_Where, list[AlertGroup]] = {}
        self._telling: dict[tuple[str, str], str] | None = None
        self.open = frozenset(group.id for group in snapshots.irm.alert_groups)
        if not any(debt.is_open for debt in context.ledger.debts):
            # Nobody will ask, and there are thousands of them.
            return
        later = (
            group for groups in snapshots.later.values() for group in groups if group.id not in self.open
        )
        for group in (*snapshots.irm.alert_groups, *later):
            self._file(group)
        for groups in self._unread.values():
            groups.sort(key=_last_at, reverse=True)

    def _file(self, group: AlertGroup) -> None:
        """File the deliveries of an alert group by place, and the group itself if there are more than were read."""
        last = group.last_delivery
        if last is None:
            return
        read = self._snapshots.deliveries.get(group.id)
        # The last one is known even where the others could not be read.
        for delivery in read.items if read and read.items else (last,):
            self._said.setdefault(_where(group.integration_id, delivery.content), []).append(
                (delivery, group.id)
            )
        if read is None and group.alerts_count > 1:
            integration = self._context.integrations.get(group.integration_id)
            merges = integration is None or integration.merges
            where = (
                (group.integration_id, _ANYWHERE) if merges else _where(group.integration_id, last.content)
            )
            self._unread.setdefault(where, []).append(group)

    def told_of(self, debt: Debt) -> dict[str, str]:
        """Give what is routed elsewhere, and the open alert group of the same integration that still tells of it."""
        rerouted = [alert.fingerprint for alert in debt.alerts if alert.elsewhere]
        if not rerouted:
            return {}
        if self._telling is None:
            self._telling = {
                (group.integration_id, fingerprint): group.id
                for group in self._snapshots.irm.alert_groups
                for fingerprint in self._left_firing(group)
            }
        told = ((name, self._telling.get((debt.integration_id, name))) for name in rerouted)
        return {name: group_id for name, group_id in told if group_id is not None}

    def _left_firing(self, group: AlertGroup) -> frozenset[str]:
        """Give what our Alertmanager's deliveries left firing in an alert group, as far as they were read."""
        read = self._snapshots.deliveries.get(group.id)
        evidence = gather(group, read, self._context.now, self._context.policy.max_deliveries)
        own = (
            one
            for one in evidence.streams
            if one.external_url is None or one.external_url in self._context.ours
        )
        return frozenset[str]().union(*(stream.firing for stream in own))

    def newest_at(self, debt: Debt) -> Delivery | None:
        """Give the newest delivery of a debt's place that is known; None if there is none."""
        here = (delivery for where in _places(debt) for delivery, _ in self._said.get(where, ()))
        return max(here, key=lambda one: one.created_at, default=None)

    def of(self, debt: Debt, resolved_at: datetime) -> Findings:
        """Look for payments of a debt whose resolve happened at that time of IRM's clock."""
        wanted = {alert.fingerprint for alert in debt.alerts if alert.state.is_open}
        if debt.alert_group_id in self.open:
            # A list may be a little older than what it lists, so that what we resolved still stands there as open.
            # What counts is when the list was asked for, not when its last page had arrived.
            if self._snapshots.irm.clock - resolved_at <= _LAG:
                return Findings({}, lags=True)
            return Findings(dict.fromkeys(wanted, "its alert group is open again"))
        paid: dict[str, str] = {}
        for where in _places(debt):
            for delivery, group_id in self._said.get(where, ()):
                if delivery.created_at > resolved_at and group_id != debt.alert_group_id:
                    how = f"IRM was told at {delivery.created_at:%Y-%m-%d %H:%M:%S} UTC, in alert group {group_id}"
                    paid |= dict.fromkeys(self._told(delivery, debt) & wanted, how)
        unread: list[AlertGroup] = []
        for where in (*_places(debt), (debt.integration_id, _ANYWHERE)):
            groups = self._unread.get(where, [])
            newer = bisect.bisect_left(
                groups, -resolved_at.timestamp(), key=lambda one: -_last_at(one).timestamp()
            )
            unread += groups[:newer]
        listed = debt.integration_id in self._snapshots.later
        return Findings(paid, integration=not listed, unread=tuple(unread))

    def _told(self, delivery: Delivery, debt: Debt) -> frozenset[str]:
        """Give the fingerprints that a delivery, filed under the debt's place, calls firing, if it is our Alertmanager's."""
        content = delivery.content
        if isinstance(content, LegacyAlert):
            return frozenset({content.fingerprint}) if content.firing else frozenset()
        if not isinstance(content, Webhook) or content.external_url not in self._context.ours | {
            debt.external_url
        }:
            return frozenset()
        return content.firing


def search_for(wanted: Iterable[tuple[Debt, Findings]], ids: Iterable[str]) -> Search:
    """Put together what must be read to be sure about these debts, those of the oldest first."""
    integrations: dict[str, datetime] = {}
    groups: dict[str, AlertGroup] = {}
    for debt, findings in wanted:
        if findings.integration and debt.resolved_at is not None:
            known = integrations.get(debt.integration_id, debt.resolved_at)
            integrations[debt.integration_id] = min(known, debt.resolved_at)
        groups |= {group.id: group for group in findings.unread}
    return Search(integrations=integrations, alert_groups=tuple(groups.values()), ids=tuple(ids))
