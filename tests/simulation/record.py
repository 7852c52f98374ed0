"""What is remembered of the servers' acts: our last resolve of each place, and what IRM was told since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation.evidence import at_places, streams

if TYPE_CHECKING:
    from alertsync.simulator.irm_model import Group, Integration
    from tests.simulation.evidence import Place
    from tests.simulation.world import Instance, World

ADOPTED_WITHIN = timedelta(seconds=3600 - 600)
"""ADOPT_WITHIN, less the time until the run that adopts."""


@dataclass
class Resolve:
    """Our last resolve of a place: when, of which alert group, by which instance, and whom it left unheard."""

    at: datetime
    group_id: str
    instance: Instance | None
    alerts: set[str]
    attached: bool = False


class Record:
    """Our resolves by integration and place, our leases by alert group, and when IRM was last told of an alert.

    `run_began` is when our present run did.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[tuple[str, str], tuple[datetime, str]] = {}
        self._was_open: set[str] = set()
        self.resolves: dict[tuple[str, Place], Resolve] = {}
        self.leases: dict[str, datetime | None] = {}
        self.run_began: datetime = world.now

    def _note_resolve(self, root: Group) -> list[tuple[str, set[str]]]:
        unheard_at: list[tuple[str, set[str]]] = []
        standing: dict[Place, set[str]] = {}
        for place, fingerprint in at_places(self._world):
            standing.setdefault(place, set()).add(fingerprint)
        for group in self._world.irm.groups():
            attached = group.root_id == root.id and group.id in self._was_open
            # Of an alert group that was begun and attached during this run we could not know.
            if group is not root and (not attached or group.created_at >= self.run_began):
                continue
            for stream in streams(group):
                unheard = stream.firing | standing.get(stream.place, set())
                made = Resolve(self._world.now, group.id, self._world.running, unheard, attached)
                self.resolves[group.integration.id, stream.place] = made
                unheard_at.append((group.integration.id, unheard))
        return unheard_at

    def last_resolve(self, integration: Integration, fingerprint: str) -> Resolve | None:
        """Give our last resolve that left an alert unheard, at whatever place: routes may have moved it."""
        found = (one for (where, _), one in self.resolves.items() if where == integration.id)
        return max((one for one in found if fingerprint in one.alerts), key=lambda one: one.at, default=None)

    def is_in_doubt(self, integration: Integration, place: Place, told_at: datetime) -> bool:
        """Tell whether a person resolved, since an alert was told, what we were about to resolve.

        That it was not us cannot be known: tokens are shared, so a page too many is right.
        """
        owing = {
            debt.alert_group_id for one in self._world.instances for debt in self._world.ledger(one).debts
        }
        return any(
            group.resolved_at is not None and group.resolved_by is not None and told_at <= group.resolved_at
            for group in self._world.irm.groups()
            if group.id in owing
            and group.integration is integration
            and place in {stream.place for stream in streams(group)}
        )

    def _note_told(self, integration: Integration, payload: dict[str, Any]) -> None:
        groups = [
            group
            for group in self._world.irm.groups()
            if group.integration is integration and group.deliveries
        ]
        taken = max(groups, key=lambda group: group.deliveries[-1].created_at).id if groups else ""
        for alert in payload["alerts"]:
            if alert["status"] == "firing":
                self._told[integration.id, alert["fingerprint"]] = (self._world.now, taken)

    def _readable(self, group_id: str) -> bool:
        try:
            return not self._world.irm.group(group_id).wiped
        except KeyError:
            return False

    def _is_open(self, group_id: str) -> bool:
        try:
            return self._world.irm.group(group_id).state != "resolved"
        except KeyError:
            return False

    def _is_told_of(self, integration: Integration, fingerprint: str) -> bool:
        """Tell whether an open alert group of the integration shows an alert as firing, at whatever place."""
        return any(
            fingerprint in stream.firing
            for group in self._world.irm.groups()
            if group.integration is integration and group.state == "firing"
            for stream in streams(group)
        )

    def instance_gone(self, instance: Instance) -> None:
        """Forget what an instance owed that will never run again."""
        self.resolves = {key: one for key, one in self.resolves.items() if one.instance is not instance}
        self.leases.clear()

    def _marked(self, resolve: Resolve) -> bool:
        notes = self._world.irm.group(resolve.group_id).notes
        by_us = [note for note in notes if note.author is self._world.us and "alertsync" in note.text]
        return bool(by_us) and self._world.now - resolve.at < ADOPTED_WITHIN
