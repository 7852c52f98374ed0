"""How things stand, as metrics: runs, inconsistencies, actions, and what we still owe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from alertsync.metrics.text import buckets, render
from alertsync.models import (
    DURATION_BUCKETS,
    ActionKind,
    Brake,
    Counters,
    DecisionKind,
    Held,
    IrmSilenceState,
    Outcome,
    Owing,
    RunStatus,
    Standing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

_CUT_SHORT = (Outcome.CANCELLED, Outcome.FAILED, Outcome.NOT_ATTEMPTED)
_REFUSED = (Outcome.DELETED, Outcome.ATTACHED, *_CUT_SHORT)
_OUTCOMES = {
    ActionKind.RESOLVE: (Outcome.RESOLVED, Outcome.ALREADY_RESOLVED, *_REFUSED),
    ActionKind.SILENCE: (Outcome.SILENCED, Outcome.ALREADY_RESOLVED, *_REFUSED),
    ActionKind.UNSILENCE: (Outcome.UNSILENCED, Outcome.ALREADY_RESOLVED, *_REFUSED),
    ActionKind.REPAGE: (Outcome.POSTED, *_CUT_SHORT),
    ActionKind.UNRESOLVE: (Outcome.UNRESOLVED, *_REFUSED),
    ActionKind.CREATE_SILENCE: (Outcome.CREATED, *_CUT_SHORT),
    ActionKind.EXTEND_SILENCE: (Outcome.EXTENDED, *_CUT_SHORT),
    ActionKind.EXPIRE_SILENCE: (Outcome.EXPIRED, *_CUT_SHORT),
    ActionKind.NOTE: (Outcome.NOTED,),
}
"""How each kind of action can end: these pairs are there from the start."""


def render_standing(standing: Standing) -> bytes:
    """Render how things stand after a run in text format 0.0.4."""
    families = (_runs, _inconsistencies, _actions, _ledger, _heartbeats)
    return render(family for part in families for family in part(standing))


def _runs(standing: Standing) -> Iterator[Metric]:
    counters, last, success = standing.counters, standing.last, standing.last_success_at
    yield CounterMetricFamily(
        "alertmanager_reconciliation", "Reconciliation runs that ended.", value=counters.runs
    )
    yield CounterMetricFamily(
        "alertmanager_reconciliation_failures",
        "Reconciliation runs that failed as a whole.",
        value=counters.failures,
    )
    yield _durations(counters)
    if last is not None and last.ended_at is not None:
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
    if success is not None:
        yield GaugeMetricFamily(
            "alertsync_last_success_timestamp_seconds",
            "End of the last reconciliation run that did all that was due, as Unix time.",
            value=success.timestamp(),
        )
    yield GaugeMetricFamily(
        "alertsync_consecutive_failures",
        "Reconciliation runs in a row, up to the last, that failed as a whole.",
        value=standing.failures_in_a_row,
    )


def _inconsistencies(standing: Standing) -> Iterator[Metric]:
    counters = standing.counters
    yield GaugeMetricFamily(
        "alertmanager_inconsistencies_found",
        "Alert groups found open in IRM though Alertmanager keeps quiet about them, in the last run that could look.",
        value=standing.inconsistencies_found,
    )
    yield CounterMetricFamily(
        "alertmanager_inconsistencies_resolved",
        "Inconsistent alert groups resolved or first silenced in IRM.",
        value=counters.resolved,
    )
    yield CounterMetricFamily(
        "alertmanager_inconsistencies_failed_resolve",
        "Attempts to resolve or silence an inconsistent alert group in IRM that failed.",
        value=counters.failed_resolves,
    )


def _actions(standing: Standing) -> Iterator[Metric]:
    yield _by_label(
        GaugeMetricFamily(
            "alertsync_decisions",
            "Open alert groups by what they were decided to be, in the last run that could look.",
            labels=("decision",),
        ),
        DecisionKind,
        standing.decisions,
    )
    done = CounterMetricFamily(
        "alertsync_actions", "Actions by how they ended.", labels=("action", "outcome")
    )
    possible = {f"{kind}/{outcome}": 0 for kind, outcomes in _OUTCOMES.items() for outcome in outcomes}
    for pair, number in (possible | standing.counters.actions).items():
        kind, _, outcome = pair.partition("/")
        done.add_metric((kind, outcome), number)
    yield done
    yield _by_label(
        CounterMetricFamily(
            "alertsync_skipped",
            "Decisions, once a run, that called for an action and were left alone, by the reason.",
            labels=("reason",),
        ),
        (held for held in Held if held),
        standing.counters.skipped,
    )
    yield _by_label(
        GaugeMetricFamily(
            "alertsync_brake_engaged",
            "Whether a brake held closing actions back in the last run that could look (1) or not (0).",
            labels=("brake",),
        ),
        Brake,
        dict.fromkeys(standing.brakes, 1),
    )
    yield GaugeMetricFamily(
        "alertsync_credentials_can_act",
        "Whether IRM lets our token act, as far as is known (1), or has refused it (0).",
        value=float(not standing.cannot_act),
    )


def _ledger(standing: Standing) -> Iterator[Metric]:
    yield _by_label(
        GaugeMetricFamily(
            "alertsync_debts",
            "Alerts of alert groups that we resolved, by whether IRM is still to be told of them.",
            labels=("state",),
        ),
        Owing,
        standing.debts,
    )
    yield GaugeMetricFamily(
        "alertsync_debts_due",
        "Alerts that are active, and that IRM does not know of since we resolved their alert group.",
        value=standing.due,
    )
    yield GaugeMetricFamily(
        "alertsync_leases",
        "Alert groups that we keep silenced in IRM while Alertmanager silences them.",
        value=standing.leases,
    )
    yield _by_label(
        GaugeMetricFamily(
            "alertsync_irm_silences",
            "Silences of people in IRM that are looked after, by whether Alertmanager follows them.",
            labels=("state",),
        ),
        IrmSilenceState,
        standing.irm_silences,
    )
    yield GaugeMetricFamily(
        "alertsync_hand_silences",
        "Silences in Alertmanager that were made by hand here, and are not known to be over.",
        value=standing.hand_silences,
    )


def _heartbeats(standing: Standing) -> Iterator[Metric]:
    heartbeat = standing.heartbeat
    yield _by_label(
        CounterMetricFamily(
            "alertsync_irm_heartbeats", "Heartbeats to IRM by how they ended.", labels=("outcome",)
        ),
        ("sent", "failed"),
        {"sent": heartbeat.sent, "failed": heartbeat.failed},
    )
    if heartbeat.sent_at is not None:
        yield GaugeMetricFamily(
            "alertsync_irm_heartbeat_timestamp_seconds",
            "When IRM last took a heartbeat, as Unix time.",
            value=heartbeat.sent_at.timestamp(),
        )


def _by_label(
    family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[str], counts: Mapping[str, int]
) -> Metric:
    """Give a series to each value that the one label of `family` can have, 0 where nothing was counted."""
    for value in values:
        family.add_metric((str(value),), counts.get(value, 0))
    return family


def _durations(counters: Counters) -> Metric:
    counts = counters.durations or (0,) * (len(DURATION_BUCKETS) + 1)
    return HistogramMetricFamily(
        "alertmanager_reconciliation_duration_seconds",
        "Time that reconciliation runs took.",
        buckets=buckets(DURATION_BUCKETS, counts),
        sum_value=counters.duration_sum,
    )
