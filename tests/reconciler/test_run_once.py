"""A run from end to end: what is read, decided, done, noted and remembered."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, TypeVar

import pytest
import requests

from alertsync.errors import Reason, RunBusyError, UpstreamError
from alertsync.locks import held
from alertsync.models import DecisionKind, Held, Outcome, Run, RunStatus
from alertsync.simulator.wire import Fault
from alertsync.web import create_app
from tests.reconciler.bench import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from alertsync.clock import Deadline
    from alertsync.models import AlertmanagerSnapshot

T = TypeVar("T")


def kinds(run: Run) -> dict[str, DecisionKind]:
    return {decision.alert_group.title: decision.kind for decision in run.decisions}


def test_a_silenced_alert_group_is_resolved_once_with_a_note_and_then_there_is_peace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk, cpu = world.fire("Disk", "a", "b", "c"), world.fire("Cpu")
        assert world.run().inconsistencies_found == 0
        world.silence("Disk")
        run = world.run()
        assert (run.status, run.inconsistencies_found, run.inconsistencies_resolved) == (
            RunStatus.SUCCESS,
            1,
            1,
        )
        assert (disk.state, cpu.state) == ("resolved", "firing")
        assert world.resolves() == [disk.id]
        [note] = disk.notes
        assert "all 3 alerts silenced by ana@example.org until" in note.text
        assert "«db migration»" in note.text
        assert run.run_id in note.text
        assert world.run().inconsistencies_found == 0
        assert world.resolves() == [disk.id]


def test_deliveries_are_read_only_where_they_could_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk", "a")
        world.fire("Disk", "b")
        world.fire("Cpu", "a")
        world.fire("Cpu", "b")
        assert world.group("Disk").deliveries[1:]
        world.silence("Disk")
        world.irm_server.clear()
        assert world.run().inconsistencies_resolved == 1
        asked = [one.query for one in world.irm_server.received if one.path == "/api/v1/alerts/"]
        assert len(asked) == 1
        assert world.group("Disk").id in asked[0]


def test_an_alert_that_fires_between_the_readings_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The deliveries are read after Alertmanager, so Alertmanager must be read again after them."""
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk", "a")
        world.fire("Disk", "b")
        silenced = world.group("Disk")
        world.silence("Disk", instance="a")
        world.silence("Disk", instance="b")
        plain = world.reconciler.irm.deliveries

        def then_another_fires(*args: object, **kwargs: object) -> object:
            world.alertmanager.fire({"alertname": "Disk", "instance": "c"})
            world.pass_time(6)
            return plain(*args, **kwargs)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(world.reconciler.irm, "deliveries", then_another_fires)
        run = world.run()
        assert kinds(run) == {"Disk": DecisionKind.PARTIALLY_SILENCED}
        assert silenced.state == "firing"


def test_a_reading_that_has_grown_old_is_confirmed_before_it_is_acted_upon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        first, second, third = world.fire("Disk"), world.fire("Cpu"), world.fire("Net")
        silences = {name: world.silence(name) for name in ("Disk", "Cpu", "Net")}
        plain = world.reconciler.irm.resolve

        def slowly(*args: object) -> datetime:
            at = plain(*args)  # type: ignore[arg-type]  # passed on as it came
            world.time.sleep(11)
            if world.resolves() == [first.id]:
                world.alertmanager.expire(silences["Cpu"])
            return at

        monkeypatch.setattr(world.reconciler.irm, "resolve", slowly)
        run = world.run()
        outcomes = {action.alert_group_id: action for action in run.actions}
        assert outcomes[first.id].outcome is Outcome.RESOLVED
        assert outcomes[second.id].outcome is Outcome.CANCELLED
        assert "CONSISTENT" in outcomes[second.id].detail
        assert outcomes[third.id].outcome is Outcome.RESOLVED
        assert (first.state, second.state, third.state) == ("resolved", "firing", "resolved")
        assert run.status is RunStatus.SUCCESS


def test_an_alert_group_that_irm_changed_in_the_meantime_is_left_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="0") as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        plain = world.peer.proven_snapshot

        def then_somebody_acts(*args: object, **options: object) -> object:
            snapshot = plain(*args, **options)  # type: ignore[arg-type]  # passed on as it came
            world.irm.acknowledge(disk.id)
            world.time.sleep(1)
            return snapshot

        monkeypatch.setattr(world.peer, "proven_snapshot", then_somebody_acts)
        [action] = world.run().actions
        assert action.outcome is Outcome.CANCELLED
        assert disk.state == "acknowledged"


def test_no_more_than_the_brake_allows_and_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, MAX_ACTIONS_PER_RUN="2") as world:
        groups = [world.fire(name) for name in ("Disk", "Cpu", "Net")]
        for name in ("Net", "Cpu", "Disk"):
            world.silence(name)
        run = world.run()
        assert run.inconsistencies_found == 3
        assert world.resolves() == [groups[0].id, groups[1].id]
        assert [one.alert_group.title for one in run.decisions if one.held is Held.MAX_ACTIONS] == ["Net"]
        assert "1 waiting for the next run (MAX_ACTIONS_PER_RUN)" in run.message
        assert world.run().inconsistencies_resolved == 1
        assert groups[2].state == "resolved"


def test_an_attached_alert_group_is_tried_once_and_then_remembered_for_an_hour(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        root, child = world.fire("Root"), world.fire("Disk")
        world.irm.attach(child.id, root.id)
        world.silence("Disk")
        [action] = world.run().actions
        assert (action.outcome, action.alert_group_id) == (Outcome.ATTACHED, child.id)
        assert kinds(world.run())["Disk"] is DecisionKind.ATTACHED
        assert world.resolves() == [child.id]
        world.time.sleep(3700)
        world.silence("Disk")
        world.run()
        assert world.resolves() == [child.id, child.id]


def test_a_dry_run_shows_the_plan_and_changes_nothing_that_is_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.run()
        world.silence("Disk")
        before = (world.services.store.metrics(), world.services.store.last_run())
        run = world.run(dry_run=True)
        assert (run.inconsistencies_found, run.inconsistencies_resolved, run.dry_run) == (1, 0, True)
        assert [one.held for one in run.decisions] == [Held.DRY_RUN]
        assert disk.state == "firing"
        assert (world.services.store.metrics(), world.services.store.last_run()) == before
        assert world.services.store.run(run.run_id) == run


def test_somebody_was_faster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk")
        world.silence("Cpu")
        plain = world.peer.proven_snapshot

        def then_somebody_acts(*args: object, **options: object) -> object:
            snapshot = plain(*args, **options)  # type: ignore[arg-type]  # passed on as it came
            world.irm.resolve(disk.id)
            world.irm.delete(cpu.id)
            return snapshot

        monkeypatch.setattr(world.peer, "proven_snapshot", then_somebody_acts)
        run = world.run()
        assert [action.outcome for action in run.actions] == [Outcome.ALREADY_RESOLVED, Outcome.DELETED]
        assert (run.status, run.inconsistencies_resolved, run.inconsistencies_failed) == (
            RunStatus.SUCCESS,
            1,
            0,
        )


def test_notes_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, RESOLUTION_NOTES="false") as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        [action] = world.run().actions
        assert (action.note, disk.notes) == ("off", [])


def test_a_stop_is_heard_between_two_actions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        first, second = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk")
        world.silence("Cpu")
        world.services.stop.attach(lambda: bool(world.resolves()))
        run = world.run()
        assert [action.outcome for action in run.actions] == [Outcome.RESOLVED, Outcome.NOT_ATTEMPTED]
        assert (first.state, second.state) == ("resolved", "firing")
        assert first.notes
        assert run.status is RunStatus.PARTIAL


def test_an_attempt_that_failed_before_a_stop_is_told_as_that_and_not_as_never_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk")
        world.silence("Disk")
        world.irm_server.inject(Fault("status", path="/resolve/", status=500, times=-1))
        soon = world.time.passed + 1
        world.services.stop.attach(lambda: world.time.passed > soon)
        [action] = world.run().actions
        assert action.outcome is Outcome.FAILED
        assert "HTTP 500" in action.detail
        assert len(world.resolves()) == 1


def test_what_was_true_before_the_rate_limit_made_us_wait_is_confirmed_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, IRM_RATE_LIMIT="6/minute") as world:
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk")
        world.silence("Cpu", minutes=2.5)
        run = world.run()
        assert [action.outcome for action in run.actions] == [Outcome.RESOLVED, Outcome.CANCELLED]
        assert "SILENCE_ENDING" in run.actions[1].detail
        assert run.duration_seconds > 50
        assert (disk.state, cpu.state) == ("resolved", "firing")
        assert world.resolves() == [disk.id]


def test_what_was_true_before_irm_asked_us_to_wait_is_confirmed_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk", minutes=1.5)
        world.silence("Cpu")
        world.irm_server.inject(Fault("throttle", path="/resolve/", retry_after=46))
        run = world.run()
        assert [action.outcome for action in run.actions] == [Outcome.CANCELLED, Outcome.RESOLVED]
        assert (disk.state, cpu.state) == ("firing", "resolved")


def test_a_resolve_that_took_effect_before_irm_timed_out_is_known_to_be_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="0") as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        world.irm_server.inject(Fault("lost_answer", path="/resolve/"))
        [action] = world.run().actions
        assert (action.outcome, action.note) == (Outcome.RESOLVED, "written")
        assert world.resolves() == [disk.id]


def test_a_stop_while_reading_ends_the_run_and_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk")
        world.services.stop.attach(lambda: True)
        assert world.run().status is RunStatus.INTERRUPTED
        assert world.services.store.standing().last is None


def test_two_runs_never_overlap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        lock = world.services.directory / "run.lock"
        with held(lock, world.time.clock, 0, lambda: False), pytest.raises(RunBusyError):
            world.reconciler.run_once("test", wait=5)
        assert world.irm_server.received == ()
        assert world.run().status is RunStatus.SUCCESS


def test_counters_outlive_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk")
        world.silence("Disk")
        world.run()
    with bench(monkeypatch, tmp_path) as world:
        world.run()
        counters = world.services.store.standing().counters
        assert (counters.runs, counters.resolved, sum(counters.durations)) == (2, 1, 2)


def test_a_bug_of_ours_fails_the_run_and_not_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("alertsync.observer.plan", broken)
        run = world.run()
        assert run.status is RunStatus.FAILED
        assert "unexpected error" in run.message
        assert "ZeroDivision" not in run.message
        assert world.services.store.standing().counters.failures == 1


def test_an_alert_group_that_we_stumble_over_does_not_hide_what_was_done_for_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        first, second = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk")
        world.silence("Cpu")
        plain = world.reconciler.irm.resolve

        def stumbling(group_id: str, *args: object) -> datetime:
            if group_id == first.id:
                raise ZeroDivisionError
            return plain(group_id, *args)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(world.reconciler.irm, "resolve", stumbling)
        run = world.run()
        assert [action.outcome for action in run.actions] == [Outcome.FAILED, Outcome.RESOLVED]
        assert (run.status, second.state) == (RunStatus.PARTIAL, "resolved")


def test_the_record_of_a_run_is_kept_small_and_keeps_what_matters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("alertsync.report._KEPT_DECISIONS", 2)
    with bench(monkeypatch, tmp_path) as world:
        for name in ("Disk", "Cpu", "Net"):
            world.fire(name)
        world.silence("Net")
        run = world.run()
        kept = world.services.store.run(run.run_id)
        assert kept is not None
        assert (len(run.decisions), len(kept.decisions), kept.decisions_omitted) == (3, 2, 1)
        assert kept.decisions[0].alert_group.title == "Net"
        assert world.services.store.last_run() == run


def test_without_its_locks_there_is_no_run_and_the_answer_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        shutil.rmtree(world.services.directory)
        world.services.directory.write_text("a file in its place")
        answer = create_app(world.services).test_client().post("/reconcile")
        assert answer.status_code == 500
        assert answer.mimetype == "application/problem+json"
        assert answer.get_json()["title"] == "STATE_DIR cannot be used"
        assert "run.lock cannot be opened" in answer.get_json()["detail"]
        assert world.irm_server.received == ()


def test_a_state_directory_that_somebody_removed_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        shutil.rmtree(world.services.directory)
        answer = create_app(world.services).test_client().post("/reconcile")
        assert (answer.status_code, answer.get_json()["status"]) == (200, "success")
        assert (world.services.directory / "run.lock").exists()


def test_a_clock_that_is_set_back_does_not_make_an_old_reading_young(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk")
        cpu = world.fire("Cpu")
        world.silence("Disk")
        silence = world.silence("Cpu")
        plain = world.reconciler.irm.resolve

        def slowly(*args: object) -> datetime:
            at = plain(*args)  # type: ignore[arg-type]  # passed on as it came
            world.time.sleep(20)
            world.time.set_back(3600)
            world.alertmanager.expire(silence)
            return at

        monkeypatch.setattr(world.reconciler.irm, "resolve", slowly)
        assert [action.outcome for action in world.run().actions] == [Outcome.RESOLVED, Outcome.CANCELLED]
        assert cpu.state == "firing"


def test_a_trigger_that_cannot_start_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        client = create_app(world.services).test_client()
        with monkeypatch.context() as patch:
            patch.setattr("threading.Thread.start", out_of_threads)
            assert client.post("/reconcile").status_code == 500
        assert client.post("/reconcile").status_code == 200


def out_of_threads(_: object) -> None:
    """Refuse, as the interpreter does when the system has no thread left."""
    raise RuntimeError("can't start new thread")


def test_an_alert_that_a_reload_hides_for_a_moment_is_not_taken_for_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk", "a", "b")
        world.pass_time(1000)
        world.silence("Disk", instance="a")
        whole = requests.get(f"{world.alertmanager_server.url}/api/v2/alerts/groups", timeout=5).json()
        whole[0]["alerts"] = [one for one in whole[0]["alerts"] if one["labels"]["instance"] == "a"]
        half = Fault("status", path="/alerts/groups", status=200, body=json.dumps(whole).encode(), times=3)
        world.alertmanager_server.inject(half)
        assert kinds(world.run()) == {"Disk": DecisionKind.PARTIALLY_SILENCED}
        assert disk.state == "firing"


def test_alertmanager_that_restarts_between_two_readings_proves_no_absence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk", "a", "b")
        world.pass_time(1000)
        world.silence("Disk", instance="a")
        http = world.peer._http
        plain = http.get

        def then_it_restarts(operation: str, *args: object) -> object:
            if operation == "read aggregation groups":
                world.alertmanager.restart()
                world.alertmanager.fire({"alertname": "Disk", "instance": "a"})
            return plain(operation, *args)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(http, "get", then_it_restarts)
        assert world.run().actions == ()
        assert disk.state == "firing"


def test_triggers_that_are_refused_do_not_push_out_the_records_of_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, RECONCILE_WAIT="0") as world:
        run = world.run()
        client = create_app(world.services).test_client()
        with held(world.services.directory / "run.lock", world.time.clock, 0, lambda: False):
            answers = {client.post("/reconcile").status_code for _ in range(60)}
        assert answers == {409}
        assert client.get(f"/api/v1/runs/{run.run_id}").status_code == 200
        assert [one.run_id for one in world.services.store.runs(limit=100).items] == [run.run_id]


def test_reading_deliveries_leaves_enough_of_the_rate_limit_to_act(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, IRM_RATE_LIMIT="10/minute") as world:
        names = [f"A{number}" for number in range(8)]
        for name in names:
            world.fire(name, "a")
            world.fire(name, "b")
            world.silence(name, minutes=600)
        first = world.run()
        assert (first.status, first.inconsistencies_found, first.inconsistencies_resolved) == (
            RunStatus.SUCCESS,
            8,
            5,
        )
        assert [one.held for one in first.decisions].count(Held.DELIVERIES) == 3
        assert world.run().inconsistencies_resolved == 3


def test_alerts_that_end_while_alertmanager_is_read_are_nothing_odd(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Churn", *(f"c{number}" for number in range(50)))
        disk = world.fire("Disk")
        world.silence("Disk")
        http = world.peer._http
        plain, left = http.get, [f"c{number}" for number in range(50)]

        def then_one_ends(operation: str, *args: object) -> object:
            answer = plain(operation, *args)  # type: ignore[arg-type]  # passed on as it came
            world.alertmanager.end({"alertname": "Churn", "instance": left.pop()})
            return answer

        monkeypatch.setattr(http, "get", then_one_ends)
        assert world.run().inconsistencies_resolved == 1
        assert disk.state == "resolved"


def test_a_reading_that_took_too_long_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="0") as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        for name in ("proven_snapshot", "place"):
            monkeypatch.setattr(world.peer, name, taking(world, 40, getattr(world.peer, name)))
        [action] = world.run().actions
        assert action.outcome is Outcome.CANCELLED
        assert "took too long" in action.detail
        assert disk.state == "firing"


def test_a_reading_that_failed_does_not_make_the_one_before_it_young(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="2") as world:
        groups = [world.fire(name) for name in ("Disk", "Cpu")]
        silences = [world.silence(name) for name in ("Disk", "Cpu")]
        plain, calls = world.peer.proven_snapshot, 0

        def fails_once(deadline: Deadline, *, detailed: bool) -> AlertmanagerSnapshot:
            nonlocal calls
            calls += 1
            if calls == 2:
                world.alertmanager.expire(silences[0])
                raise UpstreamError(
                    Reason.SERVER_ERROR, "it answered 500", upstream="alertmanager", operation="read alerts"
                )
            return plain(deadline, detailed=detailed)

        monkeypatch.setattr(world.peer, "proven_snapshot", fails_once)
        waits = iter([5] + [0] * 20)
        monkeypatch.setattr(
            world.reconciler.irm, "wait_for_turn", lambda *_, **_options: world.time.sleep(next(waits))
        )
        run = world.run()
        # The action is tried again: not on what was read before.
        assert [action.outcome for action in run.actions] == [Outcome.CANCELLED, Outcome.RESOLVED]
        assert [group.state for group in groups] == ["firing", "resolved"]


def taking(world: Bench, seconds: float, read: Callable[..., T]) -> Callable[..., T]:
    """Let a reading take so long."""

    def slowly(*args: object, **options: object) -> T:
        found = read(*args, **options)
        world.time.sleep(seconds)
        return found

    return slowly


def test_where_all_of_alertmanager_takes_long_to_read_only_the_place_is_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="2") as world:
        groups = [world.fire(name, "a", "b") for name in ("Disk", "Cpu", "Net")]
        silences = [world.silence(name) for name in ("Disk", "Cpu", "Net")]
        monkeypatch.setattr(world.peer, "proven_snapshot", taking(world, 5, world.peer.proven_snapshot))
        plain = world.reconciler.irm.resolve

        def then_a_silence_ends(*args: object) -> datetime:
            at = plain(*args)  # type: ignore[arg-type]  # passed on as it came
            if world.resolves() == [groups[0].id]:
                world.alertmanager.expire(silences[1])
            return at

        monkeypatch.setattr(world.reconciler.irm, "resolve", then_a_silence_ends)
        world.alertmanager_server.clear()
        run = world.run()
        # What changed since is noticed all the same.
        assert [group.state for group in groups] == ["resolved", "firing", "resolved"]
        assert [action.outcome for action in run.actions] == [
            Outcome.RESOLVED,
            Outcome.CANCELLED,
            Outcome.RESOLVED,
        ]
        asked = [one for one in world.alertmanager_server.received if one.path.endswith("/alerts/groups")]
        # Everything for the two plans; then each place before its note, which is quick.
        assert [bool(one.query) for one in asked] == [False, False] + [True] * 3
        assert all("receiver=" in one.query and "filter=" in one.query for one in asked[2:])


@pytest.mark.parametrize("seconds", [0.5, 3], ids="a note that takes {} s".format)
def test_what_was_confirmed_before_the_note_is_confirmed_again_if_that_is_old(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="2") as world:
        disk = world.fire("Disk", "a", "b")
        silence = world.silence("Disk")
        monkeypatch.setattr(world.peer, "proven_snapshot", taking(world, 5, world.peer.proven_snapshot))
        slowly = taking(world, seconds, world.reconciler.irm.add_note)
        world.alertmanager_server.clear()

        def then_the_silence_ends(*args: object) -> object:
            noted = slowly(*args)
            if len(disk.notes) == 1:
                world.alertmanager.expire(silence)
            return noted

        monkeypatch.setattr(world.reconciler.irm, "add_note", then_the_silence_ends)
        [action] = world.run().actions
        asked = [one for one in world.alertmanager_server.received if one.path.endswith("/alerts/groups")]
        grows_old = seconds > 2
        assert [bool(one.query) for one in asked] == [False, False] + [True] * (1 + grows_old)
        assert action.outcome is (Outcome.CANCELLED if grows_old else Outcome.RESOLVED)


def test_many_places_cost_no_more_than_twice_what_reading_all_of_alertmanager_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="10", MAX_ACTIONS_PER_RUN="100") as world:
        groups = [world.fire(f"A{number}", "a", "b") for number in range(20)]
        for number in range(20):
            world.silence(f"A{number}")
        for name, seconds in (("proven_snapshot", 5), ("place", 2)):
            monkeypatch.setattr(world.peer, name, taking(world, seconds, getattr(world.peer, name)))
        irm = world.reconciler.irm
        monkeypatch.setattr(irm, "resolve", taking(world, 1, irm.resolve))
        world.alertmanager_server.clear()
        world.run()
        assert {group.state for group in groups} == {"resolved"}
        asked = [one for one in world.alertmanager_server.received if one.path.endswith("/alerts/groups")]
        read = "".join("place " if one.query else "all " for one in asked)
        # All for the two plans. What has grown old is looked at place by place until those took as long as all of it.
        assert read == "all all " + "place place place all " * 2


def test_what_is_not_found_at_its_place_is_looked_for_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, CONFIRM_AFTER="2") as world:
        disk = world.fire("Disk", "a", "b")
        world.silence("Disk")
        slowly = taking(world, 5, world.peer.proven_snapshot)
        read: list[int] = []

        def then_one_ends(*args: object, **options: object) -> object:
            found = slowly(*args, **options)
            read.append(1)
            if len(read) == 1:
                world.alertmanager.end({"alertname": "Disk", "instance": "b"})
            return found

        monkeypatch.setattr(world.peer, "proven_snapshot", then_one_ends)
        [action] = world.run().actions
        assert len(read) == 2
        # An alert that is missing may have ended, and that is not proven.
        assert (action.outcome, disk.state) == (Outcome.CANCELLED, "firing")
        assert "MEMBERS_UNPROVEN" in action.detail
