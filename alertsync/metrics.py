"""Every metric that describes reconciliation, in one file, under the names that dashboards know.

They are rendered once after each run, by whoever holds the run lock, and published; `/metrics` in any worker
only adds its own HTTP metrics. That keeps one truth over all workers, and a scrape costs a file read, not the
rendering of a series for each alert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from alertsync.models import DURATION_BUCKETS, AlertStatus, Counters, RunStatus, Standing, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

    from alertsync.models import Alert, AlertmanagerSnapshot, Run


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _render(families: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


def render_build(version: str, python: str) -> bytes:
    """Render which version of alertsync runs, on which version of Python."""
    family = GaugeMetricFamily(
        "alertsync_build_info",
        "The version of alertsync and of the Python it runs on.",
        labels=("version", "python"),
    )
    family.add_metric((version, python), 1.0)
    return _render([family])


def render_standing(standing: Standing) -> bytes:
    """Render the eight metrics of reconciliation in text format 0.0.4."""
    return _render(_standing(standing))


def _standing(standing: Standing) -> Iterator[Metric]:
    counters, last = standing.counters, standing.last
    yield CounterMetricFamily(
        "alertmanager_reconciliation", "Reconciliation runs that ended.", value=counters.runs
    )
    yield CounterMetricFamily(
        "alertmanager_reconciliation_failures",
        "Reconciliation runs that failed as a whole.",
        value=counters.failures,
    )
    yield _durations(counters)
    yield GaugeMetricFamily(
        "alertmanager_inconsistencies_found",
        "Alert groups found open in IRM though silenced in Alertmanager, in the last run that could look.",
        value=standing.inconsistencies_found,
    )
    yield CounterMetricFamily(
        "alertmanager_inconsistencies_resolved",
        "Inconsistent alert groups resolved in IRM.",
        value=counters.resolved,
    )
    yield CounterMetricFamily(
        "alertmanager_inconsistencies_failed_resolve",
        "Attempts to resolve an inconsistent alert group in IRM that failed.",
        value=counters.failed_resolves,
    )
    if last is not None:
        yield GaugeMetricFamily(
            "alertmanager_last_reconciliation_timestamp_seconds",
            "End of the last reconciliation run, successful or not, as Unix time.",
            value=last.ended_at.timestamp(),
        )
        yield GaugeMetricFamily(
            "alertmanager_last_reconciliation_success",
            "Whether the last reconciliation run did all that was due (1) or not (0).",
            value=float(last.status is RunStatus.SUCCESS),
        )


def _durations(counters: Counters) -> Metric:
    counts = counters.durations or (0,) * (len(DURATION_BUCKETS) + 1)
    bounds = [*(str(bound) for bound in DURATION_BUCKETS), "+Inf"]
    buckets = [(bound, float(sum(counts[: index + 1]))) for index, bound in enumerate(bounds)]
    return HistogramMetricFamily(
        "alertmanager_reconciliation_duration_seconds",
        "Time that reconciliation runs took.",
        buckets=buckets,
        sum_value=counters.duration_sum,
    )


def count(standing: Standing, run: Run) -> Standing:
    """Count a run that ended."""
    counters = standing.counters
    durations = list(counters.durations or (0,) * (len(DURATION_BUCKETS) + 1))
    fitting = (index for index, bound in enumerate(DURATION_BUCKETS) if run.duration_seconds <= bound)
    durations[next(fitting, len(DURATION_BUCKETS))] += 1
    failed = run.status is RunStatus.FAILED
    return msgspec.structs.replace(
        standing,
        counters=Counters(
            runs=counters.runs + 1,
            failures=counters.failures + failed,
            resolved=counters.resolved + run.inconsistencies_resolved,
            failed_resolves=counters.failed_resolves + run.inconsistencies_failed,
            durations=tuple(durations),
            duration_sum=counters.duration_sum + run.duration_seconds,
        ),
        last=Summary(
            run_id=run.run_id,
            trigger=run.trigger,
            status=run.status,
            message=run.message,
            started_at=run.started_at,
            ended_at=run.ended_at or run.started_at,
        ),
        inconsistencies_found=standing.inconsistencies_found if failed else run.inconsistencies_found,
        upstreams=standing.upstreams | run.upstreams,
    )


def render_alerts(snapshot: AlertmanagerSnapshot, labels: Sequence[str], annotations: Sequence[str]) -> bytes:
    """Render `alertmanager_alert_state`: one series an alert, 1 while it notifies, 0 while it is kept quiet.

    `labels` and `annotations` name what each series carries; empty where an alert lacks it.
    """
    family = GaugeMetricFamily(
        "alertmanager_alert_state",
        "Alerts in Alertmanager: 1 while active, 0 while silenced, inhibited or muted (see the label state).",
        labels=("fingerprint", "state", *labels, *annotations),
    )
    for alert in _each_once(snapshot):
        values = (
            *(alert.labels.get(name, "") for name in labels),
            *(alert.annotations.get(name, "") for name in annotations),
        )
        family.add_metric(
            (alert.fingerprint, alert.status.value, *values), float(alert.status is AlertStatus.ACTIVE)
        )
    return _render([family])


def _each_once(snapshot: AlertmanagerSnapshot) -> Iterable[Alert]:
    """Give every alert once, in its most wakeful status if it stands in several aggregation groups."""
    alerts: dict[str, Alert] = {}
    for group in snapshot.groups:
        for alert in group.alerts:
            known = alerts.get(alert.fingerprint)
            if known is None or alert.status.sleep < known.status.sleep:
                alerts[alert.fingerprint] = alert
    return alerts.values()
