"""Runs, what they decided and what they did."""

from __future__ import annotations

from datetime import datetime

import msgspec

from alertsync.models import (
    Action,
    ActionKind,
    AlertStatus,
    Brake,
    DecisionKind,
    Held,
    PlannedRepage,
    RunStatus,
    SilenceChange,
    Summary,
)


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

    `held` says why an inconsistent one is left alone, "" if it is not; `would` is the action that this keeps back.
    `absent` are fingerprints that IRM was told of
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
    would: ActionKind
    silenced_until: datetime | None
    members: tuple[Member, ...]
    absent: tuple[str, ...]
    silences: tuple[Silence, ...]


class Run(msgspec.Struct, frozen=True):
    """A run with its decisions and actions; `decisions_omitted` counts decisions that are not kept.

    `repages` are the pages that it was to send again, of a dry run those that it would have sent; `repages_omitted`
    counts those beyond the first hundred. `silence_changes` are what was, or would have been, to be done because people
    silenced in IRM.
    """

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
    repages: tuple[PlannedRepage, ...]
    repages_omitted: int
    silence_changes: tuple[SilenceChange, ...]


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


class RunList(msgspec.Struct, frozen=True):
    """Runs, newest first; `degraded` says why some may be lacking."""

    items: tuple[Summary, ...]
    next: str | None
    degraded: str | msgspec.UnsetType = msgspec.UNSET


class ActionList(msgspec.Struct, frozen=True):
    """Actions, newest first; `degraded` says why some may be lacking."""

    items: tuple[Action, ...]
    next: str | None
    degraded: str | msgspec.UnsetType = msgspec.UNSET


class LastDecisions(msgspec.Struct, frozen=True):
    """Every decision of the last run, oldest alert group first; `as_of` and `run_id` are null before there was one."""

    as_of: datetime | None
    run_id: str | None
    count: int
    alert_groups: tuple[Decision, ...]
