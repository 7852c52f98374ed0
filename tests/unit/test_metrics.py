"""The metrics as Prometheus reads them: the eight fixed names, and one series an alert."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alertsync import metrics
from alertsync.models import Run, RunStatus, Standing
from tests.planner.world import ACTIVE, MUTED, SILENCED, alert, alertmanager, group
from tests.unit.clocks import START

if TYPE_CHECKING:
    from collections.abc import Mapping


def samples(page: bytes) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(page: bytes, name: str, **labels: str) -> float | None:
    return samples(page).get((name, frozenset(labels.items())))


def a_run(
    status: RunStatus, *, seconds: float = 0.2, found: int = 0, resolved: int = 0, failed: int = 0
) -> Run:
    return Run(
        run_id="r",
        trigger="loop",
        dry_run=False,
        status=status,
        message="",
        started_at=START,
        ended_at=START + timedelta(seconds=seconds),
        duration_seconds=seconds,
        inconsistencies_found=found,
        inconsistencies_resolved=resolved,
        inconsistencies_failed=failed,
    )


def test_before_the_first_run_all_counts_are_zero_and_the_last_run_is_absent() -> None:
    page = metrics.render_standing(Standing())
    assert value(page, "alertmanager_reconciliation_total") == 0
    assert value(page, "alertmanager_reconciliation_duration_seconds_bucket", le="+Inf") == 0
    assert value(page, "alertmanager_last_reconciliation_success") is None
    assert value(page, "alertmanager_last_reconciliation_timestamp_seconds") is None


def test_runs_are_counted_by_how_they_ended() -> None:
    standing = Standing()
    standing = metrics.count(standing, a_run(RunStatus.SUCCESS, seconds=0.2, found=3, resolved=3))
    standing = metrics.count(standing, a_run(RunStatus.PARTIAL, seconds=7, found=5, resolved=2, failed=1))
    standing = metrics.count(standing, a_run(RunStatus.FAILED, seconds=900))
    page = metrics.render_standing(standing)
    assert value(page, "alertmanager_reconciliation_total") == 3
    assert value(page, "alertmanager_reconciliation_failures_total") == 1
    assert value(page, "alertmanager_inconsistencies_resolved_total") == 5
    assert value(page, "alertmanager_inconsistencies_failed_resolve_total") == 1
    assert value(page, "alertmanager_inconsistencies_found") == 5, "a failed run could not look"
    assert value(page, "alertmanager_last_reconciliation_success") == 0
    assert (
        value(page, "alertmanager_last_reconciliation_timestamp_seconds")
        == (START + timedelta(seconds=900)).timestamp()
    )
    buckets = {"0.1": 0, "0.25": 1, "5.0": 1, "10.0": 2, "300.0": 2, "+Inf": 3}
    for bound, count in buckets.items():
        assert value(page, "alertmanager_reconciliation_duration_seconds_bucket", le=bound) == count
    assert value(page, "alertmanager_reconciliation_duration_seconds_sum") == pytest.approx(907.2)


@pytest.mark.parametrize(
    ("status", "success"), [(RunStatus.SUCCESS, 1), (RunStatus.PARTIAL, 0), (RunStatus.FAILED, 0)]
)
def test_success_means_that_all_that_was_due_was_done(status: RunStatus, success: int) -> None:
    page = metrics.render_standing(metrics.count(Standing(), a_run(status)))
    assert value(page, "alertmanager_last_reconciliation_success") == success


def test_each_alert_is_one_series_with_empty_labels_where_it_lacks_them() -> None:
    known = alertmanager(
        group(alert("a", ACTIVE), alert("b", SILENCED), alert("c", MUTED)),
        group(alert("b", SILENCED), receiver="two"),
    )
    page = metrics.render_alerts(known, ("instance", "team"), ("summary",))
    found = {name: value for name, value in samples(page).items() if name[0] == "alertmanager_alert_state"}
    assert len(found) == 3
    for name, state, notifies in (("a", "active", 1), ("b", "silenced", 0), ("c", "muted", 0)):
        labels = {"fingerprint": name, "state": state, "instance": name, "team": "", "summary": ""}
        assert found["alertmanager_alert_state", frozenset(labels.items())] == notifies


def test_an_alert_that_is_awake_on_one_route_is_shown_awake() -> None:
    known = alertmanager(group(alert("a", MUTED)), group(alert("a", ACTIVE), receiver="two"))
    page = metrics.render_alerts(known, (), ())
    assert value(page, "alertmanager_alert_state", fingerprint="a", state="active") == 1
