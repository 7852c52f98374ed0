"""The table of leases, row by row: what becomes of a silence that we set in IRM."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import (
    ActionKind,
    AlertGroup,
    AlertmanagerSnapshot,
    AlertStatus,
    DecisionKind,
    Held,
    Lease,
    LeaseState,
    Ledger,
    Plan,
    Policy,
    Sighting,
)
from tests.planner.owing import SET_AT, WITNESS, lease
from tests.planner.world import (
    ACTIVE,
    GONE_FOR_LONG,
    INTEGRATION,
    MUTED,
    NOW,
    OURS,
    SILENCED,
    alert,
    alert_group,
    alertmanager,
    deliveries,
    group,
    planned,
    silence,
    webhook,
)

HELD = alert_group(webhook("a"), state="silenced", silenced_at=SET_AT)
POLICY = Policy(external_urls=frozenset({OURS}), on_silenced="silence")
ENDS_AT = SET_AT + timedelta(minutes=15)


def known(*status: Any, **more: Any) -> AlertmanagerSnapshot:
    groups = [group(alert("a", *status))] if status else []
    return alertmanager(*groups, WITNESS, **more)


def follow(one: Lease, *groups: AlertGroup, peers: Any = None, sighting: Any = None, **more: Any) -> Plan:
    remembered = Ledger(
        leases=(one,), sightings={"I1": sighting} if sighting else {}, **more.pop("ledger", {})
    )
    return planned(
        *groups, **{"peers": peers or (known(SILENCED),), "remembered": remembered, "policy": POLICY, **more}
    )


def became(made: Plan, before: Lease) -> Lease:
    """Give the lease as it stands after a plan, which writes only what has changed."""
    return made.change.leases[0] if made.change.leases else before


def changed(**change: Any) -> AlertGroup:
    return msgspec.structs.replace(HELD, **change)


INTENDED, ENDED, TAKEN = LeaseState.INTENDED, LeaseState.ENDED, LeaseState.TAKEN
OVER = lease(until=NOW - timedelta(seconds=1))
ASKED = lease(state=INTENDED, silenced_at=None)
JUST_ASKED = lease(state=INTENDED, silenced_at=None, asked_at=NOW - timedelta(seconds=30))
FOLLOWED = [
    pytest.param(LeaseState.HELD, lease(), (HELD,), id="silenced at the very time that we read: ours"),
    pytest.param(TAKEN, lease(), (changed(silenced_at=NOW),), id="silenced at another time: TAKEN"),
    pytest.param(TAKEN, lease(), (changed(state="acknowledged", silenced_at=None),), id="acknowledged: TAKEN"),
    pytest.param(TAKEN, lease(), (changed(state="firing", silenced_at=None),), id="firing before it was over: TAKEN"),
    pytest.param(ENDED, OVER, (changed(state="firing", silenced_at=None),), id="firing after it was over: ENDED"),
    pytest.param(ENDED, lease(until=NOW + timedelta(seconds=2)), (changed(state="firing", silenced_at=None),), id="firing a moment before it is over: ENDED"),
    pytest.param(TAKEN, OVER, (changed(state="acknowledged", silenced_at=None),), id="acknowledged after it was over: TAKEN"),
    pytest.param(ENDED, lease(), (), id="resolved or deleted: ENDED"),
    pytest.param(LeaseState.HELD, ASKED, (HELD,), id="asked for, and silenced then: ours"),
    pytest.param(INTENDED, JUST_ASKED, (changed(silenced_at=NOW - timedelta(minutes=9)),), id="asked for, silenced long before that: not ours, but ours may come"),
    pytest.param(ENDED, ASKED, (changed(silenced_at=SET_AT + timedelta(minutes=2)),), id="asked for, silenced long after that: not ours"),
    pytest.param(INTENDED, JUST_ASKED, (changed(state="firing", silenced_at=None),), id="asked for, not silenced yet: it may come"),
    pytest.param(ENDED, ASKED, (changed(state="firing", silenced_at=None),), id="asked for a while ago, not silenced: never set"),
    pytest.param(ENDED, ASKED, (), id="asked for, and resolved since: ENDED"),
    pytest.param(TAKEN, lease(state=TAKEN), (HELD,), id="once TAKEN always TAKEN"),
    pytest.param(ENDED, lease(state=ENDED), (HELD,), id="once ENDED always ENDED"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "one", "groups"), FOLLOWED)
def test_what_has_become_of_a_lease(expected: LeaseState, one: Lease, groups: Any) -> None:
    after = became(follow(one, *groups), one)
    assert after.state is expected, after.why
    assert after.state is one.state or after.why or after.state is LeaseState.HELD
    if after.state is LeaseState.HELD:
        assert after.silenced_at == SET_AT


NONE, RENEW, SPEAK, CLOSE = ActionKind.NONE, ActionKind.SILENCE, ActionKind.UNSILENCE, ActionKind.RESOLVE
YOUNG = lease(until=NOW + timedelta(minutes=10, seconds=5))
NO_LINK = (msgspec.structs.replace(INTEGRATION, receives=False),)
MAINTAINED = (msgspec.structs.replace(INTEGRATION, in_maintenance=True),)
BOTH = ("one", "two")
GROWING = Sighting(alive_at=NOW - timedelta(hours=1), absent_since=NOW - timedelta(minutes=5), absent_runs=2)
OLD_LEASE = lease(until=NOW + timedelta(minutes=4))


def on(action: str, **more: Any) -> dict[str, Any]:
    return {"policy": msgspec.structs.replace(POLICY, on_silenced=action), **more}


DO = [
    pytest.param(NONE, YOUNG, {}, id="all silenced, not a third is used up: nothing yet"),
    pytest.param(RENEW, OLD_LEASE, {}, id="all silenced, a third is used up: renewed"),
    pytest.param(RENEW, YOUNG, {"peers": (known(SILENCED, silences=(silence("s1", 5),)),)}, id="the silence was shortened: shortened at once"),
    pytest.param(NONE, lease(until=NOW + timedelta(minutes=5)), {"peers": (known(SILENCED, silences=(silence("s1", 5),)),)},
                 id="it ends with the silence: nothing to renew"),
    pytest.param(SPEAK, YOUNG, {"peers": (known(ACTIVE),)}, id="active: un-silenced at once"),
    pytest.param(SPEAK, YOUNG, {"peers": (known(MUTED),)}, id="muted: un-silenced at once"),
    pytest.param(SPEAK, YOUNG, {"peers": (alertmanager(group(alert("a", SILENCED), alert("b"))),)}, id="one of two active: un-silenced at once"),
    pytest.param(SPEAK, YOUNG, {"peers": (known(SILENCED, peer="one"), known(ACTIVE, peer="two"))}, id="active at one peer: un-silenced at once"),
    pytest.param(SPEAK, YOUNG, on("report", peers=(known(ACTIVE),)), id="active, ON_SILENCED=report: un-silenced all the same"),
    pytest.param(CLOSE, YOUNG, {"peers": (known(),), "sighting": GONE_FOR_LONG}, id="gone: resolved, though ON_GONE=report"),
    pytest.param(CLOSE, YOUNG, on("report", peers=(known(),), sighting=GONE_FOR_LONG), id="gone: resolved, though ON_SILENCED=report"),
    pytest.param(RENEW, OLD_LEASE, {"peers": (known(),), "sighting": GROWING}, id="absent, not proven yet: renewed while proof grows"),
    pytest.param(NONE, OLD_LEASE, {"peers": (known(),)}, id="absent, and never seen alive: runs out"),
    pytest.param(NONE, OLD_LEASE, {"peers": (known(settled=False),), "sighting": GROWING}, id="absent, and Alertmanager is in doubt: runs out"),
    pytest.param(NONE, OLD_LEASE, {"peers": (known(SILENCED, peer="one"),), "configured": BOTH}, id="a peer does not answer: runs out"),
    pytest.param(NONE, OLD_LEASE, {"peers": (known(SILENCED, peer="one"), known(peer="two"))}, id="a peer does not know it: runs out"),
    pytest.param(NONE, OLD_LEASE, {"integrations": (msgspec.structs.replace(INTEGRATION, type="webhook"),)}, id="not judged: runs out"),
    pytest.param(RENEW, OLD_LEASE, {"integrations": MAINTAINED}, id="silenced, its integration is in maintenance: renewed"),
    pytest.param(RENEW, OLD_LEASE, {"integrations": MAINTAINED, **on("resolve")}, id="silenced, in maintenance, ON_SILENCED=resolve: renewed, not resolved"),
    pytest.param(SPEAK, OLD_LEASE, {"integrations": MAINTAINED, "peers": (known(ACTIVE),)}, id="active, its integration is in maintenance: un-silenced"),
    pytest.param(SPEAK, OLD_LEASE, {"policy": msgspec.structs.replace(POLICY, integration_ids=frozenset({"C9"})), "peers": (known(ACTIVE),)}, id="active, and no longer in IRM_INTEGRATION_IDS: un-silenced"),
    pytest.param(NONE, OLD_LEASE, {"ledger": {"attached": {"I1": NOW}}}, id="attached: runs out"),
    pytest.param(NONE, OLD_LEASE, on("report"), id="silenced, ON_SILENCED=report: runs out"),
    pytest.param(CLOSE, OLD_LEASE, on("resolve"), id="silenced, ON_SILENCED=resolve now: resolved"),
    pytest.param(RENEW, OLD_LEASE, on("resolve", integrations=NO_LINK), id="silenced, ON_SILENCED=resolve, but not payable: renewed"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "one", "more"), DO)
def test_what_is_done_about_a_lease(action: ActionKind, one: Lease, more: dict[str, Any]) -> None:
    [decision] = follow(one, HELD, **more).decisions
    assert decision.action is action, decision.reason
    assert decision.inconsistent is (action is CLOSE)


@pytest.mark.parametrize(
    "more",
    [{"integrations": NO_LINK}, {"ledger": {"degraded": "the disk is full"}}],
    ids=["no inbound URL", "the ledger cannot be written"],
)
def test_what_is_gone_and_not_payable_is_not_resolved_under_a_lease_either(more: dict[str, Any]) -> None:
    [decision] = follow(YOUNG, HELD, peers=(known(),), sighting=GONE_FOR_LONG, **more).decisions
    assert decision.action is not CLOSE


@pytest.mark.parametrize("action", ["resolve", "silence"])
def test_nothing_is_closed_or_renewed_before_all_deliveries_are_read(action: str) -> None:
    two = changed(alerts_count=2)
    [decision] = follow(OLD_LEASE, two, **on(action)).decisions
    assert (decision.action, decision.held) == (NONE, Held.DELIVERIES)
    [active] = follow(OLD_LEASE, two, peers=(known(ACTIVE),), **on(action)).decisions
    assert active.action is SPEAK, "what is active needs no further proof"
    read = {"I1": deliveries(webhook("a"), webhook("a"))}
    [decision] = follow(OLD_LEASE, two, deliveries=read, **on(action)).decisions
    assert decision.action is not NONE


def beside(status: AlertStatus) -> AlertmanagerSnapshot:
    """Make an Alertmanager in which what we hold is silenced, and w, of the other alert group, is so."""
    return alertmanager(group(alert("a", SILENCED)), group(alert("w", status), alertname="Other"))


def attached(seconds: float = 0, **change: Any) -> AlertGroup:
    """Make the other alert group, which was silenced so many seconds after the one that we hold."""
    at = SET_AT + timedelta(seconds=seconds)
    other = alert_group(
        webhook("w", alertname="Other"), id="I3", title="Other", state="silenced", silenced_at=at
    )
    return msgspec.structs.replace(other, **change)


OURS_TOO = lease(alert_group_id="I0", until=YOUNG.until)
ATTACHED = [
    pytest.param(SPEAK, YOUNG, attached(), {}, id="silenced in the same moment, and active: un-silenced"),
    pytest.param(SPEAK, YOUNG, attached(2), {}, id="silenced two seconds later, and active: un-silenced"),
    pytest.param(SPEAK, OLD_LEASE, attached(), {}, id="un-silenced though a third is used up"),
    pytest.param(SPEAK, OLD_LEASE, attached(), on("resolve"), id="un-silenced though ON_SILENCED=resolve now"),
    pytest.param(SPEAK, YOUNG, attached(), {"peers": (known(ACTIVE),)}, id="both are active: un-silenced"),
    pytest.param(NONE, YOUNG, attached(3), {}, id="silenced three seconds later, so not attached: nothing yet"),
    pytest.param(NONE, YOUNG, attached(-1), {}, id="silenced before ours, so not attached: nothing yet"),
    pytest.param(NONE, YOUNG, attached(silenced_at=None), {}, id="IRM does not say when it was silenced: nothing yet"),
    pytest.param(NONE, YOUNG, attached(), {"peers": (beside(SILENCED),)}, id="silenced in Alertmanager too: nothing yet"),
    pytest.param(NONE, YOUNG, attached(), {"peers": (beside(MUTED),)}, id="muted in Alertmanager: nothing yet"),
    pytest.param(NONE, YOUNG, attached(state="firing", silenced_at=None), {}, id="it fires in IRM: nothing yet"),
    pytest.param(NONE, YOUNG, attached(state="acknowledged"), {}, id="somebody acknowledged it: nothing yet"),
    pytest.param(NONE, lease(state=TAKEN), attached(), {}, id="a person took ours over: their word stands"),
    pytest.param(NONE, lease(state=ENDED), attached(), {}, id="our lease is over: not ours to end"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "one", "other", "more"), ATTACHED)
def test_what_is_done_about_a_lease_with_which_irm_silenced_another_alert_group(
    action: ActionKind, one: Lease, other: AlertGroup, more: dict[str, Any]
) -> None:
    decisions = follow(one, HELD, other, **more).decisions
    decision, beside_it = sorted(decisions, key=lambda each: each.alert_group.id)
    assert decision.action is action, decision.reason
    assert decision.inconsistent is False
    assert beside_it.action is NONE, "the other one is not ours"
    assert ("IRM silenced «Other» with it" in decision.reason) is (action is SPEAK)


def test_what_we_silenced_ourselves_in_the_same_moment_is_not_attached() -> None:
    both = {"remembered": Ledger(leases=(YOUNG, OURS_TOO))}
    decisions = follow(YOUNG, HELD, attached(id="I0"), **both).decisions
    assert {one.alert_group.id: one.action for one in decisions} == {"I1": NONE, "I0": SPEAK}


def test_of_two_leases_the_one_that_was_set_last_before_it_ends() -> None:
    later = SET_AT + timedelta(seconds=1)
    second = changed(id="I2", silenced_at=later)
    both = {
        "remembered": Ledger(
            leases=(YOUNG, msgspec.structs.replace(YOUNG, alert_group_id="I2", silenced_at=later))
        )
    }
    decisions = follow(YOUNG, HELD, second, attached(2), **both).decisions
    assert {one.alert_group.id: one.action for one in decisions} == {"I1": NONE, "I2": SPEAK, "I3": NONE}


def test_a_dry_run_renews_and_ends_nothing() -> None:
    dry = msgspec.structs.replace(POLICY, dry_run=True)
    for peers in ((known(SILENCED),), (known(ACTIVE),)):
        [decision] = follow(OLD_LEASE, HELD, peers=peers, policy=dry).decisions
        assert (decision.action, decision.held) == (NONE, Held.DRY_RUN)
    decision, _ = follow(YOUNG, HELD, attached(), policy=dry).decisions
    assert (decision.action, decision.held) == (NONE, Held.DRY_RUN)


def test_a_renewal_is_not_braked_and_takes_nobodys_turn() -> None:
    policy = msgspec.structs.replace(POLICY, max_actions_per_run=1)
    fresh = alert_group(webhook("a"), id="I2")
    made = follow(OLD_LEASE, HELD, fresh, policy=policy)
    assert [(one.alert_group.id, one.action) for one in made.decisions] == [("I1", RENEW), ("I2", RENEW)]
    assert made.brakes == frozenset()


def test_an_unsilence_is_never_braked() -> None:
    policy = msgspec.structs.replace(POLICY, max_actions_per_run=0)
    [decision] = follow(YOUNG, HELD, peers=(known(ACTIVE),), policy=policy).decisions
    assert decision.action is SPEAK


FRESH = alert_group(webhook("a"))
NEW = [
    pytest.param({}, {}, RENEW, Held.NOT_HELD, id="ON_SILENCED=silence: a lease is set"),
    pytest.param({}, {"leases": (lease(state=ENDED),)}, RENEW, Held.NOT_HELD, id="the last one ran out: set again"),
    pytest.param({}, {"leases": (lease(state=TAKEN),)}, NONE, Held.PERSON, id="a person ended it under the same silences: their word stands"),
    pytest.param({}, {"leases": (lease(state=TAKEN, silences=("s0",)),)}, RENEW, Held.NOT_HELD, id="a person ended one under other silences: a lease is set"),
    pytest.param({"on_silenced": "resolve"}, {"leases": (lease(state=TAKEN),)}, NONE, Held.PERSON, id="nor is it resolved then"),
    pytest.param({}, {"degraded": "the disk is full"}, NONE, Held.STORE, id="it cannot be written down: not set"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "ledger", "action", "held"), NEW)
def test_when_a_lease_is_set(
    policy: dict[str, Any], ledger: dict[str, Any], action: ActionKind, held: Held
) -> None:
    rules = msgspec.structs.replace(POLICY, **policy)
    [decision] = planned(FRESH, peers=(known(SILENCED),), remembered=Ledger(**ledger), policy=rules).decisions
    assert decision.kind is DecisionKind.SILENCED
    assert (decision.action, decision.held) == (action, held)


def test_an_acknowledged_alert_group_is_never_silenced() -> None:
    rules = msgspec.structs.replace(POLICY, states=frozenset({"firing", "acknowledged"}))
    one = msgspec.structs.replace(FRESH, state="acknowledged")
    [decision] = planned(one, peers=(known(SILENCED),), policy=rules).decisions
    assert (decision.action, decision.held) == (NONE, Held.STATE)


def test_a_silence_that_a_person_set_in_irm_is_theirs() -> None:
    [decision] = planned(HELD, peers=(known(ACTIVE),), policy=POLICY).decisions
    assert decision.action is NONE
    [decision] = planned(HELD, peers=(known(SILENCED),), policy=POLICY).decisions
    assert (decision.action, decision.held) == (NONE, Held.STATE)
