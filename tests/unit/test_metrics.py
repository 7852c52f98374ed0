"""The metrics as Prometheus reads them: the eight fixed names, what we did and owe, and one series an alert."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from alertsync import metrics
from alertsync.clock import Clock
from alertsync.heartbeat import Heartbeat
from alertsync.metrics.text import render
from alertsync.models import (
    ActionKind,
    Brake,
    Credentials,
    DecisionKind,
    Held,
    LeaseState,
    Ledger,
    Outcome,
    Owing,
    Run,
    RunStatus,
    Standing,
)
from tests.planner.world import ACTIVE, MUTED, SILENCED, alert, alertmanager, group
from tests.unit.clocks import START
from tests.unit.ledgers import action, debt, decision, lease

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from prometheus_client.core import Metric


def samples(page: bytes) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(page: bytes, name: str, **labels: str) -> float | None:
    return samples(page).get((name, frozenset(labels.items())))


def a_run(
    status: RunStatus,
    *,
    seconds: float = 0.2,
    found: int = 0,
    resolved: int = 0,
    failed: int = 0,
    **more: Any,
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
        **more,
    )


def test_before_the_first_run_all_counts_are_zero_and_the_last_run_is_absent() -> None:
    page = metrics.render_standing(Standing())
    assert value(page, "alertmanager_reconciliation_total") == 0
    assert value(page, "alertmanager_reconciliation_duration_seconds_bucket", le="+Inf") == 0
    assert value(page, "alertmanager_last_reconciliation_success") is None
    assert value(page, "alertmanager_last_reconciliation_timestamp_seconds") is None


def test_runs_are_counted_by_how_they_ended() -> None:
    standing = Standing()
    for run in (
        a_run(RunStatus.SUCCESS, seconds=0.2, found=3, resolved=3),
        a_run(RunStatus.PARTIAL, seconds=7, found=5, resolved=2, failed=1),
        a_run(RunStatus.FAILED, seconds=900),
    ):
        standing = metrics.count(standing, run, Ledger())
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
    page = metrics.render_standing(metrics.count(Standing(), a_run(status), Ledger()))
    assert value(page, "alertmanager_last_reconciliation_success") == success


def rendered(run: Run, ledger: Ledger | None = None, standing: Standing | None = None) -> bytes:
    return metrics.render_standing(metrics.count(standing or Standing(), run, ledger or Ledger()))


LABELS: dict[str, tuple[str, Collection[str]]] = {
    "alertsync_decisions": ("decision", set(DecisionKind)),
    "alertsync_skipped_total": ("reason", set(Held) - {Held.NOT_HELD}),
    "alertsync_debts": ("state", set(Owing)),
    "alertsync_brake_engaged": ("brake", set(Brake)),
    "alertsync_actions_total": ("action", set(ActionKind) - {ActionKind.NONE}),
}


@pytest.mark.parametrize("name", LABELS)
def test_every_value_of_a_label_is_there_from_the_start_at_zero(name: str) -> None:
    label, wanted = LABELS[name]
    found = {
        dict(labels)[label]: number
        for (known, labels), number in samples(metrics.render_standing(Standing())).items()
        if known == name
    }
    assert found == dict.fromkeys(wanted, 0)


def test_every_way_in_which_an_action_can_end_well_is_there_from_the_start() -> None:
    page = metrics.render_standing(Standing())
    for kind, outcome in (
        ("resolve", "resolved"),
        ("silence", "silenced"),
        ("unsilence", "unsilenced"),
        ("repage", "posted"),
        ("unresolve", "unresolved"),
        ("create_silence", "created"),
        ("extend_silence", "extended"),
        ("expire_silence", "expired"),
        ("note", "noted"),
    ):
        assert value(page, "alertsync_actions_total", action=kind, outcome=outcome) == 0
    assert value(page, "alertsync_actions_total", action="repage", outcome="resolved") is None
    pairs = [name for name in samples(page) if name[0] == "alertsync_actions_total"]
    assert len(pairs) < 50


def test_actions_are_counted_over_runs_and_decisions_are_those_of_the_last() -> None:
    first = a_run(
        RunStatus.PARTIAL,
        decisions=(decision("I1"), decision("I2", held=Held.STORE), decision("I3", DecisionKind.MUTED)),
        actions=(
            action(ActionKind.RESOLVE, Outcome.RESOLVED),
            action(ActionKind.REPAGE, Outcome.FAILED),
            action(ActionKind.REPAGE, Outcome.FAILED),
        ),
    )
    second = a_run(
        RunStatus.SUCCESS,
        decisions=(decision("I2", held=Held.STORE),),
        actions=(action(ActionKind.REPAGE, Outcome.POSTED),),
    )
    page = rendered(second, standing=metrics.count(Standing(), first, Ledger()))
    assert value(page, "alertsync_actions_total", action="resolve", outcome="resolved") == 1
    assert value(page, "alertsync_actions_total", action="repage", outcome="failed") == 2
    assert value(page, "alertsync_actions_total", action="repage", outcome="posted") == 1
    assert value(page, "alertsync_skipped_total", reason="store") == 2
    assert value(page, "alertsync_decisions", decision="SILENCED") == 1
    assert value(page, "alertsync_decisions", decision="MUTED") == 0


def test_a_pair_that_was_never_foreseen_is_told_all_the_same() -> None:
    odd = a_run(RunStatus.SUCCESS, actions=(action(ActionKind.REPAGE, Outcome.DELETED),))
    assert value(rendered(odd), "alertsync_actions_total", action="repage", outcome="deleted") == 1


def test_what_is_owed_is_counted_by_alert_and_what_never_happened_is_not() -> None:
    ledger = Ledger(
        debts=(
            debt(Owing.OWED, Owing.DUE, Owing.PAID),
            debt(Owing.POSTED, Owing.LAPSED, Owing.REROUTED, name="I2"),
            debt(Owing.DUE, Owing.DUE, name="I3", void=True),
        ),
        leases=(lease("I4"), lease("I5", LeaseState.INTENDED), lease("I6", LeaseState.ENDED)),
    )
    page = rendered(a_run(RunStatus.SUCCESS), ledger)
    for state in Owing:
        assert value(page, "alertsync_debts", state=state) == 1
    assert value(page, "alertsync_debts_due") == 2, (
        "those that are due, and those that were posted and not seen"
    )
    assert value(page, "alertsync_leases") == 1


def test_the_ledger_after_a_failed_run_counts_too() -> None:
    page = rendered(a_run(RunStatus.FAILED), Ledger(debts=(debt(Owing.DUE),)))
    assert value(page, "alertsync_debts_due") == 1


def test_a_failed_run_leaves_the_decisions_and_brakes_of_the_last_that_could_look() -> None:
    looked = a_run(RunStatus.SUCCESS, decisions=(decision(),), brakes=frozenset({Brake.GONE_RATIO}))
    standing = metrics.count(Standing(), looked, Ledger())
    for run, engaged in ((a_run(RunStatus.FAILED), 1), (a_run(RunStatus.SUCCESS), 0)):
        page = rendered(run, standing=standing)
        assert value(page, "alertsync_brake_engaged", brake="gone_ratio") == engaged
        assert value(page, "alertsync_brake_engaged", brake="max_actions") == 0
        assert value(page, "alertsync_decisions", decision="SILENCED") == engaged


def test_failures_in_a_row_end_with_a_run_that_could_look_and_a_success_is_remembered() -> None:
    standing = Standing()
    seen = []
    failed, partial, success = RunStatus.FAILED, RunStatus.PARTIAL, RunStatus.SUCCESS
    for number, status in enumerate((failed, failed, success, failed, partial, failed)):
        standing = metrics.count(standing, a_run(status, seconds=number), Ledger())
        page = metrics.render_standing(standing)
        seen.append((value(page, "alertsync_consecutive_failures"), value(page, SUCCESS_AT)))
    at = (START + timedelta(seconds=2)).timestamp()
    assert seen == [(1, None), (2, None), (0, at), (1, at), (0, at), (1, at)]


SUCCESS_AT = "alertsync_last_success_timestamp_seconds"


def test_a_token_that_may_not_act_shows_until_it_may() -> None:
    refused = Ledger(
        credentials=Credentials(START, "Service accounts are not allowed to resolve alert groups")
    )
    standing = metrics.count(Standing(), a_run(RunStatus.PARTIAL), refused)
    assert value(metrics.render_standing(Standing()), "alertsync_credentials_can_act") == 1
    assert value(metrics.render_standing(standing), "alertsync_credentials_can_act") == 0
    assert value(rendered(a_run(RunStatus.SUCCESS), standing=standing), "alertsync_credentials_can_act") == 1


def test_whether_the_store_is_degraded_is_told_live_and_not_by_the_published_page() -> None:
    standing = metrics.count(Standing(), a_run(RunStatus.SUCCESS), Ledger(degraded="the disk is full"))
    assert standing.degraded == "the disk is full"
    assert b"alertsync_state_degraded" not in metrics.render_standing(standing)
    for degraded in (True, False):
        page = metrics.render_live(Heartbeat(), Clock(), degraded=degraded, interval=0, waiting=0)
        assert value(page, "alertsync_state_degraded") == degraded


def test_the_record_of_the_last_run_says_what_it_found_and_did() -> None:
    last = metrics.count(
        Standing(), a_run(RunStatus.PARTIAL, seconds=3, found=5, resolved=2, failed=1), Ledger()
    ).last
    assert last is not None
    assert (last.inconsistencies_found, last.inconsistencies_resolved, last.inconsistencies_failed) == (
        5,
        2,
        1,
    )
    assert last.duration_seconds == 3


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


class Families(Collector):
    """A registry of families that are there."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Collection[Metric]:
        return self._families


def test_families_are_written_as_the_library_of_prometheus_writes_them() -> None:
    counter = CounterMetricFamily("c", 'A "counter" of a\\b,\nin two lines.', labels=("z", "a"))
    counter.add_metric(('say "so"\n', "back\\slash ü"), 3)
    counter.add_metric(("", ""), 1234567.0)
    gauge = GaugeMetricFamily("g", "A gauge.", value=-0.5)
    histogram = HistogramMetricFamily("h", "A histogram.", labels=("one",))
    histogram.add_metric(("x",), [("0.1", 1.0), ("+Inf", 3.0)], sum_value=1e-7)
    huge = GaugeMetricFamily("huge", "Another.", value=float("inf"))
    families = (counter, gauge, histogram, huge)
    registry = CollectorRegistry()
    registry.register(Families(*families))
    assert render(families) == generate_latest(registry)
