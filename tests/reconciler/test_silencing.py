"""Stories of silences that people set in IRM: Alertmanager follows them, exactly, and only for as long."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from alertsync.models import ActionKind, EventOutcome, HandAnswer, IrmSilenceState, Outcome, WebhookEvent
from tests.reconciler.bench import Bench, bench
from tests.reconciler.test_obligations import of, outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alertsync.models import HandResult
    from alertsync.simulator.alertmanager_model import Silence
    from alertsync.simulator.irm_records import Group, User

ANN, EVE = "ann@example.org", "eve@elsewhere.example"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    with bench(monkeypatch, tmp_path) as made:
        allow(made, ANN)
        made.ann = made.irm.add_user("token-of-ann", email=ANN)  # type: ignore[attr-defined]
        made.eve = made.irm.add_user("token-of-eve", email=EVE)  # type: ignore[attr-defined]
        yield made


def allow(world: Bench, *silencers: str, **policy: object) -> None:
    """Say whose silences are followed, as the settings would."""
    reconciler = world.reconciler
    changed = msgspec.structs.replace(reconciler.policy, silencers=frozenset(silencers), **policy)
    object.__setattr__(reconciler, "policy", changed)


def told(world: Bench, group: Group, kind: str, by: User | None, seconds: float | None = None) -> None:
    """Receive what IRM's webhook would tell now."""
    now = world.time.clock.now()
    event = WebhookEvent(
        id=hashlib.sha256(f"{kind} {group.id} {now} {by} {seconds}".encode()).hexdigest(),
        received_at=now,
        kind=kind,
        alert_group_id=group.id,
        title=group.title or "",
        at=group.silenced_at if kind == "silence" else None,
        until=now + timedelta(seconds=seconds) if seconds else None,
        user_id=by.id if by else "",
        user_email=by.email if by else "",
        username=by.username if by else "",
        url="http://grafana.example/alert-groups/1",
    )
    world.services.store.receive(event)


def silence_in_irm(world: Bench, group: Group, *, by: str = "ann", seconds: int = 3600) -> None:
    user = getattr(world, by)
    world.irm.silence(group.id, by=user, delay=seconds)
    told(world, group, "silence", user, seconds or None)


def active(world: Bench) -> list[Silence]:
    now = world.time.clock.now()
    return [one for one in world.alertmanager.silences() if one.state(now) == "active"]


def kinds(run: object) -> list[tuple[ActionKind, Outcome]]:
    return [(one.kind, one.outcome) for one in run.actions]  # type: ignore[attr-defined]


def test_a_silence_in_irm_becomes_one_in_alertmanager_until_the_same_time(world: Bench) -> None:
    disk = world.fire("Disk", "a", "b")
    world.fire("Cpu")
    silence_in_irm(world, disk)
    run = world.run()
    assert kinds(run) == [(ActionKind.CREATE_SILENCE, Outcome.CREATED)], run.message
    [silence] = active(world)
    assert [(one.name, one.value) for one in silence.matchers] == [("alertname", "Disk")]
    assert silence.created_by == ANN
    assert "Disk: silenced in Grafana IRM by ann." in silence.comment
    assert "http://grafana.example/" in silence.comment
    assert abs(silence.ends_at - (world.time.clock.now() + timedelta(hours=1))) < timedelta(seconds=5)
    [event] = world.services.store.events(limit=9).items
    assert event.outcome is EventOutcome.FOLLOWED
    again = world.run()
    assert again.actions == ()
    assert of(again, disk).kind == "SILENCED_IN_IRM"
    assert disk.state == "silenced", "it is neither resolved nor leased"


def test_an_unsilence_expires_exactly_our_own(world: Bench) -> None:
    disk, cpu = world.fire("Disk", "a", "b"), world.fire("Cpu")
    silence_in_irm(world, disk)
    silence_in_irm(world, cpu)
    by_a_person = world.silence("Disk", instance="b")
    world.run()
    assert len(active(world)) == 3
    world.pass_time(60)
    world.irm.unsilence(disk.id, by=None)
    told(world, disk, "unsilence", None)
    run = world.run()
    assert (ActionKind.EXPIRE_SILENCE, Outcome.EXPIRED) in kinds(run)
    left = active(world)
    assert by_a_person in {one.id for one in left}
    assert sorted(one.matchers[0].value for one in left) == ["Cpu", "Disk"]
    assert disk.state == "firing", "one alert is active again"
    assert world.services.store.events(limit=1).items[0].outcome is EventOutcome.ENDED


@pytest.mark.parametrize("action", ["acknowledge", "resolve", "delete"])
def test_what_ends_the_silence_in_irm_ends_it_in_alertmanager_without_any_webhook(
    world: Bench, action: str
) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk)
    world.run()
    assert len(active(world)) == 1
    getattr(world.irm, action)(disk.id)
    assert outcomes(world.run()) == [Outcome.EXPIRED]
    assert active(world) == []
    [silence] = world.services.store.ledger().irm_silences
    assert (silence.state, silence.is_open) == (IrmSilenceState.ENDED, False)


def test_one_for_ever_lasts_as_long_as_allowed_and_is_renewed_under_the_same_id(world: Bench) -> None:
    allow(world, "*@example.org", max_silence=timedelta(hours=2))
    disk = world.fire("Disk")
    silence_in_irm(world, disk, seconds=0)
    world.run()
    [first] = active(world)
    assert abs(first.ends_at - (world.time.clock.now() + timedelta(hours=2))) < timedelta(seconds=5)
    world.pass_time(1800)
    assert world.run().actions == ()
    world.pass_time(1830)
    run = world.run()
    assert outcomes(run) == [Outcome.EXTENDED]
    [renewed] = active(world)
    assert renewed.id == first.id
    assert renewed.ends_at - first.ends_at > timedelta(minutes=55)


def test_silencing_anew_moves_the_end_of_the_same_silence(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk, seconds=3600)
    world.run()
    [first] = active(world)
    world.pass_time(60)
    silence_in_irm(world, disk, seconds=600)
    assert outcomes(world.run()) == [Outcome.EXTENDED]
    [second] = active(world)
    assert second.id == first.id
    assert second.ends_at < first.ends_at


def test_a_stranger_is_ignored_with_one_note(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk, by="eve")
    assert kinds(world.run()) == [(ActionKind.NOTE, Outcome.NOTED)]
    told(world, disk, "silence", world.eve, 3601)  # type: ignore[attr-defined]
    assert world.run().actions == ()
    assert active(world) == []
    assert disk.state == "silenced"
    assert [EVE in note.text for note in disk.notes] == [True]


def test_a_stranger_is_unsilenced_where_that_is_wanted(world: Bench) -> None:
    allow(world, ANN, strangers="unsilence")
    disk = world.fire("Disk")
    silence_in_irm(world, disk, by="eve")
    assert kinds(world.run()) == [(ActionKind.UNSILENCE, Outcome.UNSILENCED)]
    assert (disk.state, active(world)) == ("firing", [])
    assert "Un-silenced by alertsync: eve@" in disk.notes[-1].text
    assert world.services.store.waiting_events() == ()


def test_an_empty_list_lets_nobody(world: Bench) -> None:
    allow(world)
    disk = world.fire("Disk")
    silence_in_irm(world, disk)
    world.run()
    assert active(world) == []


def test_a_new_member_is_silenced_and_a_stranger_that_comes_into_reach_is_set_free(world: Bench) -> None:
    disk = world.fire("Disk", "a", "b")
    silence_in_irm(world, disk)
    world.run()
    world.alertmanager.fire({"alertname": "Disk", "instance": "c"})
    assert world.run().actions == (), "it is caught already"
    assert len(active(world)) == 1


def test_what_a_person_ended_in_alertmanager_stays_ended(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk)
    world.run()
    [silence] = active(world)
    world.alertmanager.expire(silence.id)
    for _ in range(2):
        assert world.run().actions == ()
    assert active(world) == []
    [known] = world.services.store.ledger().irm_silences
    assert known.state is IrmSilenceState.REFUSED
    assert "a person's word" in known.why
    world.pass_time(5)
    silence_in_irm(world, disk)
    world.run()
    assert len(active(world)) == 1, "silenced anew, it is followed anew"


def test_a_lost_ledger_is_made_anew_from_our_markers(world: Bench, tmp_path: Path) -> None:
    disk, cpu = world.fire("Disk"), world.fire("Cpu")
    silence_in_irm(world, disk)
    silence_in_irm(world, cpu)
    by_a_person = world.silence("Disk")
    world.run()
    for path in (tmp_path / "state").glob("alertsync.db*"):
        path.unlink()
    world.restart()
    world.irm.unsilence(cpu.id, by=None)
    run = world.run()
    assert (ActionKind.EXPIRE_SILENCE, Outcome.EXPIRED) in kinds(run)
    left = {one.id: one.matchers[0].value for one in active(world)}
    assert sorted(left.values()) == ["Disk", "Disk"]
    assert by_a_person in left
    [still] = [one for one in world.services.store.ledger().irm_silences if one.is_open]
    assert (still.alert_group_id, still.user_email) == (disk.id, ANN)


def test_our_own_leases_are_never_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        allow(world, "*@irm.example")
        disk = world.fire("Disk")
        world.silence("Disk")
        assert outcomes(world.run()) == [Outcome.SILENCED]
        told(world, disk, "silence", world.irm.users()[0], 900)
        stranger = world.irm.add_user("token-of-bob", email="bob@irm.example")
        told(world, disk, "silence", stranger, 900)
        world.run()
        assert len(active(world)) == 1
        events = world.services.store.events(limit=9).items
        assert {one.outcome for one in events} == {EventOutcome.OURS}


def test_what_we_kept_quiet_and_has_ended_is_closed_as_alertmanager_cannot(world: Bench) -> None:
    world.fire("Other")
    world.pass_time(1000)
    disk = world.fire("Disk")
    world.run()
    silence_in_irm(world, disk, seconds=0)
    world.run()
    world.alertmanager.end({"alertname": "Disk", "instance": "a"})
    world.pass_time(30)
    for _ in range(4):
        world.run()
        world.pass_time(600)
    assert disk.state == "resolved"
    world.run()
    assert active(world) == []


def test_a_dry_run_acts_on_nothing_and_says_what_it_would(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk)
    run = world.run(dry_run=True)
    assert (run.actions, active(world)) == ((), [])
    assert [one.kind for one in run.silence_changes] == [ActionKind.CREATE_SILENCE]
    assert len(world.services.store.waiting_events()) == 1
    assert outcomes(world.run()) == [Outcome.CREATED]


def test_an_alertmanager_that_cannot_be_reached_halts_nothing_else(world: Bench) -> None:
    disk, net = world.fire("Disk"), world.fire("Net")
    silence_in_irm(world, disk)
    world.silence("Net")

    def refuse() -> None:
        raise ConnectionError

    world.at_alertmanager.before("/silences", refuse, method="POST", times=-1)
    run = world.run()
    assert {(ActionKind.CREATE_SILENCE, Outcome.FAILED), (ActionKind.RESOLVE, Outcome.RESOLVED)} == set(
        kinds(run)
    )
    assert net.state == "resolved"
    world.at_alertmanager.events.clear()
    assert outcomes(world.run()) == [Outcome.CREATED]


def test_a_lost_answer_makes_no_second_silence(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk)

    def lose() -> None:
        raise ConnectionError

    world.at_alertmanager.after("/silences", lose, method="POST")
    assert outcomes(world.run()) == [Outcome.FAILED]
    assert world.run().actions == ()
    assert len(active(world)) == 1
    world.irm.unsilence(disk.id)
    assert outcomes(world.run()) == [Outcome.EXPIRED]


def test_a_silence_that_ended_in_irm_a_moment_ago_is_not_made(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk)
    world.at_alertmanager.after("/status", lambda: world.irm.unsilence(disk.id))
    assert outcomes(world.run()) == [Outcome.CANCELLED]
    assert active(world) == []


# --- by hand


def by_hand(world: Bench, group: Group, minutes: float = 30) -> HandResult:
    return world.reconciler.silence(group.id, timedelta(minutes=minutes), "we know", "bob")


def test_a_silence_by_hand_is_a_plain_one_and_what_follows_is_decided_as_ever(world: Bench) -> None:
    disk = world.fire("Disk", "a", "b")
    world.fire("Cpu")
    made = by_hand(world, disk)
    assert (made.answer, made.why[:12]) == (HandAnswer.MADE, "1 silence(s)")
    [silence] = active(world)
    assert (silence.created_by, silence.comment[:7]) == ("bob", "we know")
    assert "by bob, with alertsync" in disk.notes[-1].text
    [done] = world.services.store.actions(limit=9).items
    assert (done.kind, done.outcome) == (ActionKind.CREATE_SILENCE, Outcome.CREATED)
    assert world.services.store.standing().counters.actions == {"create_silence/created": 1}
    assert outcomes(world.run()) == [Outcome.RESOLVED], "as any silence of a person"
    [known] = world.services.store.ledger().hand_silences
    ended = world.reconciler.end_silence(known.id, "bob")
    assert (ended.answer, active(world)) == (HandAnswer.ENDED, [])
    world.run()
    assert world.services.store.ledger().hand_silences[0].ended_by == "bob"
    assert world.group("Disk").state == "firing", "and the page comes back"


def test_by_hand_what_cannot_be_silenced_alone_is_refused_and_nothing_is_made(world: Bench) -> None:
    disk = world.fire("Disk", "a")
    world.alertmanager.fire({"alertname": "Disk", "instance": "a", "job": "more"})
    cpu = world.fire("Cpu")
    world.irm.resolve(cpu.id)
    assert by_hand(world, world.group("Disk")).answer is HandAnswer.MADE
    assert by_hand(world, cpu).answer is HandAnswer.REFUSED
    missing = world.reconciler.silence("INONE", timedelta(minutes=5), "x", "bob")
    assert missing.answer is HandAnswer.NOT_FOUND
    assert world.reconciler.end_silence("none", "bob").answer is HandAnswer.NOT_FOUND
    assert disk.state == "firing"


def test_a_silence_by_hand_is_known_again_when_the_ledger_is_lost(world: Bench, tmp_path: Path) -> None:
    disk = world.fire("Disk")
    by_hand(world, disk)
    for path in (tmp_path / "state").glob("alertsync.db*"):
        path.unlink()
    world.restart(ON_SILENCED="report")
    world.run()
    [known] = world.services.store.ledger().hand_silences
    assert (known.author, known.comment, known.alert_group_id) == ("bob", "we know", disk.id)
    assert world.reconciler.end_silence(active(world)[0].id, "eve").answer is HandAnswer.ENDED


def test_one_that_a_person_ends_in_alertmanager_is_over_here_too(world: Bench) -> None:
    world.restart(ON_SILENCED="report")
    disk = world.fire("Disk")
    by_hand(world, disk)
    world.alertmanager.expire(active(world)[0].id)
    world.run()
    [known] = world.services.store.ledger().hand_silences
    assert (known.is_open, known.ended_by) == (False, "somebody, in Alertmanager")


def test_what_follows_irm_can_be_ended_by_hand_and_stays_ended(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk)
    world.run()
    ended = world.reconciler.end_silence(active(world)[0].id, "bob")
    assert (ended.answer, active(world)) == (HandAnswer.ENDED, [])
    world.run()
    assert active(world) == []


def test_an_event_counts_only_for_the_silence_that_it_began(world: Bench) -> None:
    disk = world.fire("Disk")
    silence_in_irm(world, disk, seconds=3600)
    world.pass_time(20)
    world.irm.silence(disk.id, by=world.eve, delay=60)  # type: ignore[attr-defined]  # its webhook is lost
    assert world.run().actions == ()
    assert active(world) == []
    assert world.services.store.events(limit=1).items[0].outcome is EventOutcome.NOTHING


def test_an_event_that_is_early_waits_for_irm_to_show_it_and_not_for_ever(world: Bench) -> None:
    disk = world.fire("Disk")
    early = WebhookEvent(
        "e1", world.time.clock.now(), "silence", disk.id, at=world.time.clock.now(), user_email=ANN
    )
    world.services.store.receive(early)
    run = world.run()
    assert world.services.store.waiting_events() == (early,)
    assert run.wake_at is not None, "it is looked for soon"
    world.pass_time(40)
    assert world.run().wake_at is None
    assert world.services.store.waiting_events() == ()
    assert active(world) == []
