"""Builders for what is owed: a debt of alert group I0 that was resolved ten minutes ago, and its leases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.models import (
    Debt,
    Delivery,
    Lease,
    LeaseState,
    Ledger,
    LegacyAlert,
    OwedAlert,
    Owing,
    Policy,
    Unreadable,
    Webhook,
)
from tests.planner.world import NOW, OURS, RECEIVER, alert, alert_group, alertmanager, group, planned

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.models import AlertGroup, AlertmanagerSnapshot, Plan

RESOLVED_AT = NOW - timedelta(minutes=10)
SET_AT = NOW - timedelta(minutes=5)
"""When our lease was set, by IRM's clock."""

WITNESS = group(alert("w"), alertname="Other")
"""Something else that Alertmanager holds, so that it is not empty."""


def owed(name: str = "a", state: Owing = Owing.OWED, **more: Any) -> OwedAlert:
    """Make an alert that is owed, named as `world.alert` names it."""
    return OwedAlert(fingerprint=name, labels={"alertname": "Disk", "instance": name}, state=state, **more)


def debt(*alerts: OwedAlert, **more: Any) -> Debt:
    """Make a debt of an alert group that was resolved ten minutes ago, and last delivered half an hour ago."""
    values: dict[str, Any] = {
        "id": "I0/0",
        "alert_group_id": "I0",
        "title": "Disk",
        "integration_id": "C1",
        "receiver": RECEIVER,
        "group_labels": {"alertname": "Disk"},
        "external_url": OURS,
        "group_key": "key of the old delivery",
        "alerts": alerts or (owed(),),
        "silences": ("s1",),
        "reason": "all silenced",
        "run_id": "run-1",
        "made_at": RESOLVED_AT,
        "last_delivery_at": NOW - timedelta(minutes=30),
        "resolved_at": RESOLVED_AT,
    }
    return Debt(**(values | more))


def lease(**more: Any) -> Lease:
    """Make a lease on alert group I1 that was set five minutes ago for fifteen, and is ours."""
    values: dict[str, Any] = {
        "alert_group_id": "I1",
        "title": "Disk",
        "run_id": "run-1",
        "asked_at": SET_AT,
        "until": SET_AT + timedelta(minutes=15),
        "silences": ("s1",),
        "state": LeaseState.HELD,
        "silenced_at": SET_AT,
    }
    return Lease(**(values | more))


def told(content: Webhook | LegacyAlert | Unreadable, minutes_ago: float = 1, **more: Any) -> AlertGroup:
    """Make an alert group that IRM opened when this delivery came."""
    at = NOW - timedelta(minutes=minutes_ago)
    last = Delivery(id=f"A{minutes_ago:g}", created_at=at, content=content)
    return alert_group(None, **{"id": "I2", "created_at": at, "last_delivery": last, "count": 1, **more})


def reckon(
    owing: Debt | tuple[Debt, ...],
    *groups: AlertGroup,
    known: AlertmanagerSnapshot | tuple[AlertmanagerSnapshot, ...] | None = None,
    policy: Policy | None = None,
    **read: Any,
) -> Plan:
    """Plan with these debts; unless told otherwise a is active at its place, and all was read that can be."""
    debts = (owing,) if isinstance(owing, Debt) else owing
    if known is None:
        known = alertmanager(group(alert("a")), WITNESS)
    peers = known if isinstance(known, tuple) else (known,)
    # What is remembered comes first, so that a test can say otherwise.
    return planned(
        *groups,
        peers=peers,
        policy=policy,
        **{"remembered": Ledger(debts=debts), "searched": True, "later": {"C1": ()}, **read},
    )


def judged(made: Plan, name: str = "a") -> OwedAlert:
    """Give an owed alert of the only debt of a plan, as judged."""
    [one] = made.debts
    return next(alert for alert in one.alerts if alert.fingerprint == name)


def a_minute_later(one: Debt) -> Debt:
    """Give a debt as it stands a minute later: what happened lies a minute further back."""

    def older(at: datetime | None) -> datetime | None:
        return None if at is None else at - timedelta(minutes=1)

    alerts = tuple(
        msgspec.structs.replace(each, due_at=older(each.due_at), posted_at=older(each.posted_at))
        for each in one.alerts
    )
    return msgspec.structs.replace(one, alerts=alerts)
