"""What Alertmanager said."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

_MARKER = re.compile(r" \[alertsync (?:irm|by hand) [^\[\]]*\]\Z")


class Matcher(msgspec.Struct, frozen=True, gc=False):
    """One condition of a silence on one label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class Silence(msgspec.Struct, frozen=True, gc=False):
    """A silence that is not expired; `state` is "active" or "pending"."""

    id: str
    state: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""

    @property
    def said(self) -> str:
        """The comment for people: without the marker by which a silence of ours is known again."""
        return _MARKER.sub("", self.comment).strip()


class AlertStatus(StrEnum):
    """What Alertmanager does with an alert: tell its receivers, or keep quiet, and why."""

    ACTIVE = "active"
    MUTED = "muted"
    SILENCED = "silenced"

    # Members are counted by it, tens of thousands in a plan, and Enum's own is slow; equal are only those of one value.
    __hash__ = str.__hash__

    @property
    def sleep(self) -> int:
        """How deep it sleeps: where one alert has several statuses, the lowest counts."""
        return _SLEEP[self]


_SLEEP = {AlertStatus.ACTIVE: 0, AlertStatus.MUTED: 1, AlertStatus.SILENCED: 2}


class Alert(msgspec.Struct, frozen=True, gc=False):
    """An alert as it stands in one aggregation group.

    Annotations, times and generator, which nothing is decided by, are there where they were asked for.
    """

    fingerprint: str
    labels: dict[str, str]
    status: AlertStatus
    annotations: dict[str, str] = {}
    silenced_by: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str = ""


class AggregationGroup(msgspec.Struct, frozen=True, gc=False):
    """The alerts that Alertmanager notifies together: a receiver and the labels it groups by."""

    receiver: str
    labels: dict[str, str]
    alerts: tuple[Alert, ...]


class AlertmanagerSnapshot(msgspec.Struct, frozen=True, gc=False):
    """All that one Alertmanager knew; exists only if every part of it arrived and parsed.

    `clock` is the server's own time when the last part was read; `read_at` is our time when the first part
    was asked for, so that its age counts from then. `peer` is the address it was read from, `repeat_interval`
    the longest of its configuration, None if that cannot be told. `ended` are silences that are expired, of those with
    the marker of ours that follow IRM's.
    """

    groups: tuple[AggregationGroup, ...]
    silences: tuple[Silence, ...]
    started_at: datetime
    settled: bool
    version: str
    clock: datetime
    read_at: datetime
    peer: str = ""
    repeat_interval: timedelta | None = None
    ended: tuple[Silence, ...] = ()
