"""What was done, and what is remembered of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alertsync.models.decisions import ActionKind, Brake, Decision, Held, SilenceChange
from alertsync.models.irm import AlertGroup, Delivery
from alertsync.models.ledger import Debt, Lease, Sighting
from alertsync.models.silencing import HandledEvent, HandSilence, IrmSilence


class Outcome(StrEnum):
    """How an action ended."""

    RESOLVED = "resolved"
    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    POSTED = "posted"
    UNRESOLVED = "unresolved"
    CREATED = "created"
    EXTENDED = "extended"
    EXPIRED = "expired"
    NOTED = "noted"
    ALREADY_RESOLVED = "already_resolved"
    DELETED = "deleted"
    ATTACHED = "attached"
    CANCELLED = "cancelled"
    FAILED = "failed"
    NOT_ATTEMPTED = "not_attempted"


class Action(msgspec.Struct, frozen=True):
    """One action and how it ended; `note` is "written", "failed", "off" or "" where none was due.

    `reason` is why it was decided, `detail` what came of it.
    """

    alert_group_id: str
    kind: ActionKind
    outcome: Outcome
    detail: str = ""
    note: str = ""
    at: datetime | None = None
    title: str = ""
    reason: str = ""
    run_id: str = ""


class RepagedAlert(msgspec.Struct, frozen=True):
    """One alert that somebody is paged for again."""

    fingerprint: str
    labels: dict[str, str]


class PlannedRepage(msgspec.Struct, frozen=True):
    """A page that a run sends again, or would: one post, which pays all these debts.

    `action` is `REPAGE`, or `UNRESOLVE` where posting is in vain and the alert group itself is opened again. `held` says
    what keeps it back: a dry run, or policy (REPAGE=false). `receiver` is None for legacy alerts, `due_since` when the
    oldest of the debts was made. `alerts_omitted` counts alerts that are left out to keep a record small.
    """

    alert_group_id: str
    title: str
    integration_id: str
    receiver: str | None
    group_labels: dict[str, str]
    debts: tuple[str, ...]
    alerts: tuple[RepagedAlert, ...]
    reason: str
    due_since: datetime
    action: ActionKind = ActionKind.REPAGE
    held: Held = Held.NOT_HELD
    alerts_omitted: int = 0


class Upstream(msgspec.Struct, frozen=True):
    """How Alertmanager or IRM was last seen."""

    reachable: bool
    seen_at: datetime
    seconds: float
    version: str = ""
    error: str = ""


def peer_name(address: str) -> str:
    """Name one peer of a cluster of Alertmanager among upstreams, in which "alertmanager" stands for them all."""
    return f"alertmanager {address}"


class RunStatus(StrEnum):
    """How a run ended, or that it has not ended yet."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Run(msgspec.Struct, frozen=True):
    """One run: why it ran, how it ended, what it found and did.

    `upstreams` has "irm", "alertmanager", and each peer by its `peer_name` where there are several. `repages` are the
    pages that it was to send again, whether or not it did, `silence_changes` what was to be done in Alertmanager because
    of silences in IRM; what came of it stands in `actions`. `decisions_omitted` and `repages_omitted` count what was left
    out of a record to keep it small.
    """

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
    decisions_omitted: int = 0
    repages: tuple[PlannedRepage, ...] = ()
    repages_omitted: int = 0
    actions: tuple[Action, ...] = ()
    external_urls: frozenset[str] = frozenset()
    upstreams: dict[str, Upstream] = {}
    lifted: frozenset[str] = frozenset()
    brakes: frozenset[Brake] = frozenset()
    wake_at: datetime | None = None
    silence_changes: tuple[SilenceChange, ...] = ()


class Counters(msgspec.Struct, frozen=True):
    """What has been counted since the state directory was made.

    `durations` counts runs by the first bucket of `DURATION_BUCKETS` (seconds) that holds them, the last
    entry those above all buckets. `actions` counts by "action/outcome", `skipped` by why an inconsistency was
    left alone.
    """

    runs: int = 0
    failures: int = 0
    resolved: int = 0
    failed_resolves: int = 0
    durations: tuple[int, ...] = ()
    duration_sum: float = 0.0
    actions: dict[str, int] = {}
    skipped: dict[str, int] = {}


DURATION_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Summary(msgspec.Struct, frozen=True):
    """A run without its decisions; `ended_at` is None while it is going on."""

    run_id: str
    trigger: str
    status: RunStatus
    message: str
    started_at: datetime
    ended_at: datetime | None
    dry_run: bool = False
    duration_seconds: float = 0.0
    inconsistencies_found: int = 0
    inconsistencies_resolved: int = 0
    inconsistencies_failed: int = 0


class Explanation(msgspec.Struct, frozen=True):
    """Why an alert group is decided as it is: the decision, and all that it rests on.

    `decision` is None for one that is resolved by now. `deliveries` are newest first, `complete` unless there
    were too many to read. `irm_silence` and `hand_silences` are those of ours in Alertmanager for it, those that are over
    too, `events` the newest that IRM's webhooks told about it.
    """

    alert_group: AlertGroup
    decision: Decision | None
    deliveries: tuple[Delivery, ...]
    complete: bool
    debts: tuple[Debt, ...] = ()
    lease: Lease | None = None
    sighting: Sighting | None = None
    actions: tuple[Action, ...] = ()
    irm_silence: IrmSilence | None = None
    hand_silences: tuple[HandSilence, ...] = ()
    events: tuple[HandledEvent, ...] = ()


class IrmHeartbeat(msgspec.Struct, frozen=True):
    """The heartbeats that IRM was sent: how many it took and how many it did not, and when it last took one.

    `problem` is why the last one was not taken, "" if it was, or if none is to be sent.
    """

    sent: int = 0
    failed: int = 0
    sent_at: datetime | None = None
    problem: str = ""


class Standing(msgspec.Struct, frozen=True):
    """How things stand: the counters, the last run that ended, and both upstreams as last seen.

    `inconsistencies_found`, `decisions` (how many of each kind), `brakes` are those of the last run that could
    look. `debts` counts owed alerts by state, `due` those that are due or posted, `leases` those that hold.
    `last_success_at` is when the last run that did all that was due ended, `failures_in_a_row` counts the runs
    since that failed as a whole. `cannot_act` is IRM's refusal of our token, "" if it may act; `degraded` why
    the store cannot be written, "" if it can. `irm_silences` counts those that are looked after by state, `hand_silences`
    those that were made by hand and may hold. `heartbeat` tells of what IRM was sent to watch over us. `wake_at` is when
    the next run should begin at the latest, None where
    nothing is waited for.
    """

    counters: Counters = Counters()
    last: Summary | None = None
    inconsistencies_found: int = 0
    upstreams: dict[str, Upstream] = {}
    decisions: dict[str, int] = {}
    debts: dict[str, int] = {}
    due: int = 0
    leases: int = 0
    brakes: frozenset[Brake] = frozenset()
    last_success_at: datetime | None = None
    failures_in_a_row: int = 0
    cannot_act: str = ""
    degraded: str = ""
    irm_silences: dict[str, int] = {}
    hand_silences: int = 0
    wake_at: datetime | None = None
    heartbeat: IrmHeartbeat = IrmHeartbeat()
