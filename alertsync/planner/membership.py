"""Tells who is in an alert group now, and whether each of them is quiet.

A member is an alert that Alertmanager holds now and that belongs to the alert group: it stands in an
aggregation group with the delivery's receiver and group labels, or its fingerprint fires in the delivery. Its
status is read from that aggregation group, elsewhere only if it is absent there; where the same alert stands
several times, the most wakeful status counts, because one route that still speaks is enough to be paged.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Member
from alertsync.planner.evidence import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alertsync.models import AggregationGroup, Alert, AlertmanagerSnapshot
    from alertsync.planner.evidence import Place, Stream


class Membership(msgspec.Struct, frozen=True, gc=False):
    """The members by fingerprint order, and what speaks of alerts that Alertmanager does not hold.

    `absent` are fingerprints that fire in a delivery and are in Alertmanager no more. `nameless` counts
    alerts that `max_alerts` cut from a delivery whose aggregation group is no longer there.
    """

    members: tuple[Member, ...]
    absent: frozenset[str]
    nameless: int = 0


class AlertIndex:
    """The alerts of one Alertmanager snapshot by place (receiver and labels) and by fingerprint."""

    def __init__(self, snapshot: AlertmanagerSnapshot) -> None:
        self._by_place: dict[Place, list[Alert]] = defaultdict(list)
        self._by_fingerprint: dict[str, list[Alert]] = defaultdict(list)
        self._names: set[str] = set()
        self._judged: dict[Place, dict[str, Member]] = {}
        for group in snapshot.groups:
            self._by_place[place(group.receiver, group.labels)].extend(group.alerts)
            for alert in group.alerts:
                self._by_fingerprint[alert.fingerprint].append(alert)
                self._names.add(alert.labels.get("alertname", ""))

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._by_fingerprint

    def __bool__(self) -> bool:
        return bool(self._by_fingerprint)

    def everybody(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Give each alert's fingerprint and labels."""
        for fingerprint, sightings in self._by_fingerprint.items():
            yield fingerprint, sightings[0].labels

    def names(self, alertname: str) -> bool:
        """Tell whether an alert of that name is there."""
        return alertname in self._names

    def at(self, where: Place) -> dict[str, Member]:
        """Give the alerts of a place by fingerprint, each judged by its sightings there."""
        if where not in self._judged:
            found: dict[str, list[Alert]] = {}
            for alert in self._by_place.get(where, ()):
                found.setdefault(alert.fingerprint, []).append(alert)
            self._judged[where] = {name: _member(sightings) for name, sightings in found.items()}
        return self._judged[where]

    def anywhere(self, fingerprint: str) -> Member | None:
        """Judge an alert by all its sightings, wherever it stands; None if it is not there."""
        sightings = self._by_fingerprint.get(fingerprint)
        return _member(sightings) if sightings else None

    def membership(self, streams: Sequence[Stream]) -> Membership:
        """Find the members of an alert group with these streams."""
        if len(streams) == 1:
            return self._of_one(streams[0])
        found: dict[str, list[Alert]] = {}
        absent: set[str] = set()
        nameless = 0
        for stream in streams:
            here = self._at_place(stream)
            nameless += stream.last_word.truncated if stream.last_word and not here else 0
            for fingerprint in here.keys() | stream.firing:
                sightings = here.get(fingerprint) or self._by_fingerprint.get(fingerprint)
                if sightings is None:
                    absent.add(fingerprint)
                else:
                    found.setdefault(fingerprint, []).extend(sightings)
        members = tuple(_member(found[fingerprint]) for fingerprint in sorted(found))
        return Membership(members=members, absent=frozenset(absent), nameless=nameless)

    def _of_one(self, stream: Stream) -> Membership:
        """Find the members of an alert group that holds one stream, as nearly all do."""
        here = self.at(stream.where) if stream.where is not None else {}
        absent: list[str] = []
        elsewhere: dict[str, Member] = {}
        for fingerprint in stream.firing - here.keys():
            member = self.anywhere(fingerprint)
            if member is None:
                absent.append(fingerprint)
            else:
                elsewhere[fingerprint] = member
        found = here | elsewhere if elsewhere else here
        return Membership(
            members=tuple(found[name] for name in sorted(found)) if len(found) > 1 else tuple(found.values()),
            absent=frozenset(absent),
            nameless=stream.last_word.truncated if stream.last_word and not here else 0,
        )

    def _at_place(self, stream: Stream) -> dict[str, list[Alert]]:
        if stream.where is None:
            return {}
        here: dict[str, list[Alert]] = {}
        for alert in self._by_place.get(stream.where, ()):
            here.setdefault(alert.fingerprint, []).append(alert)
        return here


class Indexes:
    """Indexes of the snapshots that are judged by now, so that each is made once however often it is judged by.

    Of each peer only the newest snapshot is kept.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[tuple[AggregationGroup, ...], AlertIndex]] = {}

    def of(self, snapshot: AlertmanagerSnapshot) -> AlertIndex:
        """Give the index of a snapshot."""
        made = self._made.get(snapshot.peer)
        if made is None or made[0] is not snapshot.groups:
            made = self._made[snapshot.peer] = (snapshot.groups, AlertIndex(snapshot))
        return made[1]


def _member(sightings: list[Alert]) -> Member:
    """Judge an alert by all its sightings: the lightest sleep counts, and the silences that all of them name."""
    if len(sightings) == 1:
        [alert] = sightings
        named = tuple(sorted(set(alert.silenced_by)))
        return Member(alert.fingerprint, alert.status, alert.labels, named)
    alert = min(sightings, key=lambda one: one.status.sleep)
    silences = set(alert.silenced_by).intersection(*(one.silenced_by for one in sightings))
    return Member(
        fingerprint=alert.fingerprint,
        status=alert.status,
        labels=alert.labels,
        silenced_by=tuple(sorted(silences)),
    )
