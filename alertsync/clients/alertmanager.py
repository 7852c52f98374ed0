"""Reads Alertmanager: the aggregation groups, the silences and the status, all or nothing.

Shapes are those of API v2 as Alertmanager 0.25, 0.28 and 0.33 answer. Three facts steer the code. A mute time
shows only in `/alerts/groups`, so members are judged there. After a restart the list is empty with a 200, so
the snapshot carries the start time (`uptime` is a timestamp) and whether the cluster has settled. While its
configuration is reloaded, `/alerts/groups` lacks alerts that `/alerts` shows (observed on 0.25), so what is to be
acted upon rests on a proven snapshot.

What is sent stands in `alertmanager_wire.py`; several peers of one cluster are read through `peers.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

from alertsync.clients import failures, repeat_interval
from alertsync.clients.abreast import Abreast
from alertsync.clients.alertmanager_wire import (
    Judged,
    WireAlert,
    WireFingerprint,
    WireGroup,
    WireMembers,
    WireSilence,
    WireSilenceId,
    WireStatus,
    aggregation_group,
    posted,
    silence,
)
from alertsync.clients.deliveries import quote_meta
from alertsync.clients.wire import decode, decode_each, decode_list
from alertsync.errors import Reason, UpstreamError
from alertsync.models import AlertmanagerSnapshot, Operation, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from alertsync.clients.http import Http
    from alertsync.clock import Deadline
    from alertsync.models import AggregationGroup

_READINGS = 4
_PAUSE_SECONDS = 0.5
_ALERTS = "/api/v2/alerts"
_GROUPS = "/api/v2/alerts/groups"
_SILENCES = "/api/v2/silences"
_SILENCE = "/api/v2/silence/"
_STATUS = "/api/v2/status"
_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_MAX_FILTERS = 2000
"""Characters of filters in one address: proxies refuse long ones, and a filter less only gives more to read."""
_Params = dict[str, str | list[str]]
_CHEAP_BYTES = 1 << 18
"""Silences up to this size are read again with every place: expired ones stay listed for days."""


_OURS = "[alertsync irm "
"""What is in the comment of a silence of ours that follows one of IRM's: of expired ones, only these are wanted."""


class _Silences(NamedTuple):
    held: tuple[Silence, ...]
    cheap: bool
    ended: tuple[Silence, ...] = ()


class AlertmanagerClient:
    """Speaks Alertmanager's API v2. Every method raises `UpstreamError`.

    A snapshot of everything holds of its alerts what is judged. Where it is `detailed`, by default or because it is asked
    for, their annotations, times and generator are there too, as they always are in a single place.
    """

    def __init__(self, http: Http, *, detailed: bool = False) -> None:
        self._http = http
        self._detailed = detailed
        self._aside = Abreast(1, "alertmanager-decode")
        self._silences = _Silences((), cheap=True)

    @property
    def address(self) -> str:
        """The address of this peer."""
        return self._http.endpoint.base_url

    def snapshot(self, deadline: Deadline, *, detailed: bool = False) -> AlertmanagerSnapshot:
        """Read everything that a plan rests on.

        The silences are read after the groups, so that one that was removed in between is seen as removed, and
        the status last, so that a start in between is seen as a start.
        """
        asked_at, groups = self._groups(deadline, detailed=detailed or self._detailed)
        self._silences = self._read_silences(deadline)
        return self._snapshot(asked_at, groups, self._silences, deadline)

    def place(
        self, receiver: str, group_labels: Mapping[str, str], deadline: Deadline, *, proven: bool = False
    ) -> AlertmanagerSnapshot:
        """Read again the aggregation groups of a receiver whose alerts have these labels, and what goes with them.

        Label names that not every version takes in a filter are left out of it, so that other groups of the
        receiver may be there too. Where there are very many silences, those of the last snapshot are given,
        unless an alert is held by one that is not among them. `proven` as `proven_snapshot` proves it.
        """
        params: _Params = {"receiver": quote_meta(receiver), "filter": _filters(group_labels)}
        if proven:
            return self._proven(lambda: self._place(params, deadline), deadline, params)
        return self._place(params, deadline)

    def _place(self, params: _Params, deadline: Deadline) -> AlertmanagerSnapshot:
        asked_at, groups = self._groups(deadline, params, detailed=True)
        silences = self._silences
        known = {one.id for one in silences.held}
        holding = {id_ for group in groups for alert in group.alerts for id_ in alert.silenced_by}
        if silences.cheap or not holding <= known:
            silences = self._read_silences(deadline)
        return self._snapshot(asked_at, groups, silences, deadline)

    def _groups(
        self, deadline: Deadline, params: _Params | None = None, *, detailed: bool
    ) -> tuple[datetime, tuple[AggregationGroup, ...]]:
        """Read the aggregation groups, and give when they were asked for; the answer itself, as large, is let go."""
        operation = Operation.READ_AGGREGATION_GROUPS
        answer = self._http.get(operation, _GROUPS, deadline, params)
        groups = (
            decode_each(self._http, operation, answer, WireGroup, aggregation_group)
            if detailed
            else decode_each(self._http, operation, answer, WireMembers, Judged())
        )
        return answer.asked_at, tuple(groups)

    def _snapshot(
        self,
        asked_at: datetime,
        groups: tuple[AggregationGroup, ...],
        silences: _Silences,
        deadline: Deadline,
    ) -> AlertmanagerSnapshot:
        status, clock = self._status(deadline)
        return AlertmanagerSnapshot(
            groups=groups,
            silences=silences.held,
            ended=silences.ended,
            started_at=status.uptime,
            settled=status.cluster.status != "settling",
            version=status.version_info.version,
            clock=clock,
            read_at=asked_at,
            peer=self.address,
            repeat_interval=repeat_interval.longest(status.config.original),
        )

    def proven_snapshot(self, deadline: Deadline, *, detailed: bool = False) -> AlertmanagerSnapshot:
        """Read everything, and prove that no alert is missing from the aggregation groups.

        What `/alerts` shows before, and still shows after, must stand in a group, and it must be one server that answers,
        which did not start in between. If that fails several times in a row, raise `UpstreamError` (unstable).
        """
        return self._proven(lambda: self.snapshot(deadline, detailed=detailed), deadline)

    def _proven(
        self, read: Callable[[], AlertmanagerSnapshot], deadline: Deadline, params: _Params | None = None
    ) -> AlertmanagerSnapshot:
        for _ in range(_READINGS):
            # Decoded while Alertmanager works on what is asked for next.
            fingerprints = self._aside.begin(self._read_fingerprints(deadline, params))
            status, _ = self._status(deadline)
            snapshot = read()
            grouped = {alert.fingerprint for group in snapshot.groups for alert in group.alerts}
            before = fingerprints.result()
            # What is missing may have ended in between. Where nothing is, no more needs to be read.
            held = before if before <= grouped else before & self._read_fingerprints(deadline, params)()
            if held <= grouped and status.uptime == snapshot.started_at:
                return snapshot
            deadline.sleep(_PAUSE_SECONDS)
        raise failures.incomplete(self._http.endpoint, Operation.READ_AGGREGATION_GROUPS, _READINGS)

    def _read_fingerprints(self, deadline: Deadline, params: _Params | None) -> Callable[[], set[str]]:
        """Read all alerts, and give what decodes their fingerprints; the answer itself, as large, goes with that."""
        operation = Operation.READ_ALERTS
        answers = [self._http.get(operation, _ALERTS, deadline, params)]
        return lambda: set(
            decode_each(self._http, operation, answers.pop(), WireFingerprint, lambda one: one.fingerprint)
        )

    def alerts(self, deadline: Deadline) -> tuple[list[dict[str, Any]], tuple[Silence, ...]]:
        """Read the alerts as Alertmanager shows them (JSON objects), and the silences."""
        answer = self._http.get(Operation.READ_ALERTS, _ALERTS, deadline)
        decode_list(self._http, Operation.READ_ALERTS, answer, WireAlert)
        alerts: list[dict[str, Any]] = msgspec.json.decode(answer.body)
        return alerts, self._read_silences(deadline).held

    def _status(self, deadline: Deadline) -> tuple[WireStatus, datetime]:
        answer = self._http.get(Operation.READ_STATUS, _STATUS, deadline)
        return decode(self._http, Operation.READ_STATUS, answer, WireStatus), answer.clock

    def active_silences(self, deadline: Deadline) -> frozenset[tuple[str, datetime]]:
        """Read which silences are active, and when each ends: what changes when one is made, extended or ended."""
        found, _ = self._list_silences(Operation.WATCH_SILENCES, deadline)
        return frozenset((one.id, one.ends_at) for one in found if one.status.state == "active")

    def _read_silences(self, deadline: Deadline) -> _Silences:
        found, size = self._list_silences(Operation.READ_SILENCES, deadline)
        held = tuple(silence(one) for one in found if one.status.state in ("active", "pending"))
        ended = tuple(silence(one) for one in found if one.status.state == "expired" and _OURS in one.comment)
        return _Silences(held, cheap=size <= _CHEAP_BYTES, ended=ended)

    def _list_silences(self, operation: Operation, deadline: Deadline) -> tuple[list[WireSilence], int]:
        answer = self._http.get(operation, _SILENCES, deadline)
        return decode_list(self._http, operation, answer, WireSilence), len(answer.body)

    # Acting

    def post_silence(self, wanted: Silence, starts_at: datetime, deadline: Deadline) -> str:
        """Make a silence, or change the one with its id, and give the id that it has then.

        A new one begins when it arrives, should `starts_at` be past by then. Not repeated when in doubt.
        """
        body = posted(wanted, starts_at=starts_at)
        answer = self._http.post(Operation.CREATE_SILENCE, _SILENCES, deadline, json=body)
        return decode(self._http, Operation.CREATE_SILENCE, answer, WireSilenceId).silence_id

    def expire_silence(self, silence_id: str, deadline: Deadline) -> bool:
        """End a silence; False if there is none of this id. One that has ended already is no error."""
        try:
            self._http.delete(Operation.EXPIRE_SILENCE, f"{_SILENCE}{quote(silence_id, safe='')}", deadline)
        except UpstreamError as error:
            # 0.25 answers 500 for one that it does not know.
            unknown = error.reason is Reason.SERVER_ERROR and "not found" in error.detail
            if error.reason is Reason.NOT_FOUND or unknown:
                return False
            raise
        return True


def _filters(labels: Mapping[str, str]) -> list[str]:
    """Write group labels as matchers that every version reads alike."""
    filters: list[str] = []
    for name, value in sorted(labels.items()):
        if _CLASSIC_NAME.fullmatch(name):
            one = f'{name}="{value.translate(_ESCAPES)}"'
            if sum(map(len, filters)) + len(one) <= _MAX_FILTERS:
                filters.append(one)
    return filters
