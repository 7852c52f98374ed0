"""The process as gunicorn runs it: forks, signals, locks, and what it says while all that happens.

These are the facts that no in-process test can show: that of three workers one leads and another takes over when
it dies however it dies, that a stop ends between two actions, and that no line of the log holds a token.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from alertsync.simulator.wire import Fault
from tests.e2e.processes import LEADS, assert_no_overlap, runs_begun, service_of
from tests.e2e.worlds import TOKEN, World, expect, simulated_world
from tests.service import Service, command, files_below, run_records

TAKES_OVER_WITHIN = 5
GRACE_SECONDS = 30


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


class InBackground:
    """A request in a thread of its own, and how long its answer took."""

    def __init__(self, service: Service, query: str = "") -> None:
        self.answer: requests.Response | None = None
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._ask, args=(service, query))
        self._thread.start()

    def _ask(self, service: Service, query: str) -> None:
        began = time.monotonic()
        self.answer = service.post_reconcile(query)
        self.seconds = time.monotonic() - began

    def end(self) -> requests.Response:
        """Wait for the answer."""
        self._thread.join()
        assert self.answer is not None
        return self.answer


# --- One leader -------------------------------------------------------------------------------------------


def test_of_three_workers_exactly_one_runs_the_loop(tmp_path: Path, world: World) -> None:
    with service_of(tmp_path, world, WEB_CONCURRENCY="3", RECONCILE_INTERVAL="1") as service:
        expect("three workers live", lambda: len(service.workers()) == 3)
        service.observe_runs(4)
        assert len(service.events(LEADS)) == 1
        assert service.leader() in service.workers()
        # Three loops would ask three times as often.
        gaps = [later - earlier for earlier, later in pairwise(runs_begun(world))]
        # The first run makes the database before it asks, so that the second follows it sooner.
        assert min(gaps[1:]) > 0.7, gaps
        # And any worker tells of what the one found.
        answers = {service.metric("alertmanager_last_reconciliation_success") for _ in range(9)}
        assert answers == {1}


def test_http_counters_never_go_backwards_whichever_worker_is_scraped(tmp_path: Path, world: World) -> None:
    # Prometheus takes a counter that falls for a restart, and rates become nonsense.
    with service_of(tmp_path, world, WEB_CONCURRENCY="3") as service:
        seen = []
        for _ in range(30):
            service.get("/healthz")
            name = "flask_http_request_duration_seconds_count"
            seen.append(service.metric(name, url_rule="/healthz", status="200") or 0)
        assert seen == sorted(seen)
        assert seen[-1] >= 30


def test_when_the_leader_is_killed_another_worker_leads_within_5_seconds(
    tmp_path: Path, world: World
) -> None:
    with service_of(tmp_path, world, WEB_CONCURRENCY="3", RECONCILE_INTERVAL="1") as service:
        service.observe_runs(1)
        first = service.leader()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        killed_at = time.monotonic()
        expect("another worker leads", lambda: len(service.events(LEADS)) == 2, within=TAKES_OVER_WITHIN)
        expect(
            "the new leader runs",
            lambda: any(at > killed_at for at in runs_begun(world)),
            within=max(TAKES_OVER_WITHIN - (time.monotonic() - killed_at), 0),
        )
        assert service.leader() not in (first, None)
        service.observe_runs(1)
        expect("gunicorn replaces the worker", lambda: len(service.workers()) == 3)


def test_a_leader_killed_in_the_middle_of_a_run_leaves_no_lock_behind(tmp_path: Path, world: World) -> None:
    world.fire("DiskFull")
    world.silence("DiskFull")
    world.irm.server.inject(Fault("delay", path="/alert_groups/", seconds=30))
    with service_of(
        tmp_path, world, WEB_CONCURRENCY="2", RECONCILE_INTERVAL="1", IRM_TIMEOUT="60"
    ) as service:
        expect("a run waits for IRM", lambda: world.irm.asked("GET", "/alert_groups/"))
        leader = service.leader()
        assert leader is not None
        os.kill(leader, signal.SIGKILL)
        world.irm.until_resolved("DiskFull", within=TAKES_OVER_WITHIN)


# --- Stopping and reloading -------------------------------------------------------------------------------


def test_sigterm_lets_the_current_action_end_and_begins_no_other(tmp_path: Path, world: World) -> None:
    groups = [world.fire(name) for name in ("A1", "A2", "A3")]
    for name in ("A1", "A2", "A3"):
        world.silence(name)
    world.irm.server.inject(Fault("delay", method="POST", path="/resolve/", seconds=2, times=-1))
    with service_of(tmp_path, world, RECONCILE_INTERVAL="60") as service:
        expect("the first resolve is under way", lambda: world.irm.resolves)
        service.signal(signal.SIGTERM)
        assert service.wait_for_exit(GRACE_SECONDS) == 0
        assert world.irm.resolves == [groups[0].id]
        assert [group.state for group in groups] == ["resolved", "firing", "firing"]
        assert len(groups[0].notes) == 1  # what was begun was ended, note included
        (record,) = run_records(service.state_dir)
        assert record["status"] == "partial"
        assert "alertsync is stopping" in record["message"]
        assert [action["outcome"] for action in record["actions"]] == ["resolved"] + ["not_attempted"] * 2
        (run,) = service.runs()
        assert (run["status"], run["inconsistencies_resolved"]) == ("partial", 1)
        assert "alertsync is stopping" in run["detail"]
    # What was left is mended by the next process.
    world.irm.server.heal()
    with service_of(tmp_path, world, RECONCILE_INTERVAL="60"):
        expect("all are resolved", lambda: all(group.state == "resolved" for group in groups))


def test_sigterm_lets_all_resolves_end_that_are_under_way_and_begins_no_other(
    tmp_path: Path, world: World
) -> None:
    groups = [world.fire(f"A{number}") for number in range(8)]
    for number in range(8):
        world.silence(f"A{number}")
    world.irm.server.inject(Fault("delay", method="POST", path="/resolve/", seconds=2, times=-1))
    with service_of(tmp_path, world, RECONCILE_INTERVAL="60") as service:
        expect("one is resolved, and four more are under way", lambda: len(world.irm.resolves) == 5)
        service.signal(signal.SIGTERM)
        assert service.wait_for_exit(GRACE_SECONDS) == 0
        assert len(world.irm.resolves) == 5
        done = [group for group in groups if group.state == "resolved"]
        assert sorted(group.id for group in done) == sorted(world.irm.resolves)
        assert [len(group.notes) for group in groups] == [int(group in done) for group in groups]
        (record,) = run_records(service.state_dir)
        assert record["status"] == "partial"
        assert "alertsync is stopping" in record["message"]
        outcomes = [action["outcome"] for action in record["actions"]]
        assert sorted(outcomes) == ["not_attempted"] * 3 + ["resolved"] * 5
        assert not service.events(level="error")


@pytest.mark.parametrize("alert_groups", [1, 3], ids="{} pages".format)
def test_sigterm_while_reading_ends_the_run_without_any_action_and_says_so(
    tmp_path: Path, world: World, alert_groups: int
) -> None:
    for number in range(alert_groups):
        world.fire(f"DiskFull{number}")
        world.silence(f"DiskFull{number}")
    world.irm.server.inject(Fault("delay", path="/alert_groups/", seconds=1.5, times=-1))
    with service_of(tmp_path, world, RECONCILE_INTERVAL="60", IRM_PAGE_SIZE="1") as service:
        expect("a run reads", lambda: world.irm.asked("GET", "/alert_groups/"))
        service.signal(signal.SIGTERM)
        assert service.wait_for_exit(GRACE_SECONDS) == 0
        assert world.irm.resolves == []
        (run,) = service.runs()
        assert run["status"] == "interrupted"
        assert [one["status"] for one in run_records(service.state_dir)] == ["interrupted"]
        assert not service.events(level="error")


def test_a_triggered_run_is_answered_although_the_service_is_stopping(tmp_path: Path, world: World) -> None:
    for name in ("A1", "A2"):
        world.fire(name)
        world.silence(name)
    world.irm.server.inject(Fault("delay", method="POST", path="/resolve/", seconds=1.5, times=-1))
    with service_of(tmp_path, world) as service:
        trigger = InBackground(service)
        expect("the first resolve is under way", lambda: world.irm.resolves)
        service.signal(signal.SIGTERM)
        assert service.wait_for_exit(GRACE_SECONDS) == 0
        answer = trigger.end()
        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["inconsistencies_resolved"]) == ("partial", 1)
    assert len(world.irm.resolves) == 1


def test_after_a_reload_the_loop_goes_on_and_no_two_runs_ever_overlap(tmp_path: Path, world: World) -> None:
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=0.4, times=-1))
    with service_of(tmp_path, world, WEB_CONCURRENCY="2", RECONCILE_INTERVAL="0.1") as service:
        service.observe_runs(1)
        old = service.workers()
        service.signal(signal.SIGHUP)
        expect("all workers are new", lambda: len(service.workers()) == 2 and not service.workers() & old)
        expect("a new worker leads", lambda: service.leader() in service.workers())
        service.observe_runs(2)
        assert service.get("/healthz").status_code == 200
        assert len(service.runs()) > 3
        assert_no_overlap(service.state_dir)


# --- Runs on demand beside the loop -----------------------------------------------------------------------


def test_a_trigger_waits_for_a_run_that_goes_on_and_gives_up_with_409(tmp_path: Path, world: World) -> None:
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=4))
    with service_of(tmp_path, world, RECONCILE_INTERVAL="60", RECONCILE_WAIT="2", WEB_THREADS="6") as service:
        expect("the loop's run waits for IRM", lambda: runs_begun(world))
        second = InBackground(service)
        expect("the trigger waits for its turn", lambda: len(run_records(service.state_dir)) == 2)
        # Another one is told at once, so that the threads stay free.
        began = time.monotonic()
        third = service.post_reconcile()
        assert third.status_code == 409
        assert time.monotonic() - began < 1
        assert "another trigger already waits" in third.json()["detail"]
        assert service.get("/healthz", timeout=1).status_code == 200
        refused = second.end()
        assert 1.5 < second.seconds < 4
        for answer in (refused, third):
            assert answer.status_code == 409
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert "another run is going on" in refused.json()["detail"]
        # The run that went on was not disturbed, and afterwards a trigger gets its turn.
        service.wait_for("run ended", trigger="loop", status="success")
        assert service.reconcile()["status"] == "success"


def test_a_trigger_that_may_wait_long_enough_runs_after_the_run_that_went_on(
    tmp_path: Path, world: World
) -> None:
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=2))
    with service_of(tmp_path, world, RECONCILE_INTERVAL="60") as service:
        expect("the loop's run waits for IRM", lambda: runs_begun(world))
        assert service.reconcile()["trigger"] == "http"
        assert [run["trigger"] for run in service.runs()] == ["loop", "http"]


def test_a_trigger_gets_its_turn_although_runs_take_longer_than_the_interval(
    tmp_path: Path, world: World
) -> None:
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=0.5, times=-1))
    with service_of(tmp_path, world, RECONCILE_INTERVAL="0.1", RECONCILE_WAIT="6") as service:
        service.observe_runs(1)
        # Of the dozen runs that end meanwhile, one has to let it go first.
        assert [service.post_reconcile().status_code for _ in range(3)] == [200, 200, 200]


def test_two_workers_never_run_at_once_either(tmp_path: Path, world: World) -> None:
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=0.5, times=-1))
    with service_of(tmp_path, world, WEB_CONCURRENCY="3", RECONCILE_INTERVAL="1.5") as service:
        triggers = [InBackground(service) for _ in range(4)]
        answers = [trigger.end().status_code for trigger in triggers]
        assert set(answers) <= {200, 409}
        assert 200 in answers
        assert_no_overlap(service.state_dir)


def test_a_trigger_that_does_not_want_to_wait_gets_an_address_that_tells_how_it_ends(
    tmp_path: Path, world: World
) -> None:
    world.fire("DiskFull")
    world.silence("DiskFull")
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=1.5))
    with service_of(tmp_path, world) as service:
        accepted = service.post_reconcile("?wait=0")
        assert accepted.status_code == 202
        assert accepted.json()["status"] == "running"
        address = accepted.headers["Location"]
        assert address == f"/api/v1/runs/{accepted.json()['run_id']}"
        first = service.get(address).json()
        assert first["status"] == "running"
        expect("the run ends", lambda: service.get(address).json()["status"] != "running")
        ended = service.get(address).json()
        assert (ended["status"], ended["inconsistencies_resolved"]) == ("success", 1)
        plain = service.post_reconcile("?wait=0", headers={"Accept": "text/plain"})
        assert plain.status_code == 202
        assert plain.headers["Location"] in plain.text
        expect("it ends too", lambda: len(service.runs()) == 2)
        assert service.post_reconcile("?wait=30").status_code == 200


# --- Settings that are missing or wrong -------------------------------------------------------------------


def test_without_irm_the_service_lives_and_says_what_is_missing(tmp_path: Path, world: World) -> None:
    world.fire("DiskFull")
    settings = {"ALERTMANAGER_HOST": world.alertmanager.url, "RECONCILE_INTERVAL": "1"}
    with Service(tmp_path, settings) as service:
        assert service.get("/healthz").status_code == 200
        readiness = service.get("/readyz")
        assert readiness.status_code == 503
        text = " ".join(readiness.json()["missing"])
        assert "GRAFANA_IRM_URL is not set" in text
        assert "GRAFANA_IRM_TOKEN is not set" in text
        assert service.metric("alertmanager_reconciliation_total") == 0
        assert [one["labels"]["alertname"] for one in service.get("/all-alerts").json()["alerts"]] == [
            "DiskFull"
        ]
        assert service.get("/grafana-alerts").json()["alert_groups"] == []
        for query in ("", "?dry_run=true", "?wait=0"):
            refused = service.post_reconcile(query)
            assert refused.status_code == 503
            assert "GRAFANA_IRM_URL" in refused.json()["detail"]
            assert "GRAFANA_IRM_TOKEN" in refused.json()["detail"]
        page = service.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "GRAFANA_IRM_TOKEN" in page.text
        assert service.runs() == []


@pytest.mark.parametrize("problem", ["unreadable file", "empty file"])
def test_a_token_file_that_cannot_be_used_leaves_the_service_alive_and_named(
    tmp_path: Path, world: World, problem: str
) -> None:
    path = tmp_path / "token"
    if problem == "empty file":
        path.write_text("\n")
    settings = world.settings(GRAFANA_IRM_TOKEN="", GRAFANA_IRM_TOKEN_FILE=str(path))
    with Service(tmp_path, settings) as service:
        readiness = service.get("/readyz")
        assert readiness.status_code == 503
        assert "GRAFANA_IRM_TOKEN_FILE" in " ".join(readiness.json()["missing"])
        assert service.get("/metrics").status_code == 200


BAD_SETTINGS = {
    "ALERTMANAGER_HOST": "ftp://alertmanager",
    "RECONCILE_INTERVAL": "soon",
    "IRM_STATES": "resolved",
    "LOG_LEVEL": "loud",
    "ALERT_LABELS": "good,0bad",
    "GRAFANA_IRM_URL": "https://user:pa55word@irm.example",
    "ALERTMANAGER_PASSWORD": "without-a-user-name",
}


def test_bad_settings_end_the_start_at_once_with_every_mistake_and_no_secret(
    tmp_path: Path, world: World
) -> None:
    service = service_of(tmp_path, world, **BAD_SETTINGS)
    service.spawn()
    try:
        assert service.wait_for_exit(15) != 0
    finally:
        service.stop()
    for name in (set(BAD_SETTINGS) - {"ALERTMANAGER_PASSWORD"}) | {"ALERTMANAGER_USERNAME"}:
        assert f"{name}: " in service.log
    for secret in (TOKEN, "pa55word", "without-a-user-name"):
        assert secret not in service.log
    assert "Traceback" not in service.log

    for name in ("run", "plan", "check"):
        ran = command(name, home=tmp_path, settings=world.settings(**BAD_SETTINGS))
        assert ran.returncode == 1
        assert ran.stderr.startswith("alertsync: 7 setting(s) cannot be used:")
        assert TOKEN not in ran.stderr + ran.stdout


def test_a_state_directory_that_cannot_be_used_is_told_loudly_and_kills_nothing(
    tmp_path: Path, world: World
) -> None:
    world.fire("DiskFull")
    world.silence("DiskFull")
    in_its_place = tmp_path / "a-file"
    in_its_place.write_text("not a directory")
    settings = {"STATE_DIR": str(in_its_place), "RECONCILE_INTERVAL": "1", "WEB_CONCURRENCY": "2"}
    with service_of(tmp_path, world, **settings) as service:
        service.observe_runs(2)
        # What a resolve would owe cannot be written down, so nothing is resolved.
        assert world.irm.resolves == []
        assert service.metric("alertsync_state_degraded") == 1
        loud = [one for one in service.events() if "STATE_DIR" in one["event"]]
        assert loud
        assert {one["level"] for one in loud} == {"error"}
        assert str(in_its_place) in loud[0]["event"]
        assert len(service.events(LEADS)) == 1
        assert service.get("/readyz").status_code == 200
        assert service.metric("alertmanager_inconsistencies_found") == 1
        assert service.post_reconcile().status_code in (200, 409)
        # The command line has no master that could lend it another place.
        ran = command("run", home=tmp_path, settings={**world.settings(), "STATE_DIR": str(in_its_place)})
        assert ran.returncode == 1
        assert "STATE_DIR" in ran.stderr


def test_a_state_directory_that_becomes_unwritable_is_told_and_kills_nothing(
    tmp_path: Path, world: World
) -> None:
    with service_of(tmp_path, world, RECONCILE_INTERVAL="1") as service:
        service.observe_runs(1)
        # Permissions do not stop root, so a directory takes the place of the database.
        database = service.state_dir / "alertsync.db"
        database.rename(service.state_dir / "moved")
        database.mkdir()
        expect("it says so", lambda: service.metric("alertsync_state_degraded") == 1)
        service.observe_runs(1)
        assert service.get("/healthz").status_code == 200
        assert service.get("/readyz").status_code == 200


def test_a_worker_that_starts_without_a_state_directory_stays_up_and_says_why(
    tmp_path: Path, world: World
) -> None:
    with service_of(tmp_path, world, RECONCILE_INTERVAL="1") as service:
        service.observe_runs(1)
        (worker,) = service.workers()
        os.kill(worker, signal.SIGSTOP)
        service.state_dir.rename(service.state_dir.with_name("moved"))
        service.state_dir.write_text("in the way")
        os.kill(worker, signal.SIGKILL)
        expect("another worker is not ready", lambda: service.get("/readyz").status_code == 503, within=20)
        assert "STATE_DIR" in service.get("/readyz").text
        assert service.get("/healthz").status_code == 200
        assert service.post_reconcile().status_code == 503


# --- The log, and what it never holds ---------------------------------------------------------------------


def test_every_line_of_the_log_is_one_json_object_and_the_token_is_nowhere(
    tmp_path: Path, world: World
) -> None:
    for name in ("DiskFull", "NodeDown", "Weird\nname \x1b[31m »"):
        world.fire(name)
        world.silence(name, comment="a\nlong\tcomment «…»")
    settings = {"RECONCILE_INTERVAL": "1", "ALERTMANAGER_TOKEN": "alertmanager-secret", "LOG_LEVEL": "debug"}
    with service_of(tmp_path, world, **settings) as service:
        faults = (
            Fault("status", path="/resolve/", times=2, status=500, body=b'{"detail": "Oops."}'),
            Fault("status", path="/alert_groups/", times=3, status=500, body=b"<html>oops</html>"),
            Fault("not_json", path="/integrations/", times=1),
            Fault("cut", path="/integrations/", times=1),
        )
        world.irm.server.inject(*faults)
        expect("the faults are over", lambda: service.runs(status="success"), within=30)
        addresses = (
            *(
                "/",
                "/healthz",
                "/readyz",
                "/metrics",
                "/all-alerts",
                "/grafana-alerts",
                "/reconcile",
                "/nowhere",
            ),
            *(f"/api/v1/runs/{one['run_id']}" for one in run_records(service.state_dir)),
            f"/reconcile?token={TOKEN}",
        )
        answers: list[Any] = [service.get(path, headers={"Authorization": TOKEN}) for path in addresses]
        pages = (
            "/",
            "/inconsistencies?show=all",
            "/owed?show=all",
            "/history?status=",
            "/history?list=actions",
        )
        answers += [service.get(path, headers={"Accept": "text/html"}) for path in pages]
        answers.append(service.post_reconcile())
        answers.append(service.post_reconcile("?wait=0"))
        service.observe_runs(1)
        secrets = (TOKEN, "alertmanager-secret", world.irm.integration.key)
        for answer in answers:
            if "token=" not in answer.url:  # that one says what was asked for
                assert not any(secret in answer.text + str(answer.headers) for secret in secrets), answer.url
        for path, content in files_below(service.state_dir).items():
            assert not any(secret.encode() in content for secret in secrets), path
    assert not any(secret in service.log for secret in secrets)
    # That each line is an object with time, level and event is checked by `events` itself, for every line.
    events = service.events()
    assert {"request", "run ended", "action"} <= {one["event"] for one in events}
    assert all(datetime.fromisoformat(one["time"]).utcoffset() is not None for one in events)
    assert {one["level"] for one in events} <= {"debug", "info", "warning", "error"}
    requested = [one for one in events if one["event"] == "request"]
    assert {"method", "path", "status", "seconds"} <= requested[0].keys()
    assert not any("?" in one["path"] for one in requested)


def test_a_token_that_a_server_echoes_is_not_passed_on(tmp_path: Path, world: World) -> None:
    world.fire("DiskFull")
    world.silence("DiskFull")
    echo = f'{{"detail": "Cannot handle Authorization: {TOKEN}"}}'.encode()
    with service_of(tmp_path, world) as service:
        world.irm.server.inject(Fault("status", path="/integrations/", times=1, status=400, body=echo))
        failed = service.post_reconcile()
        assert failed.status_code == 500
        world.irm.server.inject(Fault("status", path="/resolve/", times=1, status=400, body=echo))
        partial = service.post_reconcile()
        assert partial.json()["status"] == "partial"
        assert TOKEN not in service.log
        shown = failed.text + partial.text + service.get("/readyz").text
        assert TOKEN not in shown
        assert not any(TOKEN.encode() in content for content in files_below(service.state_dir).values())
