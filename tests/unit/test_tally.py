"""The requests to the upstreams: counted by those who ask, kept by the store, rendered with every series from the start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alertsync import metrics
from alertsync.clients.tally import Tally, status_of
from alertsync.models import REQUEST_STATUSES, Operation, Requests
from tests.service import value


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (200, "2xx"),
        (201, "2xx"),
        (302, "3xx"),
        (404, "4xx"),
        (429, "429"),
        (503, "5xx"),
        (None, "none"),
        (999, "5xx"),
        (100, "2xx"),
    ],
)
def test_an_answer_is_counted_under_one_of_few_statuses(code: int | None, status: str) -> None:
    assert status_of(code) == status
    assert status in REQUEST_STATUSES


def test_what_is_taken_is_taken_once_and_nothing_is_lost_between_threads() -> None:
    tally = Tally()

    def ask(_: int) -> Requests:
        for _ in range(100):
            tally.add(Operation.READ_STATUS, 200, 0.02)
        return tally.take()

    with ThreadPoolExecutor(8) as threads:
        total = sum(threads.map(ask, range(8)), start=tally.take())
    assert total.answers == {"read status/2xx": 800}
    assert sum(total.durations["read status"].counts) == 800
    assert total.durations["read status"].sum == pytest.approx(16)
    assert not tally.take()


def test_every_series_is_there_from_the_start_at_0() -> None:
    page = metrics.render_requests(Requests()).decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    answers = families["alertsync_upstream_requests"].samples
    assert len(answers) == len(Operation) * len(REQUEST_STATUSES)
    assert {sample.value for sample in answers} == {0}
    assert {sample.labels["upstream"] for sample in answers} == {"alertmanager", "irm"}


def test_the_page_tells_how_requests_ended_and_how_long_they_took() -> None:
    tally = Tally()
    tally.add(Operation.LIST_ALERT_GROUPS, 200, 0.03)
    tally.add(Operation.LIST_ALERT_GROUPS, 429, 0.001)
    tally.add(Operation.LIST_ALERT_GROUPS, None, 99)
    page = metrics.render_requests(tally.take()).decode()
    which = {"upstream": "irm", "operation": "list alert groups"}
    told = [value(page, "alertsync_upstream_requests_total", **which, status=one) for one in REQUEST_STATUSES]
    assert told == [1, 0, 0, 1, 0, 1]
    name = "alertsync_upstream_request_duration_seconds"
    bounds = ("0.01", "0.025", "0.05", "30.0", "+Inf")
    assert [value(page, f"{name}_bucket", **which, le=bound) for bound in bounds] == [1, 1, 2, 2, 3]
    assert value(page, f"{name}_count", **which) == 3
    assert value(page, f"{name}_sum", **which) == pytest.approx(99.031)
