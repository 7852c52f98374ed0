"""What is true of a world of `worlds.py`, found without the planner's help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.models import AggregationGroup, Alert, AlertGroup, AlertmanagerSnapshot, AlertStatus, Webhook

if TYPE_CHECKING:
    from tests.planner.worlds import Content, World


def stories_of(one: AlertGroup, world: World) -> list[Content]:
    """Give what is known of the deliveries of an alert group, newest first."""
    read = world.snapshots.deliveries.get(one.id)
    found = read.items if read else ((one.last_delivery,) if one.last_delivery else ())
    return [delivery.content for delivery in found]


def left_firing(stories: list[Content], url: str) -> set[str]:
    """Find the fingerprints that deliveries from an address left firing, stream by stream."""
    said: dict[tuple[str, str], bool] = {}
    for story in stories:
        if isinstance(story, Webhook) and story.external_url == url:
            for name in story.firing | story.resolved:
                said.setdefault((story.group_key, name), name in story.firing)
    return {name for (_, name), fires in said.items() if fires}


def at_place(known: AlertmanagerSnapshot, receiver: str, labels: dict[str, str]) -> list[Alert]:
    return [
        each
        for one in known.groups
        if (one.receiver, one.labels) == (receiver, labels)
        for each in one.alerts
    ]


def anywhere(known: AlertmanagerSnapshot, name: str) -> list[Alert]:
    return [each for one in known.groups for each in one.alerts if each.fingerprint == name]


def wake(known: AlertmanagerSnapshot, name: str) -> AlertmanagerSnapshot:
    """Let an alert be active wherever it stands."""

    def stir(one: Alert) -> Alert:
        if one.fingerprint != name:
            return one
        return msgspec.structs.replace(one, status=AlertStatus.ACTIVE, silenced_by=())

    groups = tuple(
        AggregationGroup(each.receiver, each.labels, tuple(map(stir, each.alerts))) for each in known.groups
    )
    return msgspec.structs.replace(known, groups=groups)


def with_peers(world: World, changed: Any) -> World:
    return world._replace(snapshots=msgspec.structs.replace(world.snapshots, alertmanagers=tuple(changed)))
