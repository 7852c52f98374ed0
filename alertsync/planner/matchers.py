"""Finds the silences that catch exactly some alerts, and no other alert that is known now.

A silence is a conjunction of conditions, and ours are all of the form `label="value"`: the pairs that the alerts it is
for have in common. The more of them, the less else it catches. So one silence with all that all have in common is
tried first; where that catches a stranger, alerts are put together as long as none is caught; at worst there is one
silence an alert. An alert of which another has all labels, and more, cannot be silenced alone, and is refused:
conditions that an absent label would meet are never written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Matcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Pairs = frozenset[tuple[str, str]]
"""Labels with their values, none of them empty."""

MOST = 100
"""How many silences one alert group may need: more would be a burden to Alertmanager, and to its people."""
_TRIED = 20
"""With how many of the last silences an alert is tried together: not each with each, of thousands."""
_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VERSION = re.compile(r"v?0\.(\d+)(\.|\Z)")
_UTF8_SINCE = 28
"""The minor version of Alertmanager since which label names may hold anything."""


class Cover(msgspec.Struct, frozen=True):
    """The conditions of each silence, or why there are none that would do."""

    silences: tuple[Pairs, ...] = ()
    refused: str = ""


def pairs(labels: Mapping[str, str]) -> Pairs:
    """Give the labels that an alert has: one that is empty is one that it lacks."""
    return frozenset((name, value) for name, value in labels.items() if value)


def of_matchers(matchers: Iterable[Matcher]) -> Pairs | None:
    """Give the conditions of a silence; None if they are not all of our form."""
    found = frozenset((one.name, one.value) for one in matchers)
    sound = all(one.is_equal and not one.is_regex and one.value for one in matchers)
    return found if sound and found else None


def to_matchers(conditions: Pairs) -> tuple[Matcher, ...]:
    """Write conditions as matchers, in one order."""
    return tuple(Matcher(name, value) for name, value in sorted(conditions))


class Crowd:
    """All alerts that are known, so that it can be told which of them a silence catches.

    `alerts` are the fingerprint and labels of each, `asked` the labels and values that will be asked about: of tens of
    thousands of alerts, only those that have one of these are remembered.
    """

    def __init__(self, alerts: Iterable[tuple[str, Mapping[str, str]]], asked: Pairs) -> None:
        self._having: dict[tuple[str, str], set[str]] = defaultdict(set)
        for fingerprint, labels in alerts:
            for pair in labels.items():
                if pair in asked:
                    self._having[pair].add(fingerprint)

    def caught(self, conditions: Pairs) -> set[str]:
        """Give the fingerprints that meet all conditions, of which there is at least one."""
        having = sorted((self._having.get(pair, set()) for pair in conditions), key=len)
        return set.intersection(*having)

    def strangers(self, conditions: Pairs, wanted: Iterable[str]) -> set[str]:
        """Give the fingerprints that meet all conditions and are not wanted."""
        return self.caught(conditions) - set(wanted)


def cover(members: Mapping[str, Mapping[str, str]], crowd: Crowd) -> Cover:
    """Find few silences that catch all members (labels by fingerprint), and of the crowd nobody else."""
    own = {fingerprint: pairs(labels) for fingerprint, labels in sorted(members.items())}
    wanted = set(own)
    everyone = frozenset.intersection(*own.values())
    if everyone and not crowd.strangers(everyone, wanted):
        return Cover((everyone,))
    together: list[Pairs] = []
    for fingerprint, conditions in own.items():
        if not conditions:
            return Cover(refused=f"the alert {fingerprint} has no labels to tell it by")
        if crowd.strangers(conditions, wanted):
            return Cover(refused=_indistinct(members[fingerprint]))
        _join(together, conditions, wanted, crowd)
        if len(together) > MOST:
            return Cover(
                refused=f"it would take more than {MOST} silences to catch its alerts and no other alert"
            )
    return Cover(tuple(_needed(together, crowd)))


def _join(together: list[Pairs], conditions: Pairs, wanted: set[str], crowd: Crowd) -> None:
    """Put an alert to those that it can share a silence with, or by itself."""
    for place in range(len(together) - 1, max(len(together) - 1 - _TRIED, -1), -1):
        shared = together[place] & conditions
        if shared and not crowd.strangers(shared, wanted):
            together[place] = shared
            return
    together.append(conditions)


def _needed(together: Sequence[Pairs], crowd: Crowd) -> list[Pairs]:
    """Leave out what the others catch too: a silence grows as alerts are put to it."""
    kept = list(dict.fromkeys(together))
    for one in tuple(kept):
        others = [crowd.caught(other) for other in kept if other != one]
        if others and crowd.caught(one) <= set.union(*others):
            kept.remove(one)
    return kept


def unsupported(conditions: Iterable[Pairs], versions: Iterable[str]) -> str:
    """Say why one of these Alertmanagers would not take such silences; "" if all would."""
    names = sorted({name for one in conditions for name, _ in one if not _CLASSIC_NAME.fullmatch(name)})
    old = [version for version in versions if _is_old(version)]
    if not names or not old:
        return ""
    return f"Alertmanager {old[0]} takes no silence on the label name {names[0]!r}: it wants 0.{_UTF8_SINCE} or later"


def _is_old(version: str) -> bool:
    found = _VERSION.match(version)
    return found is not None and int(found[1]) < _UTF8_SINCE


def _indistinct(labels: Mapping[str, str]) -> str:
    name = labels.get("alertname", "")
    return f"another alert has all labels of its alert {name!r} and more, and no silence could tell the two apart"
