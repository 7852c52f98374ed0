"""The values that travel between the rooms: what was read, what was decided, what was done.

All are frozen, so that the plan that a person saw is the plan that was carried out, and all can be encoded
with msgspec, so that the dry run, the record, the page and the API show the same object. Words are those of
Alertmanager (alert, silence, receiver, fingerprint, aggregation group) and of Grafana IRM (alert group,
integration, delivery, state). Times are aware datetimes; a server's times are compared only with that
server's own clock, which is why each snapshot carries it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

# --- What Alertmanager said -------------------------------------------------------------------------------


class Matcher(msgspec.Struct, frozen=True):
    """One condition of a silence on one label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class Silence(msgspec.Struct, frozen=True):
    """A silence that is not expired; `state` is "active" or "pending"."""

    id: str
    state: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""


class AlertStatus(StrEnum):
    """What Alertmanager does with an alert: tell its receivers, or keep quiet, and why."""

    ACTIVE = "active"
    MUTED = "muted"
    SILENCED = "silenced"

    @property
    def sleep(self) -> int:
        """How deep it sleeps: where one alert has several statuses, the lowest counts."""
        return ("active", "muted", "silenced").index(self.value)


class Alert(msgspec.Struct, frozen=True):
    """An alert as it stands in one aggregation group."""

    fingerprint: str
    labels: dict[str, str]
    status: AlertStatus
    annotations: dict[str, str] = {}
    silenced_by: tuple[str, ...] = ()


class AggregationGroup(msgspec.Struct, frozen=True):
    """The alerts that Alertmanager notifies together: a receiver and the labels it groups by."""

    receiver: str
    labels: dict[str, str]
    alerts: tuple[Alert, ...]


class AlertmanagerSnapshot(msgspec.Struct, frozen=True):
    """All that one Alertmanager knew; exists only if every part of it arrived and parsed.

    `clock` is the server's own time when the last part was read; `read_at` is our time when the first part
    was asked for, so that its age counts from then.
    """

    groups: tuple[AggregationGroup, ...]
    silences: tuple[Silence, ...]
    started_at: datetime
    settled: bool
    version: str
    clock: datetime
    read_at: datetime


# --- What Grafana IRM said --------------------------------------------------------------------------------


class Webhook(msgspec.Struct, frozen=True, tag="webhook"):
    """The content of a delivery: Alertmanager's webhook for one aggregation group.

    `receiver` is un-quoted, `firing` and `resolved` are fingerprints, `truncated` counts alerts that
    `max_alerts` cut from the payload.
    """

    receiver: str
    group_labels: dict[str, str]
    external_url: str
    group_key: str
    firing: frozenset[str]
    resolved: frozenset[str]
    truncated: int = 0


class LegacyAlert(msgspec.Struct, frozen=True, tag="legacy"):
    """The content of a delivery of the legacy integration: a single alert, with no externalURL."""

    fingerprint: str
    firing: bool


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable"):
    """The content of a delivery that is not Alertmanager's, or was wiped."""

    why: str


class Delivery(msgspec.Struct, frozen=True):
    """One webhook that IRM received; IRM's API calls it an alert."""

    id: str
    created_at: datetime
    content: Webhook | LegacyAlert | Unreadable


class Deliveries(msgspec.Struct, frozen=True):
    """The deliveries of one alert group, newest first; `complete` unless there were too many to read.

    `read_at` is our time when the last page of them was asked for.
    """

    items: tuple[Delivery, ...]
    read_at: datetime
    complete: bool = True


class Integration(msgspec.Struct, frozen=True):
    """Where deliveries enter IRM. Its inbound link holds a secret, and is not kept."""

    id: str
    name: str
    type: str
    in_maintenance: bool


class AlertGroup(msgspec.Struct, frozen=True):
    """An alert group that IRM holds open; `state` is "firing", "acknowledged" or "silenced".

    `alerts_count` counts deliveries, not alerts.
    """

    id: str
    integration_id: str
    state: str
    alerts_count: int
    created_at: datetime
    title: str
    url: str | None = None
    last_delivery: Delivery | None = None


class IrmSnapshot(msgspec.Struct, frozen=True):
    """Every open alert group and every integration; exists only if every page arrived and parsed."""

    alert_groups: tuple[AlertGroup, ...]
    integrations: tuple[Integration, ...]
    clock: datetime
    read_at: datetime


class Snapshots(msgspec.Struct, frozen=True):
    """All that a plan rests on.

    `deliveries` holds, by alert group id, those that were read beyond the last one; `attached` the ids of
    alert groups of which IRM said that they are attached to another.
    """

    irm: IrmSnapshot
    alertmanager: AlertmanagerSnapshot
    deliveries: dict[str, Deliveries] = {}
    attached: frozenset[str] = frozenset()


# --- What the operator wants ------------------------------------------------------------------------------


class Policy(msgspec.Struct, frozen=True):
    """The operator's rules, which the planner applies last; durations as timedelta."""

    on_silenced: str = "resolve"
    states: frozenset[str] = frozenset({"firing"})
    integration_ids: frozenset[str] = frozenset()
    external_urls: frozenset[str] = frozenset()
    min_silence_remaining: timedelta = timedelta(seconds=60)
    absence_after: timedelta = timedelta(seconds=900)
    max_actions_per_run: int = 100
    dry_run: bool = False


# --- What was decided -------------------------------------------------------------------------------------


class DecisionKind(StrEnum):
    """What an open alert group is; the table stands in `alertsync/planner/decide.py`."""

    SILENCED = "SILENCED"
    SILENCE_ENDING = "SILENCE_ENDING"
    MUTED = "MUTED"
    PARTIALLY_SILENCED = "PARTIALLY_SILENCED"
    CONSISTENT = "CONSISTENT"
    GONE = "GONE"
    MEMBERS_UNPROVEN = "MEMBERS_UNPROVEN"
    ATTACHED = "ATTACHED"
    UNKNOWN = "UNKNOWN"
    FOREIGN = "FOREIGN"


class ActionKind(StrEnum):
    """What is to be done about an alert group."""

    NONE = "none"
    RESOLVE = "resolve"


class Held(StrEnum):
    """Why an alert group that is inconsistent is left alone for now."""

    NOT_HELD = ""
    STATE = "state"
    DELIVERIES = "deliveries"
    POLICY = "policy"
    DRY_RUN = "dry_run"
    MAX_ACTIONS = "max_actions"


class Member(msgspec.Struct, frozen=True):
    """An alert that is in Alertmanager now and belongs to the alert group."""

    fingerprint: str
    status: AlertStatus
    labels: dict[str, str]
    silenced_by: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """What an alert group is, why, and what is to be done about it.

    `silenced_until` is set where every member is silenced: the time at which the first of them is not.
    """

    alert_group: AlertGroup
    kind: DecisionKind
    reason: str
    members: tuple[Member, ...] = ()
    silences: tuple[Silence, ...] = ()
    silenced_until: datetime | None = None
    inconsistent: bool = False
    action: ActionKind = ActionKind.NONE
    held: Held = Held.NOT_HELD


class Plan(msgspec.Struct, frozen=True):
    """The decisions about every open alert group, oldest first."""

    decisions: tuple[Decision, ...]
    external_urls: frozenset[str] = frozenset()

    @property
    def actions(self) -> tuple[Decision, ...]:
        """The decisions that are to be acted upon, oldest alert group first."""
        return tuple(decision for decision in self.decisions if decision.action is not ActionKind.NONE)


# --- What was done ----------------------------------------------------------------------------------------


class Outcome(StrEnum):
    """How an action ended."""

    RESOLVED = "resolved"
    ALREADY_RESOLVED = "already_resolved"
    DELETED = "deleted"
    ATTACHED = "attached"
    CANCELLED = "cancelled"
    FAILED = "failed"
    NOT_ATTEMPTED = "not_attempted"


class Action(msgspec.Struct, frozen=True):
    """One action and how it ended; `note` is "written", "failed", "off" or "" where none was due."""

    alert_group_id: str
    kind: ActionKind
    outcome: Outcome
    detail: str = ""
    note: str = ""
    at: datetime | None = None


class Upstream(msgspec.Struct, frozen=True):
    """How Alertmanager or IRM was last seen."""

    reachable: bool
    seen_at: datetime
    seconds: float
    version: str = ""
    error: str = ""


class RunStatus(StrEnum):
    """How a run ended, or that it has not ended yet."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Run(msgspec.Struct, frozen=True):
    """One run: why it ran, how it ended, what it found and did."""

    run_id: str
    trigger: str
    dry_run: bool
    status: RunStatus
    message: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_seconds: float = 0.0
    inconsistencies_found: int = 0
    inconsistencies_resolved: int = 0
    inconsistencies_failed: int = 0
    decisions: tuple[Decision, ...] = ()
    actions: tuple[Action, ...] = ()
    external_urls: frozenset[str] = frozenset()
    upstreams: dict[str, Upstream] = {}


class Counters(msgspec.Struct, frozen=True):
    """What has been counted since the state directory was made.

    `durations` counts runs by the first bucket of `DURATION_BUCKETS` (seconds) that holds them, the last
    entry those above all buckets.
    """

    runs: int = 0
    failures: int = 0
    resolved: int = 0
    failed_resolves: int = 0
    durations: tuple[int, ...] = ()
    duration_sum: float = 0.0


DURATION_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Summary(msgspec.Struct, frozen=True):
    """A run without its decisions."""

    run_id: str
    trigger: str
    status: RunStatus
    message: str
    started_at: datetime
    ended_at: datetime


class Standing(msgspec.Struct, frozen=True):
    """How things stand: the counters, the last run that ended, and both upstreams as last seen.

    `inconsistencies_found` is that of the last run that could look; `attached` maps alert groups of which
    IRM said that they are attached to another to the time at which it said so.
    """

    counters: Counters = Counters()
    last: Summary | None = None
    inconsistencies_found: int = 0
    upstreams: dict[str, Upstream] = {}
    attached: dict[str, datetime] = {}
