"""What every decision of one plan rests on, worked out once from the snapshots so that planning is linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alertsync.planner.membership import AlertIndex
from alertsync.planner.provenance import our_external_urls
from alertsync.planner.silences import SilenceBook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from alertsync.models import AlertmanagerSnapshot, Integration, Policy, Snapshots


@dataclass(frozen=True)
class Context:
    """The indexed snapshots, the policy, and Alertmanager's own time now.

    `doubt` says why an alert that is absent from Alertmanager may still be alive; "" if it has ended.
    """

    integrations: Mapping[str, Integration]
    alerts: AlertIndex
    silences: SilenceBook
    ours: frozenset[str]
    attached: frozenset[str]
    policy: Policy
    alertmanager_now: datetime
    doubt: str

    @property
    def absence_is_certain(self) -> bool:
        """Whether an alert that Alertmanager does not hold has ended."""
        return not self.doubt


def build(snapshots: Snapshots, policy: Policy, now: datetime) -> Context:
    """Index the snapshots. Ends of silences are compared with Alertmanager's clock, carried on to `now`."""
    irm, alertmanager = snapshots.irm, snapshots.alertmanager
    alerts = AlertIndex(alertmanager)
    alertmanager_now = max(alertmanager.clock, alertmanager.clock + (now - alertmanager.read_at))
    return Context(
        integrations={integration.id: integration for integration in irm.integrations},
        alerts=alerts,
        silences=SilenceBook(alertmanager.silences),
        ours=our_external_urls(irm.alert_groups, snapshots.deliveries, alerts, policy),
        attached=snapshots.attached,
        policy=policy,
        alertmanager_now=alertmanager_now,
        doubt=_doubt(alertmanager, alerts, policy),
    )


def _doubt(alertmanager: AlertmanagerSnapshot, alerts: AlertIndex, policy: Policy) -> str:
    """Say why absence proves nothing: after a restart the list is empty until Prometheus sends again.

    Only the server's own clock tells how long it has been up: were ours to jump, absence would seem proven.
    """
    if not alerts:
        return "Alertmanager holds no alert at all, which proves nothing"
    if not alertmanager.settled:
        return "Alertmanager's cluster is still settling"
    up = alertmanager.clock - alertmanager.started_at
    if up < policy.absence_after:
        return (
            f"Alertmanager has been up for {max(up.total_seconds(), 0):.0f} s, and may not have heard of it again "
            f"before ABSENCE_AFTER ({policy.absence_after.total_seconds():.0f} s)"
        )
    return ""
