"""What can be seen at the servers: what each alert group was told, and since when each alert is active."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from alertsync.simulator.irm_model import Group
    from tests.simulation.servers import Servers

Place = tuple[str, frozenset[tuple[str, str]]]


@dataclass
class Stream:
    """What the deliveries of one groupKey in an alert group say: the place, and what each alert was last."""

    place: Place
    said: dict[str, bool] = field(default_factory=dict)

    @property
    def firing(self) -> set[str]:
        """The alerts that were left firing."""
        return {fingerprint for fingerprint, fires in self.said.items() if fires}


def streams(group: Group) -> list[Stream]:
    """Read the deliveries of an alert group; those that were wiped say nothing."""
    found: dict[str, Stream] = {}
    for delivery in group.deliveries:
        payload: Any = delivery.payload
        if "groupKey" not in payload:
            continue
        stream = found.setdefault(payload["groupKey"], Stream(place_of(payload)))
        stream.said |= {alert["fingerprint"]: alert["status"] == "firing" for alert in payload["alerts"]}
    return list(found.values())


def place_of(payload: dict[str, Any]) -> Place:
    """Give the receiver and the group labels of a webhook."""
    return payload["receiver"], frozenset(payload["groupLabels"].items())


def is_alive(group: Group, servers: Servers) -> bool:
    """Tell whether an alert of this group is in Alertmanager now."""
    known = {seen.alert.fingerprint for peer in servers.peers for seen in peer.alerts(lambda _: True)}
    places = {place for place, _ in at_places(servers)}
    return any(stream.firing & known or stream.place in places for stream in streams(group))


def at_places(servers: Servers) -> Iterator[tuple[Place, str]]:
    """Give every alert of every peer with its place."""
    for peer in servers.peers:
        for view in peer.groups(lambda _: True, lambda _: True):
            for seen in view.alerts:
                yield (view.receiver, frozenset(view.labels.items())), seen.alert.fingerprint


class Sightings:
    """Since when each alert is active: at a place by any peer, by every peer, and anywhere.

    An alert that fires, that no peer knows because it was restarted, and that nobody silenced, counts as active.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.by_any: dict[tuple[Place, str], datetime] = {}
        self.by_all: dict[tuple[Place, str], datetime] = {}
        self.anywhere: dict[str, datetime] = {}

    def observe(self) -> None:
        """Look at every alert of every peer."""
        active: list[set[tuple[Place, str]]] = []
        anywhere: set[str] = set()
        known: set[str] = set()
        for peer in self._servers.peers:
            here = set()
            for view in peer.groups(lambda _: True, lambda _: True):
                place = (view.receiver, frozenset(view.labels.items()))
                here |= {(place, seen.alert.fingerprint) for seen in view.alerts if seen.state == "active"}
            active.append(here)
            for seen in peer.alerts(lambda _: True):
                known.add(seen.alert.fingerprint)
                if seen.state == "active":
                    anywhere.add(seen.alert.fingerprint)
        now = self._servers.now
        _follow(self.by_any, set.union(*active), now)
        _follow(self.by_all, set.intersection(*active), now)
        _follow(self.anywhere, anywhere | self._forgotten(known), now)

    def _forgotten(self, known: set[str]) -> set[str]:
        missing = ((fp, labels) for fp, labels in self._servers.fingerprints.items() if fp not in known)
        return {fp for fp, labels in missing if not self._servers.is_silenced(labels)}


def _follow(since: dict[Any, datetime], holds: set[Any], now: datetime) -> None:
    for gone in since.keys() - holds:
        del since[gone]
    for key in holds:
        since.setdefault(key, now)
