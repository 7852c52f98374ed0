"""A disk that fills up and a database that is damaged while the service runs: said loudly, survived, nothing lost."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import (
    OURS,
    PATIENCE,
    Rising,
    answers_of,
    assert_counters_tell_the_history,
    service_of,
    until_leader,
    until_workers,
)
from tests.e2e.worlds import World, expect, simulated_world
from tests.service import Service, run_records, value
from tests.store.test_faults import (
    cut_to_a_stump,
    fill,
    kept_aside,
    overwrite_all_but_the_first_page,
    overwrite_head,
    small_disk,
)

LOOP = {"RECONCILE_INTERVAL": "0.5", "WATCH_INTERVAL": "0", "WEB_CONCURRENCY": "2"}

pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


def open_debts(service: Service) -> list[Any]:
    """Give the titles of what is owed."""
    return sorted(one["title"] for one in service.get("/api/v1/debts?state=open").json()["items"])


def ends(service: Service) -> None:
    """Stop it, and see that what it counted is what it wrote down."""
    runs = len([one for one in service.runs() if one["status"] != "interrupted"])
    service.stop()
    ended = [one for one in run_records(service.state_dir) if one["status"] not in ("running", "interrupted")]
    assert len(ended) >= runs


def test_a_disk_that_fills_up_holds_resolves_back_keeps_paying_and_is_overcome_by_itself(
    tmp_path: Path, world: World
) -> None:
    owed, waits = world.fire("Owed"), world.fire("Waits")
    silence = world.silence("Owed")
    with (
        small_disk() as disk,
        service_of(tmp_path, world, **LOOP, STATE_DIR=str(disk / "state")) as service,
    ):
        rising = Rising(*OURS)
        world.irm.until_resolved("Owed", within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert open_debts(service) == ["Owed"]
        workers = until_workers(service, 2)
        rising.look(service.metrics())

        ballast = fill(disk)
        service.wait_for("run ended", within=PATIENCE, status="success")
        expect(
            "every worker says that it is degraded",
            lambda: (
                {
                    value(one.text, "alertsync_state_degraded")
                    for one in answers_of(service, "/metrics", workers).values()
                }
                == {1}
            ),
            within=PATIENCE,
        )
        loud = [one for one in service.events(level="error") if "STATE_DIR" in str(one)]
        # Who writes tells it; whether another stumbles over it too depends on what it was asked meanwhile.
        assert until_leader(service) in {one["pid"] for one in loud}
        for answer in answers_of(service, "/readyz", workers).values():
            assert answer.status_code == 200
            assert "alertsync.db" in answer.json()["attention"]["degraded"]
        world.silence("Waits")
        service.observe_runs(2, within=PATIENCE)
        assert world.irm.resolves == [owed.id]
        assert service.decisions()["Waits"]["held"] or service.runs()[-1]["status"] == "partial"

        world.alertmanager.expire(silence)
        expect("what was owed is paged", lambda: world.irm.group("Owed") is not owed, within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert len(world.irm.model.pages) == 3
        assert world.irm.resolves == [owed.id]
        assert {one.status_code for one in answers_of(service, "/healthz", workers).values()} == {200}
        assert until_leader(service) in workers

        ballast.unlink()
        world.irm.until_resolved("Waits", within=PATIENCE)
        expect("it recovers", lambda: service.metric("alertsync_state_degraded") == 0, within=PATIENCE)
        service.observe_runs(1, within=PATIENCE)
        assert open_debts(service) == ["Waits"]
        assert world.irm.resolves == [owed.id, waits.id]
        assert len(world.irm.model.pages) == 3
        assert service.workers() == workers
        rising.look(service.metrics())
        assert service.metric("alertmanager_inconsistencies_resolved_total") == 2
        assert service.metric("alertsync_actions_total", action="repage", outcome="posted") == 1
        assert kept_aside(service.state_dir) == []
        ends(service)
        with service_of(tmp_path, world, STATE_DIR=str(disk / "state")) as again:
            assert_counters_tell_the_history(again)
            assert open_debts(again) == ["Waits"]
            rising.look(again.metrics())


@pytest.mark.parametrize("break_it", [overwrite_head, overwrite_all_but_the_first_page, cut_to_a_stump])
def test_a_database_that_is_damaged_while_running_is_kept_aside_and_no_debt_is_lost(
    tmp_path: Path, world: World, break_it: Callable[[Path], None]
) -> None:
    owed = world.fire("Owed")
    silence = world.silence("Owed")
    with service_of(tmp_path, world, **LOOP) as service:
        rising = Rising(*OURS)
        world.irm.until_resolved("Owed", within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        workers = until_workers(service, 2)
        # The follower has read it too.
        answers_of(service, "/api/v1/debts", workers)
        rising.look(service.metrics())

        break_it(service.state_dir / "alertsync.db")
        expect("it is kept aside", lambda: kept_aside(service.state_dir), within=PATIENCE)
        loud = service.wait_for("the database is damaged and was moved aside", within=PATIENCE)
        assert loud["level"] == "error"
        assert set(loud["kept_as"]) == set(kept_aside(service.state_dir))
        service.observe_runs(2, within=PATIENCE)
        assert service.runs()[-1]["status"] == "success"
        assert open_debts(service) == ["Owed"]
        rising.look(service.metrics())
        assert service.metric("alertsync_state_degraded") == 0
        assert service.get("/healthz").status_code == 200
        assert service.workers() == workers

        world.alertmanager.expire(silence)
        expect("the page comes back", lambda: world.irm.group("Owed") is not owed, within=PATIENCE)
        expect("it is paid", lambda: open_debts(service) == [], within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert len(world.irm.model.pages) == 2
        assert world.irm.resolves == [owed.id]
        rising.look(service.metrics())
        assert len([one for one in service.events() if "moved aside" in one["event"]]) == 1
