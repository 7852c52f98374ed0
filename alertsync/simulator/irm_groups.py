"""Which alert group takes a delivery.

The rule decides whether a re-posted payload pages anybody and whether a later `resolved` closes what
it should close, so it stands by itself: a delivery goes to the group of its integration and
distinction that is still open for grouping; a `resolved` one otherwise to the newest such group that
is resolved; and if there is none, a new group is made, even for a `resolved` one. Observed on Grafana
OnCall 2026-01.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.simulator.irm_records import RESOLVED, Delivery, Group, Integration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from alertsync.simulator.irm_intake import Intake


class Groups:
    """All alert groups, in order of creation; `new_id` makes an id that begins with the given prefix."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._by_id: dict[str, Group] = {}
        self._takers: dict[tuple[str, str], Group] = {}
        self._created = 0

    def __getitem__(self, group_id: str) -> Group:
        return self._by_id[group_id]

    def all(self) -> list[Group]:
        """Return the groups, in order of creation."""
        return list(self._by_id.values())

    def attached_to(self, root: Group) -> list[Group]:
        """Return the groups that are attached to a root."""
        return [group for group in self._by_id.values() if group.root_id == root.id]

    def taker(self, integration: Integration, intake: Intake, now: datetime) -> Group:
        """Return the group that takes a delivery, made for it if need be."""
        group = self._takers.get((integration.id, intake.distinction))
        if group is not None and group.open_for_grouping:
            return group
        if intake.resolves and (resolved := self._newest_resolved(integration, intake.distinction)):
            return resolved
        group = self.create(integration, intake.distinction, intake.title, now)
        group.route_id = integration.route_id
        group.root_id = integration.maintenance_root_id
        return group

    def create(self, integration: Integration, distinction: str, title: str, at: datetime) -> Group:
        """Make a group without deliveries, which takes those of its distinction from now on."""
        self._created += 1
        group = Group(self._new_id("I"), integration, distinction, title, at, self._created, None)
        self._by_id[group.id] = group
        self.place(group, distinction)
        return group

    def place(self, group: Group, distinction: str) -> None:
        """Let a group take the deliveries of another distinction."""
        group.distinction = distinction
        self._takers[group.integration.id, distinction] = group

    def store(self, group: Group, payload: object, at: datetime) -> None:
        """Add a delivery to a group."""
        group.deliveries.append(Delivery(self._new_id("A"), group.id, at, payload))

    def remove(self, group_id: str) -> Group:
        """Forget a group, which takes nothing any more."""
        group = self._by_id.pop(group_id)
        group.open_for_grouping = False
        return group

    def _newest_resolved(self, integration: Integration, distinction: str) -> Group | None:
        for group in reversed(self._by_id.values()):
            place = (group.integration, group.distinction, group.state)
            if place == (integration, distinction, RESOLVED):
                return group
        return None
