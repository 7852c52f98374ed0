"""One description of routes and inhibition for the simulator and for the real program.

Tests run one suite against both, so both must be configured from the same values: the simulator routes by
them, the real binary gets them as YAML, and ``/api/v2/status`` of the simulator shows that same YAML.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from alertsync.simulator.alertmanager_text import duration_text, equality_matchers, route_key

GROUP_BY_ALL = "..."
ALWAYS = "always"
"""The mute time that holds at all times; of every other the simulator is told when, and the real one never has it."""


@dataclass(frozen=True)
class Route:
    """Where alerts go: a receiver, and the labels by which they are grouped (``("...",)``: by all).

    ``matchers`` are equalities, ``mute_times`` the names of the times at which it is mute. Of a list of routes the first that matches wins, unless it says
    ``continue_``; the last one is the default (Alertmanager's root route) and has no matchers.
    """

    receiver: str
    group_by: tuple[str, ...]
    matchers: Mapping[str, str] = field(default_factory=dict)
    continue_: bool = False
    mute_times: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The first half of the groupKey of this route's groups."""
        return route_key(self.matchers)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels takes this route."""
        return all(labels.get(name, "") == value for name, value in self.matchers.items())

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return those labels by which this route groups the alert; labels that it lacks are left out."""
        everything = GROUP_BY_ALL in self.group_by
        return {name: value for name, value in labels.items() if everything or name in self.group_by}


@dataclass(frozen=True)
class InhibitRule:
    """While an alert like ``source`` fires, mute alerts like ``target`` that have ``equal`` labels equal."""

    source: Mapping[str, str]
    target: Mapping[str, str]
    equal: tuple[str, ...]

    def may_inhibit(self, target: Mapping[str, str]) -> bool:
        """Tell whether any alert could mute this one."""
        return _has(target, self.target)

    def inhibits(self, source: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Tell whether the first alert mutes the second; one that is both source and target mutes no such."""
        if not (_has(source, self.source) and _has(target, self.target)):
            return False
        if _has(target, self.source) and _has(source, self.target):
            return False
        return all(source.get(name, "") == target.get(name, "") for name in self.equal)


def _has(labels: Mapping[str, str], pairs: Mapping[str, str]) -> bool:
    return all(labels.get(name, "") == value for name, value in pairs.items())


@dataclass(frozen=True)
class Configuration:
    """What Alertmanager's configuration file says, as far as it matters here.

    ``webhooks`` maps a receiver to the URL that it posts to (a receiver without one notifies nobody),
    ``max_alerts`` to the number of alerts after which its webhooks are cut off (0: never).
    """

    routes: Sequence[Route]
    webhooks: Mapping[str, str]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    inhibit_rules: Sequence[InhibitRule] = ()
    max_alerts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.routes or self.routes[-1].matchers:
            raise ValueError("the last route is the default: it must exist and have no matchers")

    @property
    def receivers(self) -> list[str]:
        """The names of all receivers, the default first."""
        return list(dict.fromkeys([self.routes[-1].receiver, *(route.receiver for route in self.routes)]))

    @property
    def mute_times(self) -> list[str]:
        """The names of all mute times that routes have."""
        return sorted({name for route in self.routes for name in route.mute_times})

    def match(self, labels: Mapping[str, str]) -> list[Route]:
        """Return the routes that an alert with these labels takes: one, or more by ``continue_``."""
        taken: list[Route] = []
        for route in self.routes[:-1]:
            if route.matches(labels):
                taken.append(route)
                if not route.continue_:
                    break
        return taken or [self.routes[-1]]

    def yaml(self) -> str:
        """Return the configuration file for the real program: JSON, which is YAML too."""
        root = _route(self.routes[-1])
        root["routes"] = [_route(route) for route in self.routes[:-1]]
        root["group_wait"] = duration_text(self.group_wait)
        root["group_interval"] = duration_text(self.group_interval)
        root["repeat_interval"] = duration_text(self.repeat_interval)
        document = {
            "global": {"resolve_timeout": "5m"},
            "route": root,
            "time_intervals": [_time_interval(name) for name in self.mute_times],
            "inhibit_rules": [_inhibit_rule(rule) for rule in self.inhibit_rules],
            "receivers": [self._receiver(name) for name in self.receivers],
            "templates": [],
        }
        return json.dumps(document, indent=2)

    def _receiver(self, name: str) -> dict[str, object]:
        if name not in self.webhooks:
            return {"name": name}
        webhook = {
            "send_resolved": True,
            "url": self.webhooks[name],
            "max_alerts": self.max_alerts.get(name, 0),
        }
        return {"name": name, "webhook_configs": [webhook]}


def _route(route: Route) -> dict[str, object]:
    text: dict[str, object] = {"receiver": route.receiver, "group_by": list(route.group_by)}
    if route.matchers:
        text["matchers"] = equality_matchers(route.matchers)
    if route.mute_times:
        text["mute_time_intervals"] = list(route.mute_times)
    return {**text, "continue": route.continue_}


def _time_interval(name: str) -> dict[str, object]:
    years = "1970:2999" if name == ALWAYS else "1970"
    return {"name": name, "time_intervals": [{"years": [years]}]}


def _inhibit_rule(rule: InhibitRule) -> dict[str, object]:
    return {
        "source_matchers": equality_matchers(rule.source),
        "target_matchers": equality_matchers(rule.target),
        "equal": list(rule.equal),
    }
