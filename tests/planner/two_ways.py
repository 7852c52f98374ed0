"""A small Alertmanager and a small IRM without any wire, on which a plan is carried out as the executor would.

What matters here is only what silences what: alerts by their labels, silences by their matchers, alert groups by who
silenced them. Each receiver delivers to an integration of its own, so that one alert may stand in two alert groups; and
as one receiver does not take all, alerts of one name may be strangers to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from alertsync.models import (
    ActionKind,
    AggregationGroup,
    Alert,
    AlertGroup,
    AlertmanagerSnapshot,
    AlertStatus,
    Delivery,
    Integration,
    IrmSnapshot,
    Lease,
    LeaseState,
    Ledger,
    LedgerChange,
    Matcher,
    OurSilence,
    Plan,
    Policy,
    Silence,
    SilenceChange,
    Snapshots,
    Webhook,
    WebhookEvent,
)
from alertsync.planner.plan import plan
from alertsync.planner.silences import matches
from alertsync.store import memory
from tests.planner.world import NOW, OURS

ANN = "ann@example.org"
EVE = "eve@elsewhere.example"
STEP = timedelta(seconds=10)
RECEIVERS = ("oncall", "audit")


def takes(receiver: str, labels: dict[str, str]) -> bool:
    """Tell whether an alert is routed to a receiver."""
    return receiver == "audit" or labels.get("instance") != "3"


@dataclass
class Group:
    """An alert group: its place, its alerts, and who silenced it since when and until when."""

    id: str
    receiver: str
    name: str
    firing: set[str]
    state: str = "firing"
    silenced_at: datetime | None = None
    until: datetime | None = None
    by: str = ""


@dataclass
class TwoWays:
    """Both systems, what alertsync remembers, and the time; `alerts` are labels by fingerprint."""

    policy: Policy
    alerts: dict[str, dict[str, str]]
    groups: dict[str, Group] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    ledger: Ledger = Ledger()  # noqa: RUF009  it is frozen
    events: list[WebhookEvent] = field(default_factory=list)
    now: datetime = NOW
    made: int = 0

    def __post_init__(self) -> None:
        for receiver in RECEIVERS:
            for name in {labels["alertname"] for labels in self.alerts.values()}:
                firing = self.at(receiver, name)
                if firing:
                    group = Group(f"{receiver}-{name}", receiver, name, set(firing))
                    self.groups[group.id] = group

    # What people do

    def silence_in_irm(self, group_id: str, by: str, *, minutes: float = 60, told: bool = True) -> None:
        group = self.groups[group_id]
        group.state, group.silenced_at, group.by = "silenced", self.now, by
        group.until = self.now + timedelta(minutes=minutes) if minutes else None
        if told:
            self.tell("silence", group)

    def unsilence(self, group_id: str, *, told: bool = True) -> None:
        group = self.groups[group_id]
        if group.state == "silenced":
            group.state, group.silenced_at, group.until, group.by = "firing", None, None, ""
            if told:
                self.tell("unsilence", group)

    def tell(self, kind: str, group: Group) -> None:
        self.made += 1
        event = WebhookEvent(
            f"event-{self.made}",
            self.now,
            kind,
            group.id,
            group.name,
            at=group.silenced_at,
            until=group.until,
            user_id=f"U-{group.by}" if group.by else "",
            user_email=group.by,
        )
        self.events.append(event)

    def silence_in_alertmanager(self, *matchers: Matcher, by: str = "ana@example.org") -> str:
        return self.put(Silence("", "active", matchers, self.now, self.now + timedelta(hours=2), by, "known"))

    def put(self, silence: Silence) -> str:
        self.made += 1
        name = silence.id or f"silence-{self.made}"
        self.silences[name] = msgspec.structs.replace(silence, id=name)
        return name

    # What alertsync does

    def run(self) -> Plan:
        """Read, plan and act once, and let some time pass."""
        self.tick()
        made = plan(self.snapshots(), self.ledger, self.policy, self.now)
        self.change(made.change)
        handled = {one.event.id for one in made.handled}
        for one in made.silence_changes:
            self.carry_out(one)
            handled.add(one.event_id)
        for decision in made.decisions:
            self.act(decision.action, self.groups[decision.alert_group.id])
        self.events = [event for event in self.events if event.id not in handled]
        return made

    def tick(self) -> None:
        self.now += STEP
        self.silences = {name: one for name, one in self.silences.items() if one.ends_at > self.now}
        for group in self.groups.values():
            if group.until is not None and group.until <= self.now:
                self.unsilence(group.id, told=False)

    def snapshots(self) -> Snapshots:
        return Snapshots(
            self.irm(),
            (self.alertmanager(),),
            ("",),
            events=tuple(self.events),
            me="U-alertsync",
            searched=True,
        )

    def irm(self) -> IrmSnapshot:
        groups = tuple(
            AlertGroup(
                group.id,
                f"C-{group.receiver}",
                group.state,
                1,
                NOW - timedelta(hours=1),
                group.name,
                last_delivery=self.delivery(group),
                silenced_at=group.silenced_at,
            )
            for group in self.groups.values()
            if group.state != "resolved"
        )
        homes = tuple(Integration(f"C-{one}", one, "alertmanager", in_maintenance=False) for one in RECEIVERS)
        return IrmSnapshot(groups, homes, self.now, self.now)

    def delivery(self, group: Group) -> Delivery:
        word = Webhook(
            group.receiver, {"alertname": group.name}, OURS, group.name, frozenset(group.firing), frozenset()
        )
        return Delivery(f"A-{group.id}", NOW - timedelta(minutes=50), word)

    def alertmanager(self) -> AlertmanagerSnapshot:
        names = sorted({labels["alertname"] for labels in self.alerts.values()})
        groups = tuple(
            AggregationGroup(
                receiver,
                {"alertname": name},
                tuple(map(self.alert, self.at(receiver, name))),
            )
            for receiver in RECEIVERS
            for name in names
        )
        return AlertmanagerSnapshot(
            groups,
            tuple(self.silences.values()),
            NOW - timedelta(days=1),
            settled=True,
            version="0.28.1",
            clock=self.now,
            read_at=self.now,
        )

    def alert(self, name: str) -> Alert:
        by = tuple(sorted(one.id for one in self.silences.values() if matches(one, self.alerts[name])))
        return Alert(
            name, self.alerts[name], AlertStatus.SILENCED if by else AlertStatus.ACTIVE, silenced_by=by
        )

    def carry_out(self, change: SilenceChange) -> None:
        if change.kind is ActionKind.UNSILENCE:
            self.unsilence(change.alert_group_id)
        if change.kind not in (
            ActionKind.CREATE_SILENCE,
            ActionKind.EXTEND_SILENCE,
            ActionKind.EXPIRE_SILENCE,
        ):
            return
        [known] = [one for one in self.ledger.irm_silences if one.alert_group_id == change.alert_group_id]
        ours = [one for one in known.silences if one.id != change.silence_id]
        if change.kind is ActionKind.EXPIRE_SILENCE:
            del self.silences[change.silence_id]
        else:
            assert change.ends_at is not None
            wanted = Silence(
                change.silence_id,
                "active",
                change.matchers,
                change.starts_at or self.now,
                change.ends_at,
                change.created_by,
                change.comment,
            )
            ours.append(OurSilence(self.put(wanted), change.matchers, change.ends_at))
        self.change(LedgerChange(irm_silences=(msgspec.structs.replace(known, silences=tuple(ours)),)))

    def act(self, action: ActionKind, group: Group) -> None:
        if action is ActionKind.RESOLVE:
            group.state, group.silenced_at, group.until = "resolved", None, None
        elif action is ActionKind.UNSILENCE:
            self.unsilence(group.id)
            known = [one for one in self.ledger.leases if one.alert_group_id == group.id]
            self.change(
                LedgerChange(
                    leases=tuple(msgspec.structs.replace(one, state=LeaseState.ENDED) for one in known)
                )
            )
        elif action is ActionKind.SILENCE:
            self.silence_in_irm(group.id, "alertsync", minutes=15)
            assert group.until is not None
            lease = Lease(
                group.id,
                group.name,
                "run",
                self.now,
                group.until,
                (),
                LeaseState.HELD,
                silenced_at=group.silenced_at,
            )
            self.change(LedgerChange(leases=(lease,)))

    def change(self, change: LedgerChange) -> None:
        self.ledger = memory.apply(self.ledger, change)

    # What is true

    def at(self, receiver: str, name: str) -> list[str]:
        """Give the fingerprints at a place, in order."""
        return sorted(
            one
            for one, labels in self.alerts.items()
            if labels["alertname"] == name and takes(receiver, labels)
        )

    def members(self, group: Group) -> list[dict[str, str]]:
        """Give the labels of the alerts of an alert group that are there now."""
        here = set(self.at(group.receiver, group.name)) | (group.firing & self.alerts.keys())
        return [self.alerts[one] for one in sorted(here)]

    def ours(self) -> list[Silence]:
        return [one for one in self.silences.values() if "[alertsync irm" in one.comment]
