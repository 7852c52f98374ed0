"""What was done, and what is remembered of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alertsync.models.decisions import ActionKind, Decision


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
    """One run: why it ran, how it ended, what it found and did.

    `decisions_omitted` counts decisions that were left out of a record to keep it small.
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
