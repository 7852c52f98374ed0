"""What was asked of the upstreams, as metrics: how often, how it ended, and how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from alertsync.metrics.text import buckets, render
from alertsync.models import REQUEST_BUCKETS, REQUEST_STATUSES, Durations, Operation

if TYPE_CHECKING:
    from alertsync.models import Requests


def render_requests(requests: Requests) -> bytes:
    """Render the requests to Alertmanager and IRM, those of pages and of the watch over silences included."""
    answers = CounterMetricFamily(
        "alertsync_upstream_requests",
        "Requests to Alertmanager and IRM by how they ended; each attempt counts.",
        labels=("upstream", "operation", "status"),
    )
    durations = HistogramMetricFamily(
        "alertsync_upstream_request_duration_seconds",
        "Time that requests to Alertmanager and IRM took, from sending to the end of the answer.",
        labels=("upstream", "operation"),
    )
    for operation in Operation:
        which = (operation.upstream, operation.value)
        for status in REQUEST_STATUSES:
            answers.add_metric((*which, status), requests.answers.get(f"{operation}/{status}", 0))
        took = requests.durations.get(operation, Durations())
        durations.add_metric(which, buckets(REQUEST_BUCKETS, took.counts), sum_value=took.sum)
    return render([answers, durations])
