"""The table of debts, row by row: what becomes of each alert that a resolve of ours left owed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import (
    AggregationGroup,
    AlertmanagerSnapshot,
    Ledger,
    LegacyAlert,
    OwedAlert,
    Owing,
    Sighting,
)
from tests.planner.owing import WITNESS, a_minute_later, debt, judged, owed, reckon, told
from tests.planner.world import (
    ACTIVE,
    MUTED,
    NOW,
    SILENCED,
    alert,
    alert_group,
    alertmanager,
    group,
    silence,
    webhook,
)

HERE = {"receiver": "oncall", "alertname": "Disk"}
ELSEWHERE = {"receiver": "other", "alertname": "Disk"}
DUE, OWED, POSTED, PAID, REROUTED, LAPSED = (
    Owing.DUE,
    Owing.OWED,
    Owing.POSTED,
    Owing.PAID,
    Owing.REROUTED,
    Owing.LAPSED,
)


def known(*groups: AggregationGroup, **more: Any) -> AlertmanagerSnapshot:
    return alertmanager(*groups, WITNESS, **more)


def at(status: Any, where: dict[str, str] | None = None, by: tuple[str, ...] = ("s1",)) -> AggregationGroup:
    """Let a stand somewhere with this status."""
    return group(alert("a", status, by), **(where or HERE))


def posted(posts: int, *, runs: int, seconds: float) -> OwedAlert:
    """Make an alert that was posted so many seconds and runs ago."""
    ago = NOW - timedelta(seconds=seconds)
    return owed(state=POSTED, posts=posts, waited=runs, posted_at=ago, due_at=ago)


LONG_AGO = {"last_delivery_at": NOW - timedelta(days=5, seconds=1)}
PAGED = told(webhook("a"))
ROWS = [
    pytest.param(DUE, owed(), known(at(ACTIVE)), {}, id="active at the place, IRM was not told: DUE"),
    pytest.param(OWED, owed(), known(at(SILENCED)), {}, id="silenced at the place: OWED"),
    pytest.param(OWED, owed(), known(at(MUTED)), {}, id="muted at the place: OWED"),
    pytest.param(OWED, owed(), known(), {}, id="absent: OWED, for Alertmanager would say nothing if it fired anew"),
    pytest.param(OWED, owed(), known(), {"last_delivery_at": NOW - timedelta(days=5, seconds=-2)}, id="absent, five days are not quite over: OWED"),
    pytest.param(LAPSED, owed(), known(), LONG_AGO, id="absent for more than five days, repeat_interval unknown: LAPSED"),
    pytest.param(LAPSED, owed(), known(repeat_interval=timedelta(minutes=29)), {}, id="absent, and the known repeat_interval is over: LAPSED"),
    pytest.param(OWED, owed(), known(repeat_interval=timedelta(minutes=31)), {}, id="absent, and the known repeat_interval is not over: OWED"),
    pytest.param(OWED, owed(), known(started_at=NOW), LONG_AGO, id="absent, but Alertmanager has just started: OWED"),
    pytest.param(OWED, owed(), known(settled=False), LONG_AGO, id="absent, but Alertmanager's cluster settles: OWED"),
    pytest.param(OWED, owed(), alertmanager(), LONG_AGO, id="absent, but Alertmanager is empty: OWED"),
    pytest.param(OWED, owed(), known(at(SILENCED)), LONG_AGO, id="silenced for more than repeat_interval: OWED still"),
    pytest.param(DUE, owed(), known(at(ACTIVE)), LONG_AGO, id="active after more than repeat_interval: DUE still"),
    pytest.param(OWED, owed(), known(at(ACTIVE, ELSEWHERE)), {}, id="active, but elsewhere, for the first run: not yet REROUTED"),
    pytest.param(OWED, owed(elsewhere=1), known(at(ACTIVE, ELSEWHERE)), {}, id="active elsewhere for two runs: not yet REROUTED"),
    pytest.param(REROUTED, owed(elsewhere=2), known(at(ACTIVE, ELSEWHERE)), {}, id="active elsewhere for three runs: REROUTED"),
    pytest.param(REROUTED, owed(state=REROUTED, elsewhere=3), known(at(ACTIVE, ELSEWHERE)), {}, id="still elsewhere: REROUTED still"),
    pytest.param(DUE, owed(state=REROUTED, elsewhere=3), known(at(ACTIVE)), {}, id="rerouted, and routed back: DUE"),
    pytest.param(OWED, owed(state=REROUTED, elsewhere=3), known(at(SILENCED)), {}, id="rerouted, routed back and silenced: OWED"),
    pytest.param(LAPSED, owed(state=REROUTED, elsewhere=3), known(at(ACTIVE, ELSEWHERE)), LONG_AGO, id="elsewhere for more than repeat_interval: LAPSED"),
    pytest.param(OWED, owed(elsewhere=2), known(at(SILENCED, ELSEWHERE)), {}, id="silenced elsewhere: OWED"),
    pytest.param(DUE, owed(elsewhere=2), known(at(ACTIVE), at(ACTIVE, ELSEWHERE)), {}, id="active here and elsewhere: DUE here"),
    pytest.param(OWED, owed(elsewhere=2), known(at(SILENCED), at(ACTIVE, ELSEWHERE)), {}, id="silenced here and active elsewhere: OWED"),
    pytest.param(DUE, owed(), known(at(SILENCED), at(ACTIVE)), {}, id="twice at the place, once active: DUE"),
    pytest.param(OWED, owed(state=DUE, waited=1), known(at(SILENCED)), {}, id="it was due, and is silenced again: OWED"),
    pytest.param(OWED, owed(state=DUE, waited=1), known(), {}, id="it was due, and has ended: OWED"),
    pytest.param(OWED, owed(state=POSTED, posts=1), known(at(SILENCED)), {}, id="it was posted, and is silenced again: OWED"),
    pytest.param(POSTED, posted(1, runs=0, seconds=600), known(at(ACTIVE)), {}, id="posted, not read back in the first run: POSTED"),
    pytest.param(POSTED, posted(1, runs=1, seconds=600), known(at(ACTIVE)), {}, id="posted, not read back in two runs: POSTED"),
    pytest.param(POSTED, posted(1, runs=2, seconds=30), known(at(ACTIVE)), {}, id="posted, not read back in three quick runs: IRM's queue may lag"),
    pytest.param(DUE, posted(1, runs=2, seconds=60), known(at(ACTIVE)), {}, id="posted, not read back after two runs and a minute: DUE again"),
    pytest.param(POSTED, posted(2, runs=2, seconds=90), known(at(ACTIVE)), {}, id="posted twice: more time is given"),
    pytest.param(DUE, posted(2, runs=2, seconds=120), known(at(ACTIVE)), {}, id="posted twice, not read back: DUE for the third time"),
    pytest.param(POSTED, posted(3, runs=2, seconds=900), known(at(ACTIVE)), {}, id="posted three times, not read back: posted no more"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "one", "alertmanager_", "more"), ROWS)
def test_what_becomes_of_an_owed_alert(
    expected: Owing, one: Any, alertmanager_: AlertmanagerSnapshot, more: dict[str, Any]
) -> None:
    made = reckon(debt(one, **more), known=alertmanager_)
    found = judged(made)
    assert found.state is expected, found.why
    assert found.why
    assert any(not repage.last_resort for repage in made.repages) is (expected is DUE)


@pytest.mark.parametrize("state", [LAPSED, PAID])
def test_what_is_over_is_not_judged_again(state: Owing) -> None:
    made = reckon(debt(owed("b"), owed(state=state)), known=known(group(alert("a"), alert("b"))))
    assert judged(made).state is state
    assert [repage.fingerprints for repage in made.repages] == [frozenset("b")]
    assert reckon(debt(owed(state=state))).debts == ()


def test_three_posts_then_an_alarm() -> None:
    """Live through it: a run each minute, which takes the ledger of the last, and posts what is due."""
    one = debt()
    posts: list[bool] = []
    alarms: list[bool] = []
    for _ in range(12):
        made = reckon(one)
        [one] = made.debts
        posts.append(bool(made.repages) and not made.repages[0].last_resort)
        alarms.append(bool(judged(made).alarm))
        if posts[-1]:
            count = judged(made).posts + 1
            sent = msgspec.structs.replace(judged(made), state=POSTED, posts=count, waited=0, posted_at=NOW)
            one = msgspec.structs.replace(one, alerts=(sent,), repaged=True)
        one = a_minute_later(one)
    assert [run for run, sent in enumerate(posts) if sent] == [0, 3, 6]
    assert alarms == [False] * 10 + [True] * 2
    assert "somebody must look" in judged(reckon(one)).alarm


def test_an_alarm_ends_with_what_it_was_about() -> None:
    loud = owed(state=POSTED, posts=3, waited=5, alarm="somebody must look")
    assert judged(reckon(debt(loud), known=known(at(SILENCED)))).alarm == ""
    assert judged(reckon(debt(loud), PAGED)).alarm == ""


def test_silenced_again_counts_posts_anew() -> None:
    again = judged(reckon(debt(owed(state=POSTED, posts=3, waited=9)), known=known(at(SILENCED))))
    assert (again.posts, again.waited) == (0, 0)


def test_runs_elsewhere_are_counted_in_a_row_only() -> None:
    assert judged(reckon(debt(owed(elsewhere=2)), known=known())).elsewhere == 0
    assert judged(reckon(debt(owed(elsewhere=2)))).elsewhere == 0
    assert judged(reckon(debt(owed(elsewhere=1)), known=known(at(ACTIVE, ELSEWHERE)))).elsewhere == 2


PEERS = [
    pytest.param(DUE, at(SILENCED), at(ACTIVE), id="active at one of two peers: DUE"),
    pytest.param(OWED, at(SILENCED), at(MUTED), id="silenced at one, muted at the other: OWED"),
    pytest.param(DUE, None, at(ACTIVE), id="absent at one, active at the other: DUE"),
    pytest.param(OWED, None, at(SILENCED), id="absent at one, silenced at the other: OWED"),
    pytest.param(LAPSED, None, None, id="absent at both for long: LAPSED"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "first", "second"), PEERS)
def test_the_most_wakeful_peer_counts(expected: Owing, first: Any, second: Any) -> None:
    peers = (known(*[first] if first else [], peer="one"), known(*[second] if second else [], peer="two"))
    assert judged(reckon(debt(**LONG_AGO), known=peers)).state is expected


def test_nothing_lapses_while_a_peer_does_not_answer() -> None:
    made = reckon(debt(**LONG_AGO), known=known(peer="one"), configured=("one", "two"))
    assert judged(made).state is OWED


def test_of_two_peers_the_longer_repeat_interval_counts_and_an_unknown_one_is_five_days() -> None:
    short, long = timedelta(minutes=10), timedelta(hours=4)
    for interval in (long, None):
        peers = (known(peer="one", repeat_interval=short), known(peer="two", repeat_interval=interval))
        assert judged(reckon(debt(), known=peers)).state is OWED


@pytest.mark.parametrize(
    ("expected", "where"), [(DUE, HERE), (DUE, ELSEWHERE)], ids=["where it was: DUE", "anywhere: DUE"]
)
def test_a_legacy_alert_has_no_place(expected: Owing, where: dict[str, str]) -> None:
    legacy = debt(receiver=None, group_labels={}, external_url="", group_key="")
    assert judged(reckon(legacy, known=known(at(ACTIVE, where)))).state is expected


def test_each_alert_of_a_debt_is_judged_for_itself() -> None:
    made = reckon(
        debt(owed("a"), owed("b"), owed("c"), owed("d")),
        told(webhook("c")),
        known=known(group(alert("a"), alert("b", SILENCED), alert("c"))),
    )
    assert [judged(made, name).state for name in "abcd"] == [DUE, OWED, PAID, OWED]
    assert made.debts[0].is_open
    assert made.debts[0].closed_at is None


def test_a_debt_of_which_nothing_is_owed_any_more_is_over_now() -> None:
    made = reckon(debt(owed("a"), owed("b", state=LAPSED)), PAGED)
    assert made.debts[0].closed_at == NOW
    assert made.change.debts == made.debts


def test_a_debt_that_stays_as_it_is_is_not_written_again() -> None:
    [once] = reckon(debt(), known=known(at(SILENCED))).change.debts
    assert reckon(once, known=known(at(SILENCED))).change.debts == ()


def test_when_the_first_of_the_owed_will_speak() -> None:
    silences = (silence("s1", 60), silence("s2", 20))
    both = known(group(alert("a", SILENCED, ("s1",)), alert("b", SILENCED, ("s2",))), silences=silences)
    [one] = reckon(debt(owed("a"), owed("b")), known=both).debts
    assert one.silenced_until == NOW + timedelta(minutes=20)
    [one] = reckon(debt(owed("a"), owed("b", state=PAID)), known=both).debts
    assert one.silenced_until == NOW + timedelta(minutes=60)
    [one] = reckon(debt(silenced_until=NOW), known=known(at(ACTIVE))).debts
    assert one.silenced_until is None


def test_a_debt_whose_alert_group_is_open_again_is_paid() -> None:
    made = reckon(debt(alert_group_id="I1"), alert_group(LegacyAlert(fingerprint="x", firing=True)))
    assert judged(made).state is PAID
    assert "open again" in judged(made).why


def test_what_is_owed_needs_no_sighting_of_its_alert_group() -> None:
    remembered = Ledger(debts=(debt(),), sightings={"I0": Sighting(alive_at=NOW)})
    made = reckon(debt(), remembered=remembered)
    assert judged(made).state is DUE
    assert made.change.sightings == {"I0": Sighting(alive_at=NOW, missed=True)}
