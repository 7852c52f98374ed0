"""What follows a silence in IRM, case by case: what is made, kept, renewed, refused and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import (
    ActionKind,
    AggregationGroup,
    Alert,
    AlertGroup,
    AlertStatus,
    DecisionKind,
    EventOutcome,
    IrmSilence,
    IrmSilenceState,
    Ledger,
    Matcher,
    OurSilence,
    Plan,
    Policy,
    Silence,
    WebhookEvent,
)
from alertsync.planner.inbox import allowed
from alertsync.planner.markers import marker
from tests.planner.world import (
    ACTIVE,
    INTEGRATION,
    NOW,
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

SINCE = NOW - timedelta(minutes=10)
UNTIL = NOW + timedelta(hours=1)
DISK = (Matcher("alertname", "Disk"),)
CREATE, EXTEND, EXPIRE, NOTE = (
    ActionKind.CREATE_SILENCE,
    ActionKind.EXTEND_SILENCE,
    ActionKind.EXPIRE_SILENCE,
    ActionKind.NOTE,
)
KNOWN = IrmSilence("I1", "Disk", "U1", "ann@example.org", SINCE, SINCE, UNTIL)


def silenced(*firing: str, **more: Any) -> AlertGroup:
    """Make an alert group that is silenced in IRM."""
    return alert_group(webhook(*(firing or ("a",))), **{"state": "silenced", "silenced_at": SINCE, **more})


def ours(name: str = "o1", minutes: float = 60, matchers: tuple[Matcher, ...] = DISK) -> Silence:
    """Make a silence of ours in Alertmanager."""
    return silence(
        name,
        minutes,
        matchers=matchers,
        created_by="ann@example.org",
        comment=f"Disk {marker(silenced(), KNOWN, matchers)}",
    )


def held(*silences: Silence, **more: Any) -> IrmSilence:
    """Make what the ledger says of it."""
    mine = tuple(OurSilence(one.id, one.matchers, one.ends_at) for one in silences)
    return msgspec.structs.replace(KNOWN, silences=mine, **more)


def follow(one: AlertGroup, *alerts: Alert, known: IrmSilence | None = KNOWN, **more: Any) -> Plan:
    """Plan for an alert group, these alerts and what the ledger says."""
    silences = more.pop("silences", ())
    policy = Policy(silencers=frozenset({"ann@example.org"}), **more.pop("policy", {}))
    peer = more.pop("peer", None) or alertmanager(
        group(*alerts), *more.pop("groups", ()), silences=silences, **more.pop("server", {})
    )
    ledger = Ledger(irm_silences=() if known is None else (known,), degraded=more.pop("degraded", ""))
    peers = (peer, *more.pop("peers", ()))
    return planned(one, peers=peers, remembered=ledger, policy=policy, **more)


def kinds(made: Plan) -> list[ActionKind]:
    return [one.kind for one in made.silence_changes]


def state(made: Plan, before: IrmSilence = KNOWN) -> IrmSilence:
    return made.change.irm_silences[0] if made.change.irm_silences else before


def test_what_is_made_says_who_why_and_until_when() -> None:
    known = msgspec.structs.replace(KNOWN, url="http://irm/1", username="ann")
    [change] = follow(silenced(), alert("a"), known=known).silence_changes
    assert (change.kind, change.created_by, change.ends_at) == (CREATE, "ann@example.org", UNTIL)
    assert change.comment.startswith(
        "Disk: silenced in Grafana IRM by ann. http://irm/1 [alertsync irm I1 C1 "
    )
    assert set(change.matchers) == {Matcher("alertname", "Disk"), Matcher("instance", "a")}


ENDS = [
    pytest.param(UNTIL, {}, UNTIL, id="when IRM's does"),
    pytest.param(NOW + timedelta(days=9), {}, NOW + timedelta(days=1), id="after the longest that is allowed"),
    pytest.param(None, {}, NOW + timedelta(days=1), id="for ever is the longest that is allowed"),
    pytest.param(UNTIL, {"clock": NOW + timedelta(seconds=4)}, UNTIL, id="clocks that agree: at the same time"),
    pytest.param(UNTIL, {"clock": NOW + timedelta(minutes=9)}, UNTIL + timedelta(minutes=9) - timedelta(seconds=1), id="clocks that differ: when as much time has passed"),
]  # fmt: skip


@pytest.mark.parametrize(("until", "server", "ends_at"), ENDS)
def test_it_ends(until: Any, server: dict[str, Any], ends_at: Any) -> None:
    known = msgspec.structs.replace(KNOWN, until=until)
    [change] = follow(silenced(), alert("a"), known=known, server=server).silence_changes
    assert change.ends_at == ends_at


def test_what_is_over_by_irms_clock_is_not_made() -> None:
    known = msgspec.structs.replace(KNOWN, until=NOW)
    assert follow(silenced(), alert("a"), known=known).silence_changes == ()


def quiet(name: str, by: str = "o1") -> Alert:
    return alert(name, SILENCED, (by,))


KEPT = [
    pytest.param(ours(), held(ours()), {}, [], id="it lasts as long as IRM's"),
    pytest.param(ours(minutes=50), held(ours(minutes=50)), {}, [EXTEND], id="IRM's was made longer"),
    pytest.param(ours(minutes=90), held(ours(minutes=90)), {}, [EXTEND], id="IRM's was made shorter"),
    pytest.param(ours(minutes=50), held(ours(minutes=60)), {}, [], id="a person made ours shorter in Alertmanager"),
    pytest.param(ours(minutes=1000), held(ours(minutes=1000), until=None), {}, [], id="for ever, half is not used up"),
    pytest.param(ours(minutes=700), held(ours(minutes=700), until=None), {}, [EXTEND], id="for ever, half is used up"),
    pytest.param(ours(minutes=700), held(ours(minutes=700), until=None), {"max_silence": timedelta(hours=1)}, [EXTEND], id="less is allowed by now"),
    pytest.param(ours(), held(), {}, [], id="the ledger was not written in time: known by its marker"),
    pytest.param(ours(), held(), {"silencers": frozenset()}, [], id="nobody may by now: what was begun goes on"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "known", "policy", "expected"), KEPT)
def test_what_is_there_is_kept_until_the_end(
    there: Silence, known: IrmSilence, policy: dict[str, Any], expected: list[ActionKind]
) -> None:
    made = planned(
        silenced(),
        peers=(alertmanager(group(quiet("a")), silences=(there,)),),
        remembered=Ledger(irm_silences=(known,)),
        policy=Policy(**{"silencers": frozenset({"ann@example.org"}), **policy}),
    )
    assert kinds(made) == expected
    for change in made.silence_changes:
        assert (change.silence_id, change.starts_at, change.matchers) == (
            "o1",
            there.starts_at,
            there.matchers,
        )
    assert state(made, known).state is IrmSilenceState.FOLLOWED
    assert [one.id for one in state(made, known).silences] == ["o1"]


OVER = [
    pytest.param({"state": "firing", "silenced_at": None}, id="un-silenced"),
    pytest.param({"state": "acknowledged", "silenced_at": None}, id="acknowledged"),
    pytest.param({"silenced_at": NOW - timedelta(minutes=1)}, id="silenced anew, and nobody knows by whom"),
    pytest.param({"id": "I2"}, id="not open any more"),
]


@pytest.mark.parametrize("change", OVER)
def test_what_has_no_reason_any_more_is_ended_and_nothing_else(change: dict[str, Any]) -> None:
    by_a_person = silence("s1", matchers=DISK)
    made = follow(
        silenced(**change), quiet("a"), known=held(ours()), silences=(ours(), ours("o2"), by_a_person)
    )
    assert [(one.kind, one.silence_id) for one in made.silence_changes] == [(EXPIRE, "o1"), (EXPIRE, "o2")]
    after = state(made)
    assert (after.state, after.is_open) == (IrmSilenceState.ENDED, True), "until they are gone"


def test_once_all_of_ours_are_gone_it_is_over() -> None:
    known = held(ours(), state=IrmSilenceState.ENDED, why="un-silenced", ended_at=NOW)
    made = follow(silenced(state="firing", silenced_at=None), alert("a"), known=known)
    assert (kinds(made), state(made).is_open) == ([], False)


def test_one_that_a_person_ended_in_alertmanager_ends_the_others_and_is_not_made_again() -> None:
    gone = silence("o1", -1, matchers=DISK, comment=ours().comment)
    made = follow(
        silenced(),
        quiet("a", "o2"),
        known=held(ours(), ours("o2")),
        peer=alertmanager(group(quiet("a", "o2")), silences=(ours("o2"),), ended=(gone,)),
    )
    assert [(one.kind, one.silence_id) for one in made.silence_changes] == [(EXPIRE, "o2")]
    assert (state(made).state, state(made).for_good) == (IrmSilenceState.REFUSED, True)


def test_one_that_ran_out_while_we_were_away_or_was_lost_is_made_again() -> None:
    ran_out = silence("o1", -1, matchers=DISK, comment=ours().comment)
    known = held(ours(minutes=-1), until=None)
    for ended in ((ran_out,), ()):
        peer = alertmanager(group(alert("a")), silences=(), ended=ended)
        assert kinds(follow(silenced(), known=known, peer=peer)) == [CREATE]


def test_what_is_not_ours_to_act_on_is_ended_and_what_is_not_understood_stays() -> None:
    foreign = msgspec.structs.replace(INTEGRATION, type="webhook")
    made = follow(silenced(), quiet("a"), known=held(ours()), silences=(ours(),), integrations=(foreign,))
    assert (kinds(made), state(made).state) == ([EXPIRE], IrmSilenceState.REFUSED)
    wiped = msgspec.structs.replace(silenced(), last_delivery=None)
    made = follow(wiped, quiet("a"), known=held(ours()), silences=(ours(),))
    assert (kinds(made), state(made).state) == ([], IrmSilenceState.REFUSED)


def test_of_a_group_with_several_deliveries_all_are_read_before_any_silence_is_made() -> None:
    one = silenced("a", alerts_count=2)
    made = follow(one, alert("a"))
    assert ([group.id for group in made.unread], kinds(made)) == (["I1"], [])
    cpu = alert("c")
    cpu = msgspec.structs.replace(cpu, labels={"alertname": "Cpu", "instance": "c"})
    read = {"I1": deliveries(webhook("a"), webhook("c", alertname="Cpu"))}
    made = follow(one, alert("a"), groups=(group(cpu, alertname="Cpu"),), deliveries=read)
    assert (kinds(made), made.unread) == ([CREATE, CREATE], ())


def test_where_a_name_is_not_taken_it_is_refused_once_with_a_note() -> None:
    odd = msgspec.structs.replace(alert("a"), labels={"alertname": "Disk", "größe": "1"})
    made = follow(silenced(), odd, server={"version": "0.25.0"})
    assert kinds(made) == [NOTE]
    assert "takes no silence on the label name 'größe'" in made.silence_changes[0].text
    after = state(made)
    assert after.state is IrmSilenceState.REFUSED
    assert kinds(follow(silenced(), odd, known=after, server={"version": "0.25.0"})) == []
    assert kinds(follow(silenced(), odd, known=after)) == [CREATE], "a newer one takes it"


def test_while_nothing_can_be_written_down_nothing_is_made_but_what_is_over_ends() -> None:
    assert CREATE not in kinds(follow(silenced(), alert("a"), degraded="the disk is full"))
    firing = silenced(state="firing", silenced_at=None)
    made = follow(firing, quiet("a"), known=held(ours()), silences=(ours(),), degraded="the disk is full")
    assert kinds(made) == [EXPIRE]


def test_what_one_peer_has_not_heard_of_yet_is_not_made_twice() -> None:
    one = alertmanager(group(quiet("a")), silences=(ours(),), peer="one")
    other = alertmanager(group(alert("a")), silences=(), peer="two")
    assert kinds(follow(silenced(), known=held(ours()), peer=one, peers=(other,))) == []


def test_an_alert_that_only_one_peer_knows_is_no_less_a_stranger() -> None:
    odd = msgspec.structs.replace(alert("x"), labels={"alertname": "Disk", "instance": "a", "job": "b"})
    one = alertmanager(group(alert("a")), silences=(), peer="one")
    elsewhere = AggregationGroup("other", {"job": "b"}, (odd,))
    other = alertmanager(group(alert("a")), elsewhere, silences=(), peer="two")
    made = follow(silenced(), peer=one, peers=(other,))
    assert kinds(made) == [NOTE]


def test_more_than_a_run_may_make_waits_whole_alert_groups_at_a_time() -> None:
    groups, places, silences = [], [], []
    for number in range(3):
        name = f"D{number}"
        alerts = [
            Alert(f"{name}{one}", {"alertname": name, "x": one, "y": one}, AlertStatus.ACTIVE) for one in "ab"
        ]
        stranger = Alert(f"{name}x", {"alertname": name, "z": "z"}, AlertStatus.ACTIVE)
        places += [group(*alerts, alertname=name), AggregationGroup("other", {"z": "z"}, (stranger,))]
        word = webhook(*(one.fingerprint for one in alerts), alertname=name)
        groups.append(alert_group(word, id=f"I{number}", state="silenced", silenced_at=SINCE))
        at = SINCE + timedelta(seconds=number)
        silences.append(msgspec.structs.replace(KNOWN, alert_group_id=f"I{number}", made_at=at))
    made = planned(
        *groups,
        peers=(alertmanager(*places, silences=()),),
        remembered=Ledger(irm_silences=tuple(silences)),
        policy=Policy(max_actions_per_run=4),
    )
    assert [one.alert_group_id for one in made.silence_changes] == ["I0", "I0", "I1", "I1"]
    assert [brake.value for brake in made.brakes] == ["max_actions"]
    assert made.wake_at is not None


@pytest.mark.parametrize(
    ("email", "may"),
    [
        ("ann@example.org", True),
        ("Ann@Example.ORG ", True),
        ("bob@corp.example", True),
        ("bob@sub.corp.example", False),
        ("ann@example.org.evil.example", False),
        ("evil@x@corp.example", False),
        ("*@corp.example", False),
        ("@corp.example", False),
        ("corp.example", False),
        ("", False),
        ("annXexample.org", False),
    ],
)
def test_who_may_silence(email: str, may: bool) -> None:
    assert allowed(email, Policy(silencers=frozenset({"ann@example.org", "*@CORP.example"}))) is may


def event(
    name: str, kind: str = "silence", *, seconds: float = 0, by: str = "ann@example.org"
) -> WebhookEvent:
    at = SINCE + timedelta(seconds=seconds)
    return WebhookEvent(name, NOW - timedelta(seconds=5), kind, "I1", "Disk", at, UNTIL, "U1", by)


def test_events_that_repeat_or_come_out_of_order_make_nothing_but_the_last_word() -> None:
    old, new, end = event("e1", seconds=-60), event("e2"), event("e3", "unsilence")
    for order in ((old, new, end), (end, new, old), (new, old, new, end)):
        made = follow(silenced(), alert("a"), known=None, events=order)
        assert kinds(made) == [CREATE]
        outcomes = {one.event.id: one.outcome for one in made.handled}
        assert outcomes["e1"] is EventOutcome.NOTHING
        assert outcomes["e2"] is EventOutcome.FOLLOWED
        assert outcomes["e3"] is EventOutcome.NOTHING


@pytest.mark.parametrize(
    ("shown", "told", "same"),
    [
        (0.123456, 0.123456, True),
        (0.123456, 0.123, True),
        (0.123456, 0.0, True),
        (0.0, 0.9, True),
        (0.123456, 0.125, False),
        (0.123456, 1.3, False),
        (0.0, 1.0, False),
    ],
)
def test_an_event_is_of_a_silence_if_their_times_are_the_same_but_for_what_a_format_cuts(
    shown: float, told: float, same: bool
) -> None:
    at = SINCE + timedelta(seconds=shown)
    made = follow(silenced(silenced_at=at), alert("a"), known=None, events=(event("e1", seconds=told),))
    assert bool(made.silence_changes) is same


def test_what_is_refused_for_certain_needs_no_deliveries() -> None:
    odd = msgspec.structs.replace(alert("x"), labels={"alertname": "Disk", "instance": "a", "job": "b"})
    elsewhere = AggregationGroup("other", {"job": "b"}, (odd,))
    made = follow(silenced("a", alerts_count=2), alert("a"), groups=(elsewhere,))
    assert (kinds(made), made.unread) == ([NOTE], ())
    merging = msgspec.structs.replace(INTEGRATION, merges=True)
    made = follow(silenced("a", alerts_count=2), alert("a"), groups=(elsewhere,), integrations=(merging,))
    assert (kinds(made), len(made.unread)) == ([], 1)


def test_a_silence_by_nobody_is_left_alone_even_where_strangers_are_not() -> None:
    nobody = msgspec.structs.replace(event("e1"), user_id="", user_email="")
    made = follow(silenced(), alert("a"), known=None, events=(nobody,), policy={"strangers": "unsilence"})
    assert kinds(made) == [NOTE]


def test_our_own_users_silences_are_ours() -> None:
    made = follow(silenced(), alert("a"), known=None, events=(event("e1"),), me="U1")
    assert (kinds(made), [one.outcome for one in made.handled]) == ([], [EventOutcome.OURS])


def test_an_echo_beside_active_alerts_is_left_alone_and_says_so() -> None:
    one = alert_group(webhook("a", "b"))
    alerts = alertmanager(group(quiet("a"), alert("b", ACTIVE)), silences=(ours(),))
    made = planned(one, peers=(alerts,), remembered=Ledger(irm_silences=(held(ours()),)))
    assert [decision.kind for decision in made.decisions] == [DecisionKind.PARTIALLY_SILENCED]
    assert made.actions == ()
