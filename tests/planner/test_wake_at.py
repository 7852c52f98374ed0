"""When the loop should run at the latest: when an owed silence ends, a post is to be read back, a lease must go on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alertsync.models import LeaseState, Ledger, OwedAlert, Owing, Policy
from tests.planner.owing import SET_AT, WITNESS, debt, lease, owed, reckon, told
from tests.planner.world import (
    NOW,
    OURS,
    SILENCED,
    alert,
    alert_group,
    alertmanager,
    group,
    planned,
    silence,
    webhook,
)

if TYPE_CHECKING:
    from alertsync.models import AlertmanagerSnapshot

POLICY = Policy(external_urls=frozenset({OURS}))
FRESH = alert_group(webhook("a"))


def known(minutes: float = 60, **more: Any) -> AlertmanagerSnapshot:
    return alertmanager(group(alert("a", SILENCED)), WITNESS, silences=(silence("s1", minutes),), **more)


def minutes_from_now(at: datetime | None) -> float | None:
    """Tell how far away it is, rounded: a moment is added so that what was waited for has happened."""
    return None if at is None else round((at - NOW) / timedelta(minutes=1), 1)


def test_nothing_is_waited_for() -> None:
    assert reckon(debt(owed(state=Owing.PAID))).wake_at is None
    assert planned(FRESH, peers=(alertmanager(group(alert("a"))),), policy=POLICY).wake_at is None


def test_the_end_of_an_owed_silence_is_waited_for_and_a_moment_more() -> None:
    at = reckon(debt(), known=known(60)).wake_at
    assert at is not None
    assert timedelta(hours=1) < at - NOW <= timedelta(hours=1, seconds=5)


def test_of_several_ends_the_earliest() -> None:
    silences = (silence("s1", 60), silence("s2", 20))
    both = alertmanager(
        group(alert("a", SILENCED, ("s1",)), alert("b", SILENCED, ("s2",))), silences=silences
    )
    assert minutes_from_now(reckon(debt(owed("a"), owed("b")), known=both).wake_at) == 20
    two = (debt(), debt(owed("b"), id="I9/0", alert_group_id="I9"))
    assert minutes_from_now(reckon(two, known=both).wake_at) == 20


def test_an_end_is_told_by_alertmanagers_clock_and_waited_for_by_ours() -> None:
    ahead = known(60, clock=NOW + timedelta(minutes=10))
    assert minutes_from_now(reckon(debt(), known=ahead).wake_at) == 50


def test_of_two_peers_the_one_that_lags_says_how_long_it_takes() -> None:
    peers = (known(60, peer="one", clock=NOW + timedelta(minutes=10)), known(60, peer="two"))
    assert minutes_from_now(reckon(debt(), known=peers).wake_at) == 60


def test_an_end_that_is_over_already_is_waited_for_a_moment_at_least() -> None:
    at = reckon(debt(), known=known(-5)).wake_at
    assert at is not None
    assert NOW < at <= NOW + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("alert", "seconds"),
    [
        pytest.param(owed(state=Owing.POSTED, posts=1), 10, id="posted: it is read back soon"),
        pytest.param(owed(), 10, id="due: posted in this run, and read back soon"),
        pytest.param(owed(state=Owing.DUE, waited=1), 20, id="due for another run: a little later"),
        pytest.param(owed(state=Owing.POSTED, posts=1, waited=3), 80, id="posted, and not seen for a while: less often"),
        pytest.param(owed(state=Owing.DUE, waited=99), 640, id="due for ages: eleven minutes at the most"),
    ],
)  # fmt: skip
def test_what_is_due_or_posted_is_looked_at_again_soon_and_then_less_and_less_often(
    alert: OwedAlert, seconds: float
) -> None:
    assert reckon(debt(alert)).wake_at == NOW + timedelta(seconds=seconds)


def test_what_was_posted_in_vain_hurries_nobody() -> None:
    in_vain = debt(owed(state=Owing.DUE, alarm="its integration refuses the page: 404"))
    no_way = reckon(in_vain, integrations=())
    assert no_way.wake_at is None


def test_what_is_paid_is_not_waited_for() -> None:
    assert reckon(debt(), told(webhook("a"))).wake_at is None


def test_the_end_of_the_silence_of_what_is_about_to_be_resolved() -> None:
    assert minutes_from_now(planned(FRESH, peers=(known(30),), policy=POLICY).wake_at) == 30
    dry = msgspec.structs.replace(POLICY, dry_run=True)
    assert planned(FRESH, peers=(known(30),), policy=dry).wake_at is None


HELD = alert_group(webhook("a"), state="silenced", silenced_at=SET_AT)
SILENCE = msgspec.structs.replace(POLICY, on_silenced="silence")


def test_a_lease_is_looked_at_again_when_a_third_of_it_is_left() -> None:
    remembered = Ledger(leases=(lease(until=NOW + timedelta(minutes=10)),))
    made = planned(HELD, peers=(known(),), policy=SILENCE, remembered=remembered)
    assert minutes_from_now(made.wake_at) == 5


def test_a_lease_that_is_over_is_not_waited_for() -> None:
    remembered = Ledger(leases=(lease(state=LeaseState.TAKEN),))
    assert planned(peers=(known(),), policy=SILENCE, remembered=remembered).wake_at is None


def test_a_lease_that_is_set_now_is_looked_at_again_before_it_runs_out() -> None:
    """However long the interval of the loop is: else IRM pages for what is silenced."""
    at = planned(FRESH, peers=(known(),), policy=SILENCE).wake_at
    assert at is not None
    assert NOW < at < NOW + SILENCE.silence_lease
