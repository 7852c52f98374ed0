"""What the simulated Alertmanager shows of an alert when asked, apart from how it came to be so.

The two lists of the API differ in small ways on which the service depends: only the list of groups names
mute times, and there an alert names the receivers of the groups shown, not those of its routes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from alertsync.simulator.alertmanager_dispatch import AggregationGroup, Alert
from alertsync.simulator.alertmanager_text import label_order


@dataclass(frozen=True)
class Sighting:
    """An alert at one moment: its receivers, its state, and what suppresses it.

    ``state`` is ``active``, ``suppressed`` or ``unprocessed``; ``silenced_by`` holds ids of silences,
    ``inhibited_by`` fingerprints of alerts, ``muted_by`` names of mute times.
    """

    alert: Alert
    receivers: tuple[str, ...]
    state: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupView:
    """An aggregation group with its alerts; ``muted`` if a mute time holds it back."""

    labels: Mapping[str, str]
    receiver: str
    alerts: tuple[Sighting, ...]
    muted: bool


Keep = Callable[[Sighting], bool]
Sight = Callable[[Alert], Sighting | None]


def view_groups(
    groups: Iterable[AggregationGroup], sight: Sight, keep: Keep, *, show_mutes: bool
) -> list[GroupView]:
    """Return the groups that have alerts to show, ordered by labels and receiver."""
    views = []
    receivers = defaultdict(list)
    for group in sorted(groups, key=lambda group: (label_order(group.labels), group.route.receiver)):
        sightings = [seen for seen in map(sight, group.sorted_alerts()) if seen and keep(seen)]
        muted_by = group.muted_by if show_mutes else ()
        for seen in sightings:
            receivers[seen.alert.fingerprint].append(group.route.receiver)
        alerts = tuple(_muted(seen, muted_by) for seen in sightings)
        if alerts:
            views.append(GroupView(group.labels, group.route.receiver, alerts, bool(muted_by)))
    return [replace(view, alerts=_with_receivers(view.alerts, receivers)) for view in views]


def _muted(seen: Sighting, muted_by: tuple[str, ...]) -> Sighting:
    return replace(seen, state="suppressed", muted_by=muted_by) if muted_by else seen


def _with_receivers(alerts: Iterable[Sighting], receivers: Mapping[str, list[str]]) -> tuple[Sighting, ...]:
    return tuple(_received(seen, tuple(sorted(receivers[seen.alert.fingerprint]))) for seen in alerts)


def _received(seen: Sighting, receivers: tuple[str, ...]) -> Sighting:
    return seen if seen.receivers == receivers else replace(seen, receivers=receivers)
