"""The alerts and alert groups that are measured with: made up, but shaped like those of a real installation.

The same world is needed in two processes, as alerts for Alertmanager and as alert groups for the stand-in of IRM.
So it is worked out from numbers alone, without chance, and both come to the same fingerprints.

Of the alert groups, most are consistent: they fire in both systems. One in 25 is acknowledged and one in 50 silenced
in IRM, so that each state has its pages. One in 10 of those with several alerts has one of them silenced, which makes
it partially silenced and nothing to act upon. One in 10 had three deliveries rather than one. And `batches` times
`actions` of them are to be resolved: silencing one batch gives the next run that many alert groups to act upon.
Most have one alert, a few have several; no label set is shorter than what Prometheus gives a real one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alertsync.simulator.alertmanager_text import (
    fingerprint,
    label_set_text,
    quote_meta,
    route_key,
    webhook_time,
)

RECEIVER = "grafana-irm"
GROUP_BY = ("alertname", "service")
EXTERNAL_URL = "http://alertmanager.example:9093"
GENERATOR_URL = "http://prometheus.example:9090/graph?g0.expr=sum%28rate%28http_errors%5B5m%5D%29%29&g0.tab=1"
QUIET, BATCH = "quiet", "batch"
"""The labels by which alerts are silenced: a standing share of them, and a batch at a time."""

_NAMES = 40
_SCATTER = 2654435761
"""Spreads one in ten evenly, whatever the distance between the alert groups of a batch."""
_PATTERNS = {2: (1, 1, 1, 1, 1, 1, 2, 2, 3, 7), 2.5: (1, 1, 1, 1, 2, 2, 2, 3, 4, 8)}
"""How many alerts ten groups in a row have, by the mean that they make."""


@dataclass(frozen=True)
class Group:
    """An alert group: its labels, its alerts' label sets, its state and how many deliveries made it."""

    index: int
    labels: dict[str, str]
    alerts: tuple[dict[str, str], ...]
    state: str
    deliveries: int
    batch: int | None

    @property
    def id(self) -> str:
        """IRM's id of it."""
        return f"I{self.index:012d}"


@dataclass(frozen=True)
class World:
    """All alert groups, the newest first; `epoch` is when the newest began."""

    groups: int
    alerts: int
    actions: int
    batches: int
    epoch: datetime

    def __iter__(self) -> Iterator[Group]:
        pattern = _PATTERNS[self.alerts / self.groups]
        # The batches are spread over all ages, so that acting on them is no matter of luck.
        stride = self.groups // max(self.batches * self.actions, 1)
        for index in range(self.groups):
            nth, rest = divmod(index, stride) if stride else (0, 1)
            batch = nth % self.batches if rest == 0 and nth < self.batches * self.actions else None
            # Turned from ten to ten, so that no batch has alert groups of one size only.
            turned = index + index // 10 * 3 + index // 100
            yield _group(index, pattern[turned % len(pattern)], batch)

    def began(self, group: Group) -> datetime:
        """Tell when an alert group began."""
        return self.epoch - timedelta(seconds=group.index)


def _group(index: int, size: int, batch: int | None) -> Group:
    labels = {"alertname": f"ServiceErrorBudgetBurn{index % _NAMES:02d}", "service": f"service-{index:05d}"}
    state = "firing"
    if batch is None and index % 25 == 7:
        state = "acknowledged"
    elif batch is None and index % 50 == 13:
        state = "silenced"
    partly = batch is None and size > 1 and index // 10 % 10 == 4
    alerts = tuple(_alert(labels, index, nth, batch, quiet=partly and nth == 0) for nth in range(size))
    several = (index * _SCATTER >> 7) % 10 == 0
    return Group(index, labels, alerts, state, 3 if several else 1, batch)


def _alert(labels: dict[str, str], index: int, nth: int, batch: int | None, *, quiet: bool) -> dict[str, str]:
    alert = {
        **labels,
        "cluster": "production-eu-west-1",
        "container": "application",
        "instance": f"10.{index >> 8 & 255}.{index & 255}.{nth}:9100",
        "job": "kubernetes-pods",
        "namespace": f"team-{index % 37:02d}",
        "pod": f"service-{index:05d}-7d9c5b6f48-{nth:05d}",
        "prometheus": "monitoring/main",
        "severity": ("warning", "critical", "info")[index % 3],
    }
    if quiet:
        alert[QUIET] = "yes"
    if batch is not None:
        alert[BATCH] = f"b{batch}"
    return alert


def annotations(labels: dict[str, str]) -> dict[str, str]:
    """Give the annotations of an alert."""
    service = labels["service"]
    return {
        "description": f"{service} in {labels['namespace']} has failed more than 2 % of its requests over the last "
        f"hour ({labels['instance']}); at this rate its error budget of 30 days is gone within two days.",
        "runbook_url": f"https://runbooks.example.com/services/{service}/error-budget-burn",
        "summary": f"{service} burns its error budget",
    }


def webhook(world: World, group: Group) -> dict[str, Any]:
    """Give what Alertmanager posted when the alerts of a group began to fire, as IRM keeps it."""
    began = webhook_time(world.began(group))
    alerts = [
        {
            "status": "firing",
            "labels": dict(sorted(labels.items())),
            "annotations": annotations(labels),
            "startsAt": began,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": GENERATOR_URL,
            "fingerprint": fingerprint(labels),
        }
        for labels in group.alerts
    ]
    return {
        "receiver": quote_meta(RECEIVER),
        "status": "firing",
        "alerts": alerts,
        "groupLabels": group.labels,
        "commonLabels": dict(set.intersection(*(set(labels.items()) for labels in group.alerts))),
        "commonAnnotations": {},
        "externalURL": EXTERNAL_URL,
        "version": "4",
        "groupKey": f"{route_key({})}:{label_set_text(group.labels)}",
        "truncatedAlerts": 0,
        "numFiring": len(alerts),
        "numResolved": 0,
    }
