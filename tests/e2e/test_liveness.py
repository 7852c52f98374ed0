"""Liveness fails when, and only when, the loop of this gunicorn is stuck: a restart mends nothing else."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alertsync.simulator.wire import Fault
from tests.e2e.processes import (
    LEADS,
    PATIENCE,
    answers_of,
    kill,
    runs_begun,
    service_of,
    until_leader,
    until_workers,
)
from tests.e2e.worlds import World, expect, simulated_world
from tests.servers import SimulatedAlertmanager
from tests.service import Service

LOOP = {"RECONCILE_INTERVAL": "0.5", "WATCH_INTERVAL": "0", "RECONCILE_WAIT": "0"}
HANGS = 30
"""Seconds for which a server hangs: longer than anybody waits for it."""

pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


def lives_until(service: Service, what: str, probe: Callable[[], object]) -> None:
    """Wait for something, and see that it lives all the time."""

    def lives() -> bool:
        answer = service.get("/healthz")
        assert answer.status_code == 200, answer.text
        return bool(probe())

    expect(what, lives, within=PATIENCE)


def until_it_lives(service: Service) -> None:
    """Wait until it lives."""
    expect("it lives", lambda: service.get("/healthz").status_code == 200, within=PATIENCE)


def test_it_fails_once_the_loop_hangs_and_recovers_with_it_although_the_pages_answer(
    tmp_path: Path, world: World
) -> None:
    with service_of(tmp_path, world, **LOOP, RUN_TIMEOUT="1") as service:
        service.observe_runs(1, within=PATIENCE)
        (worker,) = service.workers()
        # Whoever reads a pipe waits for somebody who writes: the loop hangs where no deadline reaches.
        pipe = service.state_dir / "standing.json"

        def fails() -> bool:
            # A run that was about to end when the pipe was made removes it.
            if not pipe.exists():
                os.mkfifo(pipe)
            return service.get("/healthz").status_code == 503

        expect("it fails", fails, within=PATIENCE)
        problem = service.get("/healthz").json()
        assert f"process {worker} has not moved" in problem["detail"]
        assert problem["status"] == 503
        begun = len(runs_begun(world))
        assert service.get("/grafana-alerts").status_code == 200
        assert service.get("/healthz").status_code == 503
        assert len(runs_begun(world)) == begun
        # Every reader there is gets an end.
        while pipe.exists():
            os.close(os.open(pipe, os.O_WRONLY))
            pipe.unlink(missing_ok=True)
        until_it_lives(service)
        service.observe_runs(2, within=PATIENCE)
        assert service.workers() == {worker}
        assert len(service.events(LEADS)) == 1


@pytest.mark.parametrize("which", ["irm", "alertmanager"])
def test_it_holds_while_an_upstream_hangs_and_every_run_fails(
    tmp_path: Path, world: World, which: str
) -> None:
    assert isinstance(world.alertmanager, SimulatedAlertmanager)
    server = world.irm.server if which == "irm" else world.alertmanager.server
    server.inject(Fault("delay", seconds=HANGS, times=-1))
    settings = {**LOOP, "RUN_TIMEOUT": "3", "IRM_TIMEOUT": "60", "ALERTMANAGER_TIMEOUT": "60"}
    with service_of(tmp_path, world, **settings) as service:
        lives_until(service, "two runs failed", lambda: len(service.runs(status="failed")) >= 2)
        assert service.get("/readyz").status_code == 200
        server.heal()
        lives_until(service, "a run succeeds", lambda: service.runs(status="success"))


def test_it_holds_while_a_run_takes_all_the_time_it_may(tmp_path: Path, world: World) -> None:
    names = [f"Alert{number}" for number in range(32)]  # four at a time, a second each
    for name in names:
        world.fire(name)
        world.silence(name)
    world.irm.server.inject(Fault("delay", method="POST", path="/resolve/", seconds=1, times=-1))
    with service_of(tmp_path, world, **LOOP, RUN_TIMEOUT="5") as service:
        lives_until(service, "a run ended early", lambda: service.runs(status="partial"))
        assert service.runs(status="partial")[0]["duration_seconds"] > 4
        lives_until(
            service, "all are resolved", lambda: all(world.irm.state(name) == "resolved" for name in names)
        )


def test_it_holds_while_a_triggered_run_keeps_the_loop_waiting(tmp_path: Path, world: World) -> None:
    with service_of(tmp_path, world, **{**LOOP, "RECONCILE_WAIT": "2"}, RUN_TIMEOUT="4") as service:
        service.observe_runs(1, within=PATIENCE)
        world.irm.server.inject(Fault("delay", path="/integrations/", seconds=3, times=2))
        accepted = service.post_reconcile("?wait=0")
        assert accepted.status_code in (202, 409)
        lives_until(service, "both ended", lambda: service.runs()[-1]["duration_seconds"] >= 3)
        before = len(service.runs())
        lives_until(service, "the loop goes on", lambda: len(service.runs()) >= before + 3)


@pytest.mark.parametrize("interval", ["", "0"])
def test_it_holds_while_the_loop_is_off(tmp_path: Path, world: World, interval: str) -> None:
    settings = {"RECONCILE_INTERVAL": interval} if interval else {}
    with service_of(tmp_path, world, **settings, RUN_TIMEOUT="1", RECONCILE_WAIT="0") as service:
        service.reconcile()
        lives_until(service, "nothing", lambda: True)
        assert service.metric("alertsync_leader") == 0
        assert service.metric("alertsync_next_run_timestamp_seconds") is None


def test_another_gunicorn_that_stands_by_lives_although_the_loop_of_the_first_is_stuck(
    tmp_path: Path, world: World
) -> None:
    shared = {**LOOP, "RUN_TIMEOUT": "1", "STATE_DIR": str(tmp_path / "shared"), "WEB_CONCURRENCY": "2"}
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with service_of(tmp_path / "first", world, **shared) as first:
        first.observe_runs(1, within=PATIENCE)
        until_workers(first, 2)
        with service_of(tmp_path / "second", world, **shared) as second:
            workers = until_workers(second, 2)
            first.observe_runs(1, within=PATIENCE)
            leader = kill(until_leader(first), signal.SIGSTOP)
            try:
                expect(
                    "the first is stuck", lambda: first.get("/healthz").status_code == 503, within=PATIENCE
                )
                alive = answers_of(second, "/healthz", workers).values()
                assert {one.status_code for one in alive} == {200}
                assert second.events(LEADS) == []
            finally:
                kill(leader, signal.SIGKILL)
            # Whoever is faster leads now; both live.
            expect(
                "somebody leads",
                lambda: len(first.events(LEADS)) + len(second.events(LEADS)) == 2,
                within=PATIENCE,
            )
            for service in (first, second):
                until_it_lives(service)


def test_it_holds_where_the_state_directory_is_broken(tmp_path: Path, world: World) -> None:
    in_its_place = tmp_path / "a-file"
    in_its_place.write_text("not a directory")
    settings = {**LOOP, "RUN_TIMEOUT": "2", "WEB_CONCURRENCY": "2", "STATE_DIR": str(in_its_place)}
    with service_of(tmp_path, world, **settings) as service:
        lives_until(service, "runs go on", lambda: len(service.runs()) >= 4)
        assert service.metric("alertsync_leader") == 1
