"""Small builders for the planner's tests: a world in which each test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alertsync.models import (
    AggregationGroup,
    Alert,
    AlertGroup,
    AlertmanagerSnapshot,
    AlertStatus,
    Decision,
    Deliveries,
    Delivery,
    Integration,
    IrmSnapshot,
    Ledger,
    LegacyAlert,
    Matcher,
    Plan,
    Policy,
    Sighting,
    Silence,
    Snapshots,
    Unreadable,
    Webhook,
)
from alertsync.planner.plan import plan

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OURS = "http://alertmanager.example:9093"
THEIRS = "http://other.example:9093"
RECEIVER = "oncall"
ACTIVE, SILENCED, MUTED = AlertStatus.ACTIVE, AlertStatus.SILENCED, AlertStatus.MUTED

GONE_FOR_LONG = Sighting(
    alive_at=NOW - timedelta(hours=2), absent_since=NOW - timedelta(hours=1), absent_runs=9
)
INTEGRATION = Integration(id="C1", name="production", type="alertmanager", in_maintenance=False)


def alert(name: str, status: AlertStatus = ACTIVE, by: tuple[str, ...] = ("s1",)) -> Alert:
    """Make an alert whose fingerprint is its name."""
    named = by if status is SILENCED else ()
    return Alert(
        fingerprint=name, labels={"alertname": "Disk", "instance": name}, status=status, silenced_by=named
    )


def group(*alerts: Alert, receiver: str = RECEIVER, **labels: str) -> AggregationGroup:
    """Make an aggregation group."""
    return AggregationGroup(receiver=receiver, labels=labels or {"alertname": "Disk"}, alerts=alerts)


def silence(
    name: str = "s1", minutes: float = 60, *, state: str = "active", begins: float = -10, **more: Any
) -> Silence:
    """Make a silence that ends in so many minutes."""
    values: dict[str, Any] = {
        "id": name,
        "state": state,
        "matchers": (Matcher(name="alertname", value="Disk"),),
        "starts_at": NOW + timedelta(minutes=begins),
        "ends_at": NOW + timedelta(minutes=minutes),
        "created_by": "ana@example.org",
        "comment": "db migration",
    }
    return Silence(**(values | more))


def alertmanager(
    *groups: AggregationGroup, silences: tuple[Silence, ...] = (silence(),), **more: Any
) -> AlertmanagerSnapshot:
    """Make a snapshot of an Alertmanager that has been up for a day."""
    values: dict[str, Any] = {
        "groups": groups,
        "silences": silences,
        "started_at": NOW - timedelta(days=1),
        "settled": True,
        "version": "0.28.1",
        "clock": NOW,
        "read_at": NOW,
    }
    return AlertmanagerSnapshot(**(values | more))


def webhook(
    *firing: str, resolved: tuple[str, ...] = (), url: str = OURS, truncated: int = 0, **labels: str
) -> Webhook:
    """Make the content of a delivery."""
    named = labels or {"alertname": "Disk"}
    return Webhook(
        receiver=RECEIVER,
        group_labels=named,
        external_url=url,
        group_key=f"{{}}:{sorted(named.items())}",
        firing=frozenset(firing),
        resolved=frozenset(resolved),
        truncated=truncated,
    )


def deliver(content: Webhook | LegacyAlert | Unreadable, minutes_ago: float = 30) -> Delivery:
    """Make a delivery."""
    created = NOW - timedelta(minutes=minutes_ago)
    return Delivery(id=f"A{minutes_ago:g}", created_at=created, content=content)


def alert_group(last: Webhook | LegacyAlert | Unreadable | None, count: int = 1, **more: Any) -> AlertGroup:
    """Make an open alert group with this last delivery."""
    values: dict[str, Any] = {
        "id": "I1",
        "integration_id": "C1",
        "state": "firing",
        "alerts_count": count,
        "created_at": NOW - timedelta(hours=1),
        "title": "Disk",
        "last_delivery": None if last is None else deliver(last),
    }
    return AlertGroup(**(values | more))


def irm(*groups: AlertGroup, integrations: tuple[Integration, ...] = (INTEGRATION,)) -> IrmSnapshot:
    """Make a snapshot of IRM that was read just before Alertmanager's."""
    return IrmSnapshot(
        alert_groups=groups, integrations=integrations, clock=NOW, read_at=NOW - timedelta(seconds=1)
    )


def deliveries(
    *contents: Webhook | LegacyAlert | Unreadable, read_before: float = 0.5, complete: bool = True
) -> Deliveries:
    """Make the deliveries of an alert group, newest first, read so many seconds before Alertmanager."""
    items = tuple(deliver(content, minutes_ago=10 * (index + 1)) for index, content in enumerate(contents))
    return Deliveries(items=items, read_at=NOW - timedelta(seconds=read_before), complete=complete)


def planned(
    *groups: AlertGroup,
    peers: tuple[AlertmanagerSnapshot, ...],
    remembered: Ledger | None = None,
    integrations: tuple[Integration, ...] = (INTEGRATION,),
    policy: Policy | None = None,
    **read: Any,
) -> Plan:
    """Plan for these open alert groups, peers and ledger; `read` is what else was read, as in `Snapshots`."""
    known = Snapshots(
        irm(*groups, integrations=integrations),
        peers,
        **{"configured": tuple(peer.peer for peer in peers), **read},
    )
    return plan(known, remembered or Ledger(), policy or Policy(), NOW)


def decide(  # noqa: PLR0913  each test names only what it is about
    one: AlertGroup,
    known: AlertmanagerSnapshot,
    *others: AlertGroup,
    read: dict[str, Deliveries] | None = None,
    attached: frozenset[str] = frozenset(),
    integrations: tuple[Integration, ...] = (INTEGRATION,),
    remembered: Ledger | None = None,
    **policy: Any,
) -> Decision:
    """Plan, and give the decision about `one`; what is remembered has seen each alert group alive, and gone."""
    everything = (one, *others)
    ledger = Ledger(
        sightings={group.id: GONE_FOR_LONG for group in everything}, attached=dict.fromkeys(attached, NOW)
    )
    made = planned(
        *everything,
        peers=(known,),
        remembered=ledger if remembered is None else remembered,
        integrations=integrations,
        policy=Policy(**policy),
        deliveries=read or {},
    )
    return decision_about(one, made)


def decision_about(one: AlertGroup, made: Plan) -> Decision:
    """Find the decision about an alert group in a plan."""
    return next(decision for decision in made.decisions if decision.alert_group.id == one.id)
