"""The table of debts: what becomes of each alert that a resolve of ours left owed.

    | in Alertmanager now             | and IRM                              | then                           |
    |---------------------------------|--------------------------------------|--------------------------------|
    | any                             | was told of it since, at that place  | PAID                           |
    | active at the place             | was not told                         | DUE: page again, now           |
    | active at the place             | was told by us, not read back yet    | POSTED; after two runs DUE     |
    | active, for some runs elsewhere | was not told                         | REROUTED, until it is back     |
    | active at the place again       | still tells of it at the other place | REROUTED still                 |
    | silenced or muted               | was not told                         | OWED                           |
    | absent                          | was not told                         | OWED                           |
    | absent or rerouted for long     | was not told                         | LAPSED                         |

An alert that is routed elsewhere is not forgotten: routed back, Alertmanager would take it for told (measured on
0.25), so that a page would be lost. An alert lapses once Alertmanager would notify it by itself: when the longest `repeat_interval` has passed since
its last delivery. Until then Alertmanager takes it for told, and would be silent even if it ended and fired anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import AlertStatus, OwedAlert, Owing, Webhook
from alertsync.planner.evidence import place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from alertsync.models import AlertGroup, Debt, Member, Snapshots
    from alertsync.planner.context import Context

MAX_POSTS = 3
"""How often an alert is posted again while its delivery is not read back; then an alarm is raised."""
_RUNS_TO_WAIT = 2
_LOST_AFTER = timedelta(seconds=60)
_RUNS_ELSEWHERE = 3
"""Runs in a row that must see an alert in another place only: a reload builds the places one by one."""
_UNKNOWN_REPEAT = timedelta(days=5)
_SETTLED_AFTER = timedelta(minutes=5)
"""How long a resolve whose answer was lost may still be carried out by IRM."""


def settle(debt: Debt, still_open: frozenset[str], snapshots: Snapshots, context: Context) -> Debt | None:
    """Find out whether the resolve that made a debt happened; None if its alert group must be looked up.

    A debt is written before its resolve, so after a crash, or an answer that was lost, it stands there in doubt.
    """
    if debt.resolved_at is not None or debt.unresolved:
        return debt
    if debt.alert_group_id in still_open:
        over = context.now - debt.made_at > _SETTLED_AFTER
        return _void(debt, context) if over else debt
    if debt.alert_group_id not in snapshots.found:
        return None
    group = snapshots.found[debt.alert_group_id]
    if group is None:
        # It was deleted, and nobody can tell any more by whom it was resolved: what is owed too much is harmless.
        return msgspec.structs.replace(debt, resolved_at=context.irm_now)
    if group.state != "resolved":
        return debt
    if group.resolved_by is None:
        # Its source did it. Had it been a person, that cannot be told from us: tokens are shared and replaced.
        return _void(debt, context)
    return _with_joined(
        msgspec.structs.replace(debt, resolved_at=group.resolved_at or context.irm_now), group
    )


def _with_joined(debt: Debt, group: AlertGroup) -> Debt:
    """Owe also what was delivered into an alert group after its debt was written, and before it was resolved."""
    last = group.last_delivery
    if last is None or not isinstance(last.content, Webhook) or debt.receiver is None:
        return debt
    here = (debt.external_url, debt.receiver, debt.group_labels)
    if (last.content.external_url, last.content.receiver, last.content.group_labels) != here:
        return debt
    joined = last.content.firing - {alert.fingerprint for alert in debt.alerts}
    return msgspec.structs.replace(
        debt,
        alerts=(*debt.alerts, *(OwedAlert(fingerprint) for fingerprint in sorted(joined))),
        last_delivery_at=max(debt.last_delivery_at, last.created_at),
    )


def _void(debt: Debt, context: Context) -> Debt:
    return msgspec.structs.replace(debt, void=True, closed_at=context.now)


def judge(
    debt: Debt, paid: dict[str, str], told_of: Mapping[str, str], context: Context, *, searched: bool
) -> Debt:
    """Judge every alert of a debt; `searched` unless more must be read before an alert can be called unpaid.

    `told_of` are the alerts that are routed elsewhere, each with the open alert group there that tells of it.
    """
    alerts = tuple(
        _back(_judge(alert, debt, paid, context, searched=searched), alert, told_of)
        if alert.state.is_open
        else alert
        for alert in debt.alerts
    )
    judged = msgspec.structs.replace(
        debt, alerts=alerts, silenced_until=_silenced_until(alerts, debt, context)
    )
    return judged if judged.is_open else msgspec.structs.replace(judged, closed_at=context.now)


def _judge(
    alert: OwedAlert, debt: Debt, paid: dict[str, str], context: Context, *, searched: bool
) -> OwedAlert:
    if how := paid.get(alert.fingerprint):
        return msgspec.structs.replace(alert, state=Owing.PAID, why=how, alarm="")
    here, elsewhere = sighting(alert.fingerprint, debt, context)
    if here is AlertStatus.ACTIVE:
        return _active(alert, context.irm_now, searched=searched)
    if here is not None:
        return _owed(alert, f"it is {here.value} in Alertmanager")
    if elsewhere is AlertStatus.ACTIVE:
        seen = alert.elsewhere + 1
        if seen < _RUNS_ELSEWHERE:
            why = "it fires, but not at the place that was resolved"
            return msgspec.structs.replace(alert, elsewhere=seen, why=why)
        if _would_be_told_anew(debt, context):
            return _lapsed(
                alert, "it is routed elsewhere, and were it routed back, it would be notified anew"
            )
        why = "it is routed elsewhere now, where Alertmanager notifies it itself"
        return msgspec.structs.replace(alert, state=Owing.REROUTED, elsewhere=seen, why=why, alarm="")
    if elsewhere is not None:
        return _owed(alert, f"it is {elsewhere.value} in Alertmanager, at another place")
    if not context.absence_doubt and _would_be_told_anew(debt, context):
        return _lapsed(
            alert, "it ended, and Alertmanager's repeat_interval is over: it would be notified anew"
        )
    return _owed(alert, "it is not in Alertmanager; should it fire anew, Alertmanager would say nothing")


def _back(judged: OwedAlert, before: OwedAlert, told_of: Mapping[str, str]) -> OwedAlert:
    """Leave what is routed back as it was while the alert group of the other place still tells of it.

    A second page for the same alert at the same integration would wake the same people.
    """
    group_id = told_of.get(before.fingerprint)
    if judged.state is not Owing.DUE or group_id is None:
        return judged
    why = f"it was routed elsewhere and back, and the open alert group {group_id} still tells of it"
    return msgspec.structs.replace(before, why=why)


def _would_be_told_anew(debt: Debt, context: Context) -> bool:
    return context.irm_now - debt.last_delivery_at > repeat_interval(context)


def _lapsed(alert: OwedAlert, why: str) -> OwedAlert:
    return msgspec.structs.replace(alert, state=Owing.LAPSED, why=why, alarm="")


def _owed(alert: OwedAlert, why: str) -> OwedAlert:
    return OwedAlert(alert.fingerprint, alert.labels, why=why)


def _active(alert: OwedAlert, now: datetime, *, searched: bool) -> OwedAlert:
    alert = msgspec.structs.replace(alert, elsewhere=0, due_at=alert.due_at or now)
    if not searched:
        return alert
    alert = msgspec.structs.replace(alert, waited=alert.waited + 1)
    if alert.state is not Owing.POSTED:
        why = "it is active in Alertmanager, and IRM was not told since it was resolved"
        return msgspec.structs.replace(alert, state=Owing.DUE, why=why)
    if alert.waited <= _RUNS_TO_WAIT or now < look_again_at(alert, now):
        why = "it was posted to IRM again, and its delivery has not been seen yet"
        return msgspec.structs.replace(alert, why=why)
    if alert.posts < MAX_POSTS:
        why = f"it was posted to IRM {alert.posts} time(s), and no delivery of it was seen"
        return msgspec.structs.replace(alert, state=Owing.DUE, why=why)
    alarm = f"posted to IRM {alert.posts} times, and IRM shows no delivery of it: somebody must look"
    return msgspec.structs.replace(alert, why=alarm, alarm=alarm)


def look_again_at(alert: OwedAlert, now: datetime) -> datetime:
    """Give when (IRM's clock) a post that is not read back counts as lost: IRM's queue may lag in an incident."""
    posted_at = alert.posted_at or now
    return posted_at + _LOST_AFTER * float(2 ** max(alert.posts - 1, 0))


def sighting(fingerprint: str, debt: Debt, context: Context) -> tuple[AlertStatus | None, AlertStatus | None]:
    """Tell how an alert stands at the place of a debt, and elsewhere; the most wakeful peer counts."""
    here: list[Member] = []
    elsewhere: list[Member] = []
    for view in context.views:
        anywhere = view.alerts.anywhere(fingerprint)
        if debt.receiver is None:
            here += [anywhere] if anywhere else []
            continue
        member = view.alerts.at(place(debt.receiver, debt.group_labels)).get(fingerprint)
        if member is not None:
            here.append(member)
        elif anywhere is not None:
            elsewhere.append(anywhere)
    return _most_wakeful(here), _most_wakeful(elsewhere)


def _most_wakeful(members: list[Member]) -> AlertStatus | None:
    return min((member.status for member in members), key=lambda status: status.sleep, default=None)


def _silenced_until(alerts: tuple[OwedAlert, ...], debt: Debt, context: Context) -> datetime | None:
    """Give the time at which the first owed alert will speak, by Alertmanager's clock; None if none is silenced."""
    ends = []
    for view in context.views:
        here = None if debt.receiver is None else view.alerts.at(place(debt.receiver, debt.group_labels))
        for alert in alerts:
            if alert.state is not Owing.OWED:
                continue
            member = view.alerts.anywhere(alert.fingerprint) if here is None else here.get(alert.fingerprint)
            if member is not None and member.status is AlertStatus.SILENCED:
                ends.append(view.silences.held_until(member, view.now, echoes=True))
    return min(ends, default=None)


def repeat_interval(context: Context) -> timedelta:
    """Give the longest `repeat_interval` of any peer; five days, Alertmanager's memory, where one is unknown."""
    known = [view.repeat_interval or _UNKNOWN_REPEAT for view in context.views]
    return max(known, default=_UNKNOWN_REPEAT)
