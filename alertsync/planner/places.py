"""Where the alerts of an alert group stand in Alertmanager, so that they can be read again without all the others."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from alertsync.planner.evidence import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.models import AlertGroup, AlertmanagerSnapshot, Deliveries, Policy


class Places(msgspec.Struct, frozen=True):
    """The (receiver, group labels) of an alert group, and the fingerprints that fire in its deliveries."""

    where: tuple[tuple[str, dict[str, str]], ...]
    firing: frozenset[str]


def places(group: AlertGroup, deliveries: Deliveries | None, policy: Policy) -> Places | None:
    """Give the places of an alert group; None where they do not tell all that it rests on.

    A legacy alert names no place. And where nothing is left firing, what is decided rests on what Alertmanager does not
    hold, which only the whole of it can tell.
    """
    streams = gather(group, deliveries, group.created_at, policy.max_deliveries).streams
    words = [stream.last_word for stream in streams]
    known = [(word.receiver, word.group_labels) for word in words if word is not None]
    firing = frozenset[str]().union(*(stream.firing for stream in streams))
    if not firing or len(known) < len(words):
        return None
    where = [one for number, one in enumerate(known) if one not in known[:number]]
    return Places(tuple(where), firing)


def together(
    readings: Sequence[Sequence[AlertmanagerSnapshot]], wanted: Places
) -> tuple[AlertmanagerSnapshot, ...] | None:
    """Give one snapshot a peer of what it said of each place; None if they do not tell all that is wanted.

    An alert that fires in a delivery and that a peer does not hold at these places has moved, or is gone: only the
    whole of Alertmanager can tell.
    """
    by_peer: dict[str, list[AlertmanagerSnapshot]] = defaultdict(list)
    for reading in readings:
        for snapshot in reading:
            by_peer[snapshot.peer].append(snapshot)
    merged = [_merged(said) for said in by_peer.values() if len(said) == len(readings)]
    if not merged or len(merged) < len(by_peer):
        return None
    return tuple(merged) if all(wanted.firing <= _held(one) for one in merged) else None


def _merged(said: Sequence[AlertmanagerSnapshot]) -> AlertmanagerSnapshot:
    """Join what one peer said of several places, as old as the oldest of it."""
    return msgspec.structs.replace(
        said[0],
        groups=tuple(group for one in said for group in one.groups),
        started_at=max(one.started_at for one in said),
        settled=all(one.settled for one in said),
    )


def _held(snapshot: AlertmanagerSnapshot) -> set[str]:
    return {alert.fingerprint for group in snapshot.groups for alert in group.alerts}
