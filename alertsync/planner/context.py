"""What every decision of one plan rests on, worked out once from the snapshots so that planning is linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alertsync.planner.markers import ours
from alertsync.planner.membership import Indexes
from alertsync.planner.provenance import learn
from alertsync.planner.silences import SilenceBook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from alertsync.models import (
        Address,
        AlertmanagerSnapshot,
        Integration,
        Lease,
        Ledger,
        Policy,
        Snapshots,
    )
    from alertsync.planner.membership import AlertIndex


@dataclass(frozen=True)
class View:
    """What one peer of Alertmanager says. `now` is its own time now.

    `doubt` says why an alert that it does not hold may still be alive; "" if such an alert has ended.
    """

    peer: str
    alerts: AlertIndex
    silences: SilenceBook
    now: datetime
    doubt: str
    repeat_interval: timedelta | None
    version: str = ""


@dataclass(frozen=True)
class Context:
    """The indexed snapshots, the ledger, the policy, and what time it is (`now` ours, `irm_now` IRM's).

    `ours` are the addresses whose deliveries are ours, `addresses` what is remembered of all. `missing` are the
    peers that did not answer, `missed` those of them that answered so recently that their word still counts.
    """

    integrations: Mapping[str, Integration]
    views: tuple[View, ...]
    ours: frozenset[str]
    addresses: Mapping[str, Address]
    ledger: Ledger
    leases: Mapping[str, Lease]
    policy: Policy
    now: datetime
    irm_now: datetime
    missing: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def absence_doubt(self) -> str:
        """Why an alert that no peer holds may still be alive; "" if it has ended."""
        if self.missing:
            return f"the Alertmanager {', '.join(self.missing)} did not answer"
        return next((view.doubt for view in self.views if view.doubt), "")

    def knows(self, fingerprint: str) -> bool:
        """Tell whether any peer holds an alert."""
        return any(fingerprint in view.alerts for view in self.views)


def build(
    snapshots: Snapshots, ledger: Ledger, policy: Policy, now: datetime, indexes: Indexes | None = None
) -> Context:
    """Index the snapshots. Ends of silences are compared with each server's clock, carried on to `now`.

    `indexes` holds those that were made before, of which those of the same snapshots are used again.
    """
    irm = snapshots.irm
    indexes = indexes or Indexes()
    in_irm = {integration.id for integration in irm.integrations}
    found = (ours(snapshot.silences, ledger, in_irm).values() for snapshot in heard(snapshots.alertmanagers))
    echoes = frozenset(name for by_group in found for here in by_group for name in here)
    views = tuple(
        _view(snapshot, indexes.of(snapshot), echoes, policy, now)
        for snapshot in heard(snapshots.alertmanagers)
    )
    addresses, our_urls = learn(snapshots, ledger.addresses, [view.alerts for view in views], policy)
    answered = {view.peer for view in views}
    missing = tuple(peer for peer in snapshots.configured if peer not in answered)
    return Context(
        integrations={integration.id: integration for integration in irm.integrations},
        views=views,
        ours=our_urls,
        addresses=addresses,
        ledger=ledger,
        leases={lease.alert_group_id: lease for lease in ledger.leases},
        policy=policy,
        now=now,
        irm_now=_carried_on(irm.clock, irm.read_at, now),
        missing=missing,
        missed=tuple(peer for peer in missing if now - ledger.peers.get(peer, now) < policy.absence_after),
    )


def heard(snapshots: Sequence[AlertmanagerSnapshot]) -> list[AlertmanagerSnapshot]:
    """Give the peers whose word counts: one that is still settling may not know the silences yet."""
    settled = [snapshot for snapshot in snapshots if snapshot.settled]
    return settled or list(snapshots)


def _carried_on(clock: datetime, read_at: datetime, now: datetime) -> datetime:
    return max(clock, clock + (now - read_at))


def _view(
    snapshot: AlertmanagerSnapshot,
    alerts: AlertIndex,
    echoes: frozenset[str],
    policy: Policy,
    now: datetime,
) -> View:
    return View(
        peer=snapshot.peer,
        alerts=alerts,
        silences=SilenceBook(snapshot.silences, echoes),
        now=_carried_on(snapshot.clock, snapshot.read_at, now),
        doubt=_doubt(snapshot, alerts, policy),
        repeat_interval=snapshot.repeat_interval,
        version=snapshot.version,
    )


def _doubt(alertmanager: AlertmanagerSnapshot, alerts: AlertIndex, policy: Policy) -> str:
    """Say why absence proves nothing: after a restart the list is empty until Prometheus sends again.

    Only the server's own clock tells how long it has been up: were ours to jump, absence would seem proven.
    """
    if not alerts:
        return "Alertmanager holds no alert at all, which proves nothing"
    if policy.absence_watchdog and not alerts.names(policy.absence_watchdog):
        return f"the alert {policy.absence_watchdog} (ABSENCE_WATCHDOG), which always fires, is missing"
    if not alertmanager.settled:
        return "Alertmanager's cluster is still settling"
    up = alertmanager.clock - alertmanager.started_at
    if up < policy.absence_after:
        return (
            f"Alertmanager has been up for {max(up.total_seconds(), 0):.0f} s, and may not have heard of it again "
            f"before ABSENCE_AFTER ({policy.absence_after.total_seconds():.0f} s)"
        )
    return ""
