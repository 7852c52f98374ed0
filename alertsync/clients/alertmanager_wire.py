"""What Alertmanager's API v2 sends, field by field, and how it becomes the values that the planner judges.

Only what is used is decoded, and all of it strictly. Fields that some versions or stand-ins leave out have a
default; an alert of which it is not said both that it is quiet and why is active.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import msgspec

from alertsync.clients.wire import Time
from alertsync.models import AggregationGroup, Alert, AlertStatus, Matcher, Silence

if TYPE_CHECKING:
    from datetime import datetime

_NONE: dict[str, str] = {}
_MOST_VALUES = 20_000
"""Those of pods and instances are all different: what is kept of them is no gain."""


class _Status(msgspec.Struct, rename="camel", gc=False):
    state: str
    silenced_by: list[str]
    inhibited_by: list[str]
    muted_by: list[str] = []
    """Absent before 0.28."""


class WireMember(msgspec.Struct, rename="camel", gc=False):
    """As much of an alert in an aggregation group as is judged."""

    fingerprint: str
    labels: dict[str, str]
    status: _Status


class WireAlert(WireMember, rename="camel", gc=False):
    """An alert, in a list or in an aggregation group."""

    annotations: dict[str, str] = {}
    starts_at: Time | None = None
    ends_at: Time | None = None
    generator_url: str = msgspec.field(name="generatorURL", default="")


class _Receiver(msgspec.Struct, gc=False):
    name: str


class WireGroup(msgspec.Struct, gc=False):
    """An aggregation group."""

    labels: dict[str, str]
    receiver: _Receiver
    alerts: list[WireAlert]


class WireMembers(msgspec.Struct, gc=False):
    """An aggregation group, with as much of its alerts as is judged."""

    labels: dict[str, str]
    receiver: _Receiver
    alerts: list[WireMember]


class _SilenceState(msgspec.Struct, gc=False):
    state: str


class _Matcher(msgspec.Struct, rename="camel", gc=False):
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class WireSilence(msgspec.Struct, rename="camel", gc=False):
    """A silence, which may be expired."""

    id: str
    status: _SilenceState
    matchers: list[_Matcher]
    starts_at: Time
    ends_at: Time
    created_by: str = ""
    comment: str = ""


class _Cluster(msgspec.Struct, gc=False):
    status: str


class _Version(msgspec.Struct, gc=False):
    version: str = ""


class _Config(msgspec.Struct, gc=False):
    original: str = ""


class WireStatus(msgspec.Struct, rename="camel", gc=False):
    """The status of a server; `uptime` is when it started."""

    uptime: Time
    cluster: _Cluster
    version_info: _Version
    config: _Config = msgspec.field(default_factory=_Config)


class WireFingerprint(msgspec.Struct, gc=False):
    """As much of an alert as tells it from the others."""

    fingerprint: str


def aggregation_group(group: WireGroup) -> AggregationGroup:
    """Turn an aggregation group of the wire into the value that the planner judges."""
    alerts = tuple(
        Alert(
            fingerprint=alert.fingerprint,
            labels=alert.labels,
            status=_alert_status(alert.status),
            annotations=alert.annotations,
            silenced_by=tuple(alert.status.silenced_by),
            starts_at=alert.starts_at,
            ends_at=alert.ends_at,
            generator_url=alert.generator_url,
        )
        for alert in group.alerts
    )
    return AggregationGroup(receiver=group.receiver.name, labels=group.labels, alerts=alerts)


class Judged:
    """Turns the aggregation groups of one large list into values without what only a payload shows.

    So the list takes half of the memory: what many labels have for a value is there once, up to a bound.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def __call__(self, group: WireMembers) -> AggregationGroup:
        """Turn an aggregation group of the wire into the value that the planner judges."""
        alerts = tuple(
            Alert(
                fingerprint=alert.fingerprint,
                labels=self._shared(alert.labels),
                status=_alert_status(alert.status),
                annotations=_NONE,
                silenced_by=tuple(alert.status.silenced_by),
            )
            for alert in group.alerts
        )
        return AggregationGroup(
            receiver=self._once(group.receiver.name), labels=self._shared(group.labels), alerts=alerts
        )

    def _shared(self, labels: dict[str, str]) -> dict[str, str]:
        for name, value in labels.items():
            labels[name] = self._once(value)
        return labels

    def _once(self, value: str) -> str:
        if len(self._values) < _MOST_VALUES:
            return self._values.setdefault(value, value)
        return self._values.get(value, value)


def _alert_status(status: _Status) -> AlertStatus:
    """Take an alert for quiet only if Alertmanager says both that it is and why; else it is active."""
    if status.state == "suppressed" and status.silenced_by:
        return AlertStatus.SILENCED
    if status.state == "suppressed" and (status.inhibited_by or status.muted_by):
        return AlertStatus.MUTED
    return AlertStatus.ACTIVE


class WireSilenceId(msgspec.Struct, gc=False):
    """The answer to a silence that was made or changed."""

    silence_id: str = msgspec.field(name="silenceID")


def posted(silence: Silence, *, starts_at: datetime) -> dict[str, object]:
    """Write a silence as it is posted: with an id it changes that one, without it is a new one.

    `starts_at` must be that of the one that is changed, or Alertmanager makes another. Before 0.22 `isEqual` is unknown,
    and it is true in all of ours.
    """
    body: dict[str, object] = {
        "matchers": [
            {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
            for one in silence.matchers
        ],
        "startsAt": _time(starts_at),
        "endsAt": _time(silence.ends_at),
        "createdBy": silence.created_by,
        "comment": silence.comment,
    }
    return {"id": silence.id, **body} if silence.id else body


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def silence(wire: WireSilence) -> Silence:
    """Turn a silence of the wire into the value that the planner judges."""
    return Silence(
        id=wire.id,
        state=wire.status.state,
        matchers=tuple(
            Matcher(name=one.name, value=one.value, is_regex=one.is_regex, is_equal=one.is_equal)
            for one in wire.matchers
        ),
        starts_at=wire.starts_at,
        ends_at=wire.ends_at,
        created_by=wire.created_by,
        comment=wire.comment,
    )
