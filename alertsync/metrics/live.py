"""What changes between two runs, as metrics: rendered anew for each scrape, by whichever worker answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from alertsync.metrics.text import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from alertsync.clock import Clock
    from alertsync.heartbeat import Heartbeat


def render_build(version: str, python: str) -> bytes:
    """Render which version of alertsync runs, on which version of Python."""
    family = GaugeMetricFamily(
        "alertsync_build_info",
        "The version of alertsync and of the Python it runs on.",
        labels=("version", "python"),
    )
    family.add_metric((version, python), 1.0)
    return render([family])


def render_live(
    heartbeat: Heartbeat, clock: Clock, *, degraded: bool, interval: float, waiting: int | None
) -> bytes:
    """Render whether the store can be written, what waits for a run, who leads the loop, and what the loop is about.

    `interval` is that of the loop in seconds, 0 with the loop off. `waiting` is None where another host tells it.
    """
    return render(_live(heartbeat, clock, degraded=degraded, interval=interval, waiting=waiting))


def _live(
    heartbeat: Heartbeat, clock: Clock, *, degraded: bool, interval: float, waiting: int | None
) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "alertsync_state_degraded",
        "Whether the store cannot be written, so that nothing new is resolved (1) or it can (0).",
        value=float(degraded),
    )
    yield GaugeMetricFamily(
        "alertsync_reconcile_interval_seconds",
        "Seconds between the starts of two runs of the loop, 0 with the loop off.",
        value=interval,
    )
    if waiting is not None:
        yield GaugeMetricFamily(
            "alertsync_webhook_events_waiting",
            "Events of IRM's webhooks that no run has looked at yet.",
            value=waiting,
        )
    age, next_run_at = heartbeat.age(clock), heartbeat.next_run_at(clock)
    yield GaugeMetricFamily(
        "alertsync_leader",
        "Whether a worker of this gunicorn leads the reconciliation loop (1) or none does (0).",
        value=float(age is not None),
    )
    if age is not None:
        yield GaugeMetricFamily(
            "alertsync_heartbeat_timestamp_seconds",
            "When the leader's loop last moved, as Unix time.",
            value=clock.now().timestamp() - age,
        )
    if next_run_at is not None:
        yield GaugeMetricFamily(
            "alertsync_next_run_timestamp_seconds",
            "When the next run of the loop is due, as Unix time.",
            value=next_run_at.timestamp(),
        )
