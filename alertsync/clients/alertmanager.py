"""Reads Alertmanager: the aggregation groups, the silences and the status, all or nothing.

Shapes are those of API v2 as Alertmanager 0.25, 0.28 and 0.33 answer. Three facts steer the code. A mute time
shows only in `/alerts/groups`, so members are judged there. After a restart the list is empty with a 200, so
the snapshot carries the start time (`uptime` is a timestamp) and whether the cluster has settled. While its
configuration is reloaded, `/alerts/groups` lacks alerts that `/alerts` shows (observed on 0.25), so what is to be
acted upon rests on a proven snapshot.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.clients import failures
from alertsync.clients.wire import decode
from alertsync.models import (
    AggregationGroup,
    Alert,
    AlertmanagerSnapshot,
    AlertStatus,
    Matcher,
    Silence,
)

if TYPE_CHECKING:
    from alertsync.clients.http import Http
    from alertsync.clock import Deadline


class _Status(msgspec.Struct):
    state: str
    silencedBy: list[str]  # noqa: N815  the wire's own names
    inhibitedBy: list[str]  # noqa: N815
    mutedBy: list[str] = []  # noqa: N815  absent before 0.28


class _Alert(msgspec.Struct):
    fingerprint: str
    labels: dict[str, str]
    status: _Status
    annotations: dict[str, str] = {}


class _Receiver(msgspec.Struct):
    name: str


class _Group(msgspec.Struct):
    labels: dict[str, str]
    receiver: _Receiver
    alerts: list[_Alert]


class _SilenceState(msgspec.Struct):
    state: str


class _Matcher(msgspec.Struct, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class _Silence(msgspec.Struct, rename="camel"):
    id: str
    status: _SilenceState
    matchers: list[_Matcher]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""


class _Cluster(msgspec.Struct):
    status: str


class _Version(msgspec.Struct):
    version: str = ""


class _ServerStatus(msgspec.Struct, rename="camel"):
    uptime: datetime
    cluster: _Cluster
    version_info: _Version


class _Fingerprint(msgspec.Struct):
    fingerprint: str


_READINGS = 4
_PAUSE_SECONDS = 0.5
_READ_GROUPS = "read aggregation groups"
_ALERTS = "/api/v2/alerts"
_GROUPS = "/api/v2/alerts/groups"
_SILENCES = "/api/v2/silences"
_STATUS = "/api/v2/status"


class AlertmanagerClient:
    """Speaks Alertmanager's API v2. Every method raises `UpstreamError`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def snapshot(self, deadline: Deadline) -> AlertmanagerSnapshot:
        """Read everything that a plan rests on.

        The silences are read after the groups, so that one that was removed in between is seen as removed, and
        the status last, so that a start in between is seen as a start.
        """
        answer = self._http.get(_READ_GROUPS, _GROUPS, deadline)
        groups = decode(self._http, _READ_GROUPS, answer, list[_Group])
        silences, _ = self._silences(deadline)
        status, last = self._status(deadline)
        return AlertmanagerSnapshot(
            groups=tuple(_aggregation_group(group) for group in groups),
            silences=silences,
            started_at=status.uptime,
            settled=status.cluster.status != "settling",
            version=status.version_info.version,
            clock=last,
            read_at=answer.asked_at,
        )

    def proven_snapshot(self, deadline: Deadline) -> AlertmanagerSnapshot:
        """Read everything, and prove that no alert is missing from the aggregation groups.

        What `/alerts` shows before and after must stand in a group, and it must be one server that answers,
        which did not start in between. If that fails several times in a row, raise `UpstreamError` (unstable).
        """
        for _ in range(_READINGS):
            before, (status, _) = self._fingerprints(deadline), self._status(deadline)
            snapshot = self.snapshot(deadline)
            held = before & self._fingerprints(deadline)
            grouped = {alert.fingerprint for group in snapshot.groups for alert in group.alerts}
            if held <= grouped and status.uptime == snapshot.started_at:
                return snapshot
            deadline.sleep(_PAUSE_SECONDS)
        raise failures.incomplete(self._http.endpoint, _READ_GROUPS, _READINGS)

    def _fingerprints(self, deadline: Deadline) -> set[str]:
        answer = self._http.get("read alerts", _ALERTS, deadline)
        return {one.fingerprint for one in decode(self._http, "read alerts", answer, list[_Fingerprint])}

    def alerts(self, deadline: Deadline) -> tuple[list[dict[str, Any]], tuple[Silence, ...]]:
        """Read the alerts as Alertmanager shows them (JSON objects), and the silences."""
        answer = self._http.get("read alerts", _ALERTS, deadline)
        decode(self._http, "read alerts", answer, list[_Alert])
        alerts: list[dict[str, Any]] = msgspec.json.decode(answer.body)
        return alerts, self._silences(deadline)[0]

    def _status(self, deadline: Deadline) -> tuple[_ServerStatus, datetime]:
        answer = self._http.get("read status", _STATUS, deadline)
        return decode(self._http, "read status", answer, _ServerStatus), answer.clock

    def _silences(self, deadline: Deadline) -> tuple[tuple[Silence, ...], datetime]:
        answer = self._http.get("read silences", _SILENCES, deadline)
        silences = decode(self._http, "read silences", answer, list[_Silence])
        kept = tuple(_silence(one) for one in silences if one.status.state in ("active", "pending"))
        return kept, answer.clock


def _aggregation_group(group: _Group) -> AggregationGroup:
    alerts = tuple(
        Alert(
            fingerprint=alert.fingerprint,
            labels=alert.labels,
            status=_alert_status(alert.status),
            annotations=alert.annotations,
            silenced_by=tuple(alert.status.silencedBy),
        )
        for alert in group.alerts
    )
    return AggregationGroup(receiver=group.receiver.name, labels=group.labels, alerts=alerts)


def _alert_status(status: _Status) -> AlertStatus:
    """Take an alert for quiet only if Alertmanager says both that it is and why; else it is active."""
    if status.state == "suppressed" and status.silencedBy:
        return AlertStatus.SILENCED
    if status.state == "suppressed" and (status.inhibitedBy or status.mutedBy):
        return AlertStatus.MUTED
    return AlertStatus.ACTIVE


def _silence(silence: _Silence) -> Silence:
    return Silence(
        id=silence.id,
        state=silence.status.state,
        matchers=tuple(
            Matcher(name=one.name, value=one.value, is_regex=one.is_regex, is_equal=one.is_equal)
            for one in silence.matchers
        ),
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        created_by=silence.created_by,
        comment=silence.comment,
    )
