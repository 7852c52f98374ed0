"""The shapes of what the API answers: `views.py` fills them, and the OpenAPI document is made from them.

So what is described cannot differ from what is sent. Where a value of `models/` is shown as it is, it is its own shape.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alertsync.models import (
    Action,
    ActionKind,
    AlertStatus,
    Brake,
    Debt,
    DecisionKind,
    Held,
    Lease,
    RunStatus,
    Sighting,
    Summary,
)
from alertsync.web.attention import Attention


class Silence(msgspec.Struct, frozen=True):
    """A silence: who, why, until when."""

    id: str
    created_by: str
    comment: str
    starts_at: datetime
    ends_at: datetime


class Member(msgspec.Struct, frozen=True):
    """An alert that is in Alertmanager and belongs to the alert group."""

    fingerprint: str
    status: AlertStatus
    labels: dict[str, str]
    silenced_by: tuple[str, ...]


class Decision(msgspec.Struct, frozen=True):
    """What an alert group is, why, and what is done about it.

    `held` says why an inconsistent one is left alone, "" if it is not. `absent` are fingerprints that IRM was told of
    and Alertmanager does not hold. `silenced_until` is when the first of its alerts speaks again.
    """

    alert_group_id: str
    title: str
    state: str
    integration_id: str
    created_at: datetime
    url: str | None
    decision: DecisionKind
    reason: str
    inconsistent: bool
    action: ActionKind
    held: Held
    silenced_until: datetime | None
    members: tuple[Member, ...]
    absent: tuple[str, ...]
    silences: tuple[Silence, ...]


class Run(msgspec.Struct, frozen=True):
    """A run with its decisions and actions; `decisions_omitted` counts decisions that are not kept."""

    status: RunStatus
    message: str
    inconsistencies_found: int
    inconsistencies_resolved: int
    inconsistencies_failed: int
    duration_seconds: float
    run_id: str
    trigger: str
    dry_run: bool
    lifted: tuple[str, ...]
    brakes: tuple[Brake, ...]
    started_at: datetime
    ended_at: datetime | None
    wake_at: datetime | None
    actions: tuple[Action, ...]
    decisions: tuple[Decision, ...]
    decisions_omitted: int


class RunBegun(msgspec.Struct, frozen=True):
    """A run that goes on; `location` tells how it ends."""

    status: RunStatus
    message: str
    run_id: str
    location: str


class Decisions(msgspec.Struct, frozen=True):
    """The decisions of one run, those about the newest alert groups first.

    `run_id` and `as_of` are null before there was a run. `total` counts those that match on all pages,
    `decisions_omitted` those of the run that are not kept.
    """

    run_id: str | None
    as_of: datetime | None
    dry_run: bool
    total: int
    decisions_omitted: int
    items: tuple[Decision, ...]
    next: str | None


class Mode(msgspec.Struct, frozen=True):
    """What alertsync is set to do."""

    dry_run: bool
    repage: bool
    on_silenced: str
    on_gone: str


class Loop(msgspec.Struct, frozen=True):
    """The loop: seconds between two runs (0: there is no loop), whether a worker leads it, and when it runs next."""

    interval: float
    leader: bool
    next_run_at: datetime | None


class Seen(msgspec.Struct, frozen=True):
    """How an upstream was last seen by a run; `reachable`, `seen_at` and `seconds` are null if it never was.

    The peers of a cluster of Alertmanager are seen as one: each has what was seen of them all.
    """

    url: str
    reachable: bool | None = None
    seen_at: datetime | None = None
    seconds: float | None = None
    version: str = ""
    error: str = ""


class Upstreams(msgspec.Struct, frozen=True):
    """Alertmanager, peer by peer, and IRM; null while the address of IRM is not set."""

    alertmanager: tuple[Seen, ...]
    irm: Seen | None


class Phase(StrEnum):
    """What a run is at."""

    WAITING = "waiting"
    READING_IRM = "reading_irm"
    READING_ALERTMANAGER = "reading_alertmanager"
    DECIDING = "deciding"
    ACTING = "acting"
    RECORDING = "recording"


class Progress(msgspec.Struct, frozen=True):
    """How far the run is that goes on; `pages_total` is null while IRM has not told how many there are."""

    run_id: str
    trigger: str
    dry_run: bool
    phase: Phase
    pages_read: int
    pages_total: int | None
    actions_done: int
    actions_total: int
    started_at: datetime
    at: datetime


class Status(msgspec.Struct, frozen=True):
    """How things stand. `missing` are settings without which there is no run, by name, with what is wrong.

    `last_run` is null before there was one, `progress` while no run goes on.
    """

    service: str
    version: str
    now: datetime
    ready: bool
    missing: dict[str, str]
    mode: Mode
    loop: Loop
    upstreams: Upstreams
    attention: Attention
    last_run: Summary | None
    progress: Progress | None


class AlertGroup(msgspec.Struct, frozen=True):
    """What IRM says of an alert group; `alerts_count` counts deliveries."""

    id: str
    integration_id: str
    state: str
    alerts_count: int
    created_at: datetime
    title: str
    url: str | None
    silenced_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


class WebhookDelivery(msgspec.Struct, frozen=True, tag="webhook"):
    """A delivery of Alertmanager: a webhook about one aggregation group."""

    id: str
    created_at: datetime
    receiver: str
    group_labels: dict[str, str]
    external_url: str
    group_key: str
    firing: tuple[str, ...]
    resolved: tuple[str, ...]
    truncated: int


class LegacyDelivery(msgspec.Struct, frozen=True, tag="legacy"):
    """A delivery of the legacy integration: a single alert."""

    id: str
    created_at: datetime
    fingerprint: str
    firing: bool


class UnreadableDelivery(msgspec.Struct, frozen=True, tag="unreadable"):
    """A delivery that is not Alertmanager's, or was wiped; `why` says which."""

    id: str
    created_at: datetime
    why: str


Delivery = WebhookDelivery | LegacyDelivery | UnreadableDelivery


class ShownDebt(Debt, frozen=True, kw_only=True):
    """What a resolve of ours costs, alert by alert; `open` while something of it is still owed."""

    open: bool


class Explanation(msgspec.Struct, frozen=True):
    """Why an alert group is decided as it is, and all that this rests on."""

    alert_group: AlertGroup
    decision: Decision | None
    deliveries: tuple[Delivery, ...]
    deliveries_complete: bool
    debts: tuple[ShownDebt, ...]
    lease: Lease | None
    sighting: Sighting | None
    actions: tuple[Action, ...]
