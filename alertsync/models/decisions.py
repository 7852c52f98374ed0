"""What a plan rests on, what the operator wants, and what was decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from alertsync.models.alertmanager import AlertmanagerSnapshot, AlertStatus, Silence
from alertsync.models.irm import AlertGroup, Deliveries, IrmSnapshot


class Snapshots(msgspec.Struct, frozen=True):
    """All that a plan rests on.

    `deliveries` holds, by alert group id, those that were read beyond the last one; `attached` the ids of
    alert groups of which IRM said that they are attached to another.
    """

    irm: IrmSnapshot
    alertmanager: AlertmanagerSnapshot
    deliveries: dict[str, Deliveries] = {}
    attached: frozenset[str] = frozenset()


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
