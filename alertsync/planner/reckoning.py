"""Goes through all that we owe: what each debt has come to, what must be posted again, and when to look next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import AlertStatus, Debt, Owing, Repage, Search, Webhook
from alertsync.planner import debts as table
from alertsync.planner.payments import Findings, Payments, search_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alertsync.models import Integration, OwedAlert, Snapshots
    from alertsync.planner.context import Context

READ_BACK = timedelta(seconds=5)
"""How soon a post is looked for: IRM takes deliveries in a queue."""
_MOMENT = timedelta(seconds=1)
_RUNS_BEFORE_LAST_RESORT = 2
_BEFORE_LAST_RESORT = timedelta(minutes=2)
_MOST_DOUBLINGS = 7
NO_LAST_RESORT = "its alert group was deleted, and it could not be posted: somebody must be told"
"""The alarm of an alert that nothing of ours can page any more."""
_NO_WAY = "it must be paged again, but "

_Key = tuple[str, str | None, frozenset[tuple[str, str]], str]


class Reckoning(msgspec.Struct, frozen=True):
    """The open debts as judged now, those that changed, what to post, what to read, and when to look next.

    `withheld` is what would be posted if policy let it.
    """

    debts: tuple[Debt, ...]
    changed: tuple[Debt, ...]
    repages: tuple[Repage, ...]
    withheld: tuple[Repage, ...]
    search: Search
    wake_at: datetime | None


def reckon(snapshots: Snapshots, context: Context) -> Reckoning:
    """Judge every open debt."""
    payments = Payments(snapshots, context)
    unsure: list[tuple[Debt, Findings]] = []
    lookups: list[str] = []
    judged: list[Debt] = []
    before = [debt for debt in context.ledger.debts if debt.is_open]
    for debt in sorted(before, key=lambda one: (one.made_at, one.id)):
        settled = table.settle(debt, payments.open, snapshots, context)
        if settled is None:
            lookups.append(debt.alert_group_id)
            judged.append(debt)
        elif settled.void or settled.resolved_at is None:
            judged.append(settled)
        else:
            findings = payments.of(settled, settled.resolved_at)
            certain = not findings.lags and (
                snapshots.searched or not (findings.integration or findings.unread)
            )
            if not certain and not findings.lags and _matters(settled, findings, context):
                unsure.append((settled, findings))
            judged.append(
                _alarmed(
                    table.judge(settled, findings.paid, payments.told_of(settled), context, searched=certain),
                    context,
                )
            )
    known = {debt.id: debt for debt in before}
    suspended = context.policy.dry_run or not context.policy.repage
    due = _repages(judged, payments, context)
    return Reckoning(
        debts=tuple(judged),
        changed=tuple(debt for debt in judged if debt != known[debt.id]),
        repages=() if suspended else due,
        withheld=due if suspended else (),
        search=search_for(unsure, dict.fromkeys(lookups)),
        wake_at=None if suspended else _wake_at(judged, context),
    )


def _matters(debt: Debt, findings: Findings, context: Context) -> bool:
    """Tell whether an alert would be paged if no payment is found."""
    return any(
        alert.state.is_open
        and alert.fingerprint not in findings.paid
        and table.sighting(alert.fingerprint, debt, context)[0] is AlertStatus.ACTIVE
        for alert in debt.alerts
    )


def _alarmed(debt: Debt, context: Context) -> Debt:
    """Say of what is due and cannot be posted why not, as long as that is so."""
    why = _no_way(context.integrations.get(debt.integration_id))
    alarm = f"{_NO_WAY}{why}" if why else ""

    def alarmed(alert: OwedAlert) -> OwedAlert:
        ours = alert.alarm.startswith(_NO_WAY) or not alert.alarm
        if not ours or alert.state is not Owing.DUE:
            return alert
        return msgspec.structs.replace(alert, alarm=alarm)

    return msgspec.structs.replace(debt, alerts=tuple(alarmed(alert) for alert in debt.alerts))


def _no_way(integration: Integration | None) -> str:
    if integration is None:
        return "its integration is not among those that IRM lists any more"
    if integration.in_maintenance:
        return f"its integration «{integration.name}» is in maintenance, which would swallow the page"
    if not integration.receives:
        return f"its integration «{integration.name}» has no inbound URL any more"
    return ""


def _repages(judged: Iterable[Debt], payments: Payments, context: Context) -> tuple[Repage, ...]:
    """Put due alerts of one place together: one post pays them all. Oldest first."""
    places: dict[_Key, list[Debt]] = {}
    for debt in judged:
        if any(_wants_page(alert.state, alert.alarm) for alert in debt.alerts):
            places.setdefault(_key(debt), []).append(debt)
    made = (_repage(due, payments, context) for due in places.values())
    return tuple(repage for repage in made if repage is not None)


def _wants_page(state: Owing, alarm: str) -> bool:
    return state is Owing.DUE or (state is Owing.POSTED and bool(alarm))


def _repage(due: Sequence[Debt], payments: Payments, context: Context) -> Repage | None:
    oldest, newest = due[0], max(due, key=lambda one: one.last_delivery_at)
    wanted = [alert for debt in due for alert in debt.alerts if _wants_page(alert.state, alert.alarm)]
    integration = context.integrations.get(oldest.integration_id)
    if integration is not None and integration.in_maintenance:
        return None
    receives = integration is not None and integration.receives
    if not receives:
        wanted = [alert for alert in wanted if alert.alarm != NO_LAST_RESORT]
    if not wanted:
        return None
    alarmed = any(alert.alarm and alert.alarm != NO_LAST_RESORT for alert in wanted)
    due_at = min((alert.due_at for alert in wanted if alert.due_at), default=context.irm_now)
    waited = max(alert.waited for alert in wanted) >= _RUNS_BEFORE_LAST_RESORT
    last_resort = alarmed and waited and context.irm_now - due_at >= _BEFORE_LAST_RESORT
    if not last_resort and not receives:
        return None
    names = ", ".join(sorted({alert.labels.get("alertname", alert.fingerprint) for alert in wanted})[:3])
    return Repage(
        debts=tuple(debt.id for debt in due),
        alert_group_id=newest.alert_group_id,
        title=newest.title,
        integration_id=oldest.integration_id,
        receiver=oldest.receiver,
        group_labels=oldest.group_labels,
        external_url=newest.external_url,
        group_key=_group_key(newest, payments),
        fingerprints=frozenset(alert.fingerprint for alert in wanted),
        reason=f"{len(wanted)} alert(s) ({names}) are active in Alertmanager, and IRM does not know since {newest.title} was resolved",
        due_since=oldest.made_at,
        last_resort=last_resort,
    )


def _key(debt: Debt) -> _Key:
    # Legacy alerts have no place: each is posted for itself.
    alone = debt.id if debt.receiver is None else ""
    return debt.integration_id, debt.receiver, frozenset(debt.group_labels.items()), alone


def _group_key(debt: Debt, payments: Payments) -> str:
    """Give the groupKey of the newest delivery of a place: a reload may have changed it since our resolve."""
    newest = payments.newest_at(debt)
    if (
        newest is None
        or newest.created_at <= debt.last_delivery_at
        or not isinstance(newest.content, Webhook)
    ):
        return debt.group_key
    same = newest.content.external_url == debt.external_url
    return newest.content.group_key if same else debt.group_key


def _wake_at(judged: Iterable[Debt], context: Context) -> datetime | None:
    """Give when (by our clock) the earliest owed silence ends, a post is to be read back or something due tried again.

    What fails again and again is looked at less and less often, and what only a person can mend at the interval.
    """
    behind = min(view.now for view in context.views)
    waits = []
    for debt in judged:
        if debt.void or debt.resolved_at is None:
            continue
        if debt.silenced_until is not None:
            waits.append(max(debt.silenced_until - behind, _MOMENT) + _MOMENT)
        for alert in debt.alerts:
            if alert.alarm or alert.state not in (Owing.DUE, Owing.POSTED):
                continue
            waits.append(READ_BACK * 2 ** min(alert.waited, _MOST_DOUBLINGS))
    return context.now + min(waits) if waits else None
