"""Workers that die, stop, reload and come back: what was begun is found out, and nothing is done twice.

Each test kills a real process at the moment that hurts most. When that is, the simulated IRM says: it can do what
it was asked and keep its answer back.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from alertsync.simulator.wire import Fault
from tests.e2e.processes import (
    LEADS,
    PATIENCE,
    Rising,
    answers_of,
    assert_counters_tell_the_history,
    assert_no_overlap,
    held,
    kill,
    runs_begun,
    service_of,
    until_leader,
    until_workers,
)
from tests.e2e.worlds import World, expect, simulated_world
from tests.service import Service, run_records

OF_TWO = {"WEB_CONCURRENCY": "2", "RECONCILE_INTERVAL": "0.5", "WATCH_INTERVAL": "0"}
HTTP_REQUESTS = "flask_http_request_duration_seconds_count"

pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


def debts(service: Service) -> list[Any]:
    """Give all debts, as the service tells them."""
    items: list[Any] = service.get("/api/v1/debts?state=all").json()["items"]
    return items


def quiet(service: Service) -> None:
    """Wait for a moment at which no run goes on: the records of all runs but those of the dead have an end."""
    service.observe_runs(1, within=PATIENCE)
    expect(
        "no run goes on",
        lambda: service.get("/api/v1/runs?limit=1").json()["items"][0]["status"] != "running",
        within=PATIENCE,
    )


# --- Killed between the act and its record ----------------------------------------------------------------


def test_a_resolve_whose_process_is_killed_before_its_answer_is_found_out_and_owed(
    tmp_path: Path, world: World
) -> None:
    group = world.fire("DiskFull")
    quiet_until = world.silence("DiskFull")
    with service_of(tmp_path, world, **OF_TWO) as service:
        with held(world.irm.server, "POST", "/resolve/") as hold:
            assert hold.done.wait(PATIENCE)
            assert group.state == "resolved"
            killed = kill(until_leader(service))
            until_leader(service, other_than=killed)
            service.wait_for("run ended", within=PATIENCE, status="success")
        # The one that follows looks, and sees that it was us.
        (debt,) = debts(service)
        assert debt["open"] is True
        assert debt["alert_group_id"] == group.id
        assert debt["resolved_at"] is not None
        assert service.metric("alertsync_debts", state="owed") == 1
        service.observe_runs(2, within=PATIENCE)
        assert world.irm.resolves == [group.id]
        assert len(group.notes) == 1
        assert len(world.irm.model.pages) == 1

        world.alertmanager.expire(quiet_until)
        expect("the page comes back", lambda: world.irm.group("DiskFull") is not group, within=PATIENCE)
        expect("it is paid", lambda: not debts(service)[0]["open"], within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert len(world.irm.model.pages) == 2
        assert world.irm.state("DiskFull") == "firing"
        assert world.irm.resolves == [group.id]
    # The run that died has a beginning and no end, and is not counted.
    records = run_records(service.state_dir)
    assert [one["status"] for one in records].count("running") == 1
    assert records[0]["status"] == "running"
    with service_of(tmp_path, world) as service:
        assert_counters_tell_the_history(service)


def test_all_resolves_that_were_under_way_when_their_process_was_killed_are_found_out_and_owed(
    tmp_path: Path, world: World
) -> None:
    names = [f"DiskFull{number}" for number in range(7)]
    groups = [world.fire(name) for name in names]
    silences = [world.silence(name) for name in names]
    with service_of(tmp_path, world, **OF_TWO) as service:
        with held(world.irm.server, "POST", "/resolve/", times=4, after=1):
            # One alone, and then four of which none has an answer.
            expect("five are resolved", lambda: len(world.irm.resolves) == 5, within=PATIENCE)
            assert sum(group.state == "resolved" for group in groups) == 5
            killed = kill(until_leader(service))
            until_leader(service, other_than=killed)
            for name in names:
                world.irm.until_resolved(name, within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert sorted(world.irm.resolves) == sorted(group.id for group in groups)
        assert [len(group.notes) for group in groups] == [1] * len(groups)
        assert len(world.irm.model.pages) == len(groups)
        assert {one["alert_group_id"] for one in debts(service)} == {group.id for group in groups}
        assert all(one["open"] and one["resolved_at"] for one in debts(service))
        for silence in silences:
            world.alertmanager.expire(silence)
        expect(
            "all are paged again",
            lambda: all(world.irm.group(name) is not one for name, one in zip(names, groups, strict=True)),
            within=PATIENCE,
        )
        expect("all is paid", lambda: not any(one["open"] for one in debts(service)), within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert len(world.irm.model.pages) == 2 * len(groups)


def test_a_page_whose_process_is_killed_before_its_answer_is_not_sent_twice(
    tmp_path: Path, world: World
) -> None:
    group = world.fire("DiskFull")
    quiet_until = world.silence("DiskFull")
    with service_of(tmp_path, world, **OF_TWO) as service:
        world.irm.until_resolved("DiskFull", within=PATIENCE)
        service.observe_runs(1, within=PATIENCE)
        with held(world.irm.server, "POST", world.irm.integration.path) as hold:
            world.alertmanager.expire(quiet_until)
            assert hold.done.wait(PATIENCE)
            assert world.irm.group("DiskFull") is not group
            killed = kill(until_leader(service))
            until_leader(service, other_than=killed)
        expect("it is paid", lambda: not debts(service)[0]["open"], within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert len(world.irm.model.pages) == 2
        assert len(world.irm.group("DiskFull").deliveries) == 1
        assert world.irm.state("DiskFull") == "firing"


def test_a_note_whose_process_is_killed_before_the_resolve_leads_to_one_resolve(
    tmp_path: Path, world: World
) -> None:
    group = world.fire("DiskFull")
    world.silence("DiskFull")
    with service_of(tmp_path, world, **OF_TWO) as service:
        with held(world.irm.server, "POST", "/resolution_notes/") as hold:
            assert hold.done.wait(PATIENCE)
            kill(until_leader(service))
            world.irm.until_resolved("DiskFull", within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert world.irm.resolves == [group.id]
        (debt,) = debts(service)
        assert debt["open"] is True
        assert service.metric("alertmanager_inconsistencies_resolved_total") == 1


# --- Reloads, recycling, crashes --------------------------------------------------------------------------


def test_a_reload_in_the_middle_of_an_action_lets_it_end_and_the_new_workers_do_the_rest(
    tmp_path: Path, world: World
) -> None:
    names = ("A1", "A2", "A3")
    groups = [world.fire(name) for name in names]
    for name in names:
        world.silence(name)
    world.irm.server.inject(Fault("delay", method="POST", path="/resolve/", seconds=2))
    with service_of(tmp_path, world, **OF_TWO) as service:
        expect("the first resolve is under way", lambda: world.irm.resolves, within=PATIENCE)
        old = service.workers()
        service.signal(signal.SIGHUP)
        for name in names:
            world.irm.until_resolved(name, within=PATIENCE)
        until_workers(service, 2, without=old)
        until_leader(service)
        service.observe_runs(2, within=PATIENCE)
        assert sorted(world.irm.resolves) == sorted(group.id for group in groups)
        assert [len(group.notes) for group in groups] == [1, 1, 1]
        first, *others = run_records(service.state_dir)
        assert first["status"] == "partial"
        assert "alertsync is stopping" in first["message"]
        assert {one["status"] for one in others} <= {"success", "running", "interrupted"}
        assert_no_overlap(service.state_dir)
        assert service.metric("alertmanager_inconsistencies_resolved_total") == 3


def test_workers_that_are_recycled_after_some_requests_keep_the_loop_and_all_counts(
    tmp_path: Path, world: World
) -> None:
    recycled = {**OF_TWO, "GUNICORN_CMD_ARGS": "--max-requests 20"}
    with service_of(tmp_path, world, **recycled) as service:
        service.observe_runs(1, within=PATIENCE)
        rising, answered, attempts = Rising(), 0, 0
        seen = set(service.workers())

        def enough() -> bool:
            nonlocal answered, attempts
            attempts += 1
            try:
                answered += service.get("/healthz").status_code == 200
                rising.look(service.metrics())
            except requests.ConnectionError:
                # A worker that stops ends the connections that nobody answers any more.
                return False
            seen.update(service.workers())
            return len(seen) >= 8 and len(service.runs()) >= 4

        expect("workers were recycled while the loop went on", enough, within=2 * PATIENCE)
        assert answered >= attempts - len(seen)
        until_workers(service, 2)
        until_leader(service)
        assert service.metric("alertsync_leader") == 1
        service.observe_runs(2, within=PATIENCE)
        assert_no_overlap(service.state_dir)
        counted = service.metric(HTTP_REQUESTS, url_rule="/healthz", status="200")
        assert counted is not None
        assert answered < counted <= attempts + 1
        # Who led and was recycled handed over: nobody was killed for it.
        assert not service.events(level="error")


def crashing(tmp_path: Path, world: World, *crashes: str, **settings: str) -> Service:
    """Give a service whose first workers crash at boot like this, after two seconds."""
    directory = tmp_path / "crashes"
    directory.mkdir()
    for number, name in enumerate(crashes):
        (directory / f"{number}-{name}").write_text("2")
    settings = {**OF_TWO, "CRASHES_AT_BOOT": str(directory), **settings}
    return Service(tmp_path, world.settings(**settings), app="tests.e2e.crashing:app")


def test_workers_that_are_killed_at_boot_never_lead_and_those_that_follow_do(
    tmp_path: Path, world: World
) -> None:
    with crashing(tmp_path, world, "killed", "killed", "killed") as service:

        def crashed() -> int:
            return sum("was sent SIGKILL" in one["event"] for one in service.events())

        expect("three workers crashed", lambda: crashed() == 3, within=PATIENCE)
        until_workers(service, 2)
        service.observe_runs(2, within=PATIENCE)
        assert crashed() == 3
        leaders = {one["pid"] for one in service.events(LEADS)}
        assert len(leaders) == 1
        assert leaders <= until_workers(service, 2)
        assert {one["pid"] for one in service.runs()} == leaders


def test_a_worker_that_raises_at_boot_never_leads_and_ends_the_service_loudly(
    tmp_path: Path, world: World
) -> None:
    service = crashing(tmp_path, world, "raises", WEB_CONCURRENCY="1")
    service.spawn()
    try:
        assert service.wait_for_exit(PATIENCE) != 0
    finally:
        service.stop()
    assert "this worker crashes at boot" in service.log
    assert LEADS not in service.log
    assert runs_begun(world) == []


# --- Stopped --------------------------------------------------------------------------------------------------


def test_a_leader_that_is_stopped_is_told_by_the_others_and_has_no_successor_while_it_lives(
    tmp_path: Path, world: World
) -> None:
    settings = {**OF_TWO, "RUN_TIMEOUT": "1", "RECONCILE_WAIT": "0"}
    with service_of(tmp_path, world, **settings) as service:
        service.observe_runs(1, within=PATIENCE)
        until_workers(service, 2)
        leader = until_leader(service)
        # Not in the middle of what others wait for.
        service.observe_runs(1, within=PATIENCE)
        kill(leader, signal.SIGSTOP)
        try:
            expect(
                "the other worker says that the loop is stuck",
                lambda: service.get("/healthz").status_code == 503,
                within=PATIENCE,
            )
            stuck = service.get("/healthz")
            assert stuck.headers["Content-Type"] == "application/problem+json"
            problem = stuck.json()
            assert problem["title"] == "The loop is stuck"
            assert f"process {leader} has not moved" in problem["detail"]
            assert "restart" in problem["hint"]
            begun = len(runs_begun(world))
            standing_by = time.monotonic() + 3
            while time.monotonic() < standing_by:
                assert service.get("/healthz").status_code == 503
                assert service.leader() == leader
                time.sleep(0.1)  # who stands by asks for the lock each second
            assert len(service.events(LEADS)) == 1
            assert len(runs_begun(world)) == begun
            # It still leads: nobody else may.
            assert service.metric("alertsync_leader") == 1
            assert service.get("/readyz").status_code == 200
        finally:
            kill(leader, signal.SIGCONT)
        expect("it lives again", lambda: service.get("/healthz").status_code == 200, within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert until_leader(service) == leader
        assert len(service.events(LEADS)) == 1
        assert {one.status_code for one in answers_of(service, "/healthz", service.workers()).values()} == {
            200
        }


def test_a_single_worker_that_is_stopped_is_replaced_and_the_loop_goes_on(
    tmp_path: Path, world: World
) -> None:
    group = world.fire("DiskFull")
    settings = {**OF_TWO, "WEB_CONCURRENCY": "1", "GUNICORN_CMD_ARGS": "--timeout 3"}
    with service_of(tmp_path, world, **settings) as service:
        service.observe_runs(1, within=PATIENCE)
        stopped = kill(until_leader(service), signal.SIGSTOP)
        try:
            world.silence("DiskFull")
            world.irm.until_resolved("DiskFull", within=PATIENCE)
        finally:
            if stopped in service.workers():
                kill(stopped, signal.SIGCONT)
        assert until_leader(service) != stopped
        assert world.irm.resolves == [group.id]
        assert service.get("/healthz").status_code == 200
        assert stopped not in service.workers()
