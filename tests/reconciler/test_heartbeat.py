"""When IRM is told that alertsync works, and what becomes of it when IRM does not listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alertsync import metrics
from alertsync.irm_heartbeat import beat
from alertsync.models import RunStatus
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import Bench, bench
from tests.service import value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alertsync.models import IrmHeartbeat
    from alertsync.simulator.irm_records import Integration


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    with bench(monkeypatch, tmp_path) as it:
        yield it


def watched(world: Bench, **settings: str) -> Integration:
    """Let IRM watch over alertsync by an integration made for it."""
    integration = world.irm.add_integration("alertsync", type="webhook")
    world.restart(IRM_HEARTBEAT_INTEGRATION_ID=integration.id, **settings)
    return integration


def known(world: Bench) -> IrmHeartbeat:
    return world.services.store.standing().heartbeat


def shown(world: Bench, name: str, **labels: str) -> float | None:
    store = world.services.store
    page = metrics.render_standing(store.standing()) + metrics.render_requests(store.requests())
    return value(page.decode(), name, **labels)


def test_each_run_that_did_all_that_was_due_sends_one(world: Bench) -> None:
    integration = watched(world)
    for number in (1, 2):
        world.time.sleep(60)
        assert world.run().status is RunStatus.SUCCESS
        assert len(integration.heartbeats) == number
    assert (known(world).sent, known(world).failed, known(world).problem) == (2, 0, "")
    assert known(world).sent_at == world.time.clock.now()
    assert shown(world, "alertsync_irm_heartbeats_total", outcome="sent") == 2
    assert shown(world, "alertsync_irm_heartbeat_timestamp_seconds") == world.time.clock.now().timestamp()
    counted = {"operation": "send heartbeat", "status": "2xx"}
    assert shown(world, "alertsync_upstream_requests_total", **counted) == 2


def test_none_is_sent_where_none_is_asked_for(world: Bench) -> None:
    world.run()
    assert world.integration.heartbeats == []
    assert shown(world, "alertsync_irm_heartbeats_total", outcome="sent") == 0
    assert shown(world, "alertsync_irm_heartbeats_total", outcome="failed") == 0
    assert shown(world, "alertsync_irm_heartbeat_timestamp_seconds") is None


def test_a_run_that_failed_sends_none(world: Bench) -> None:
    integration = watched(world)
    world.alertmanager_server.inject(Fault("status", times=-1, status=500))
    assert world.run().status is RunStatus.FAILED
    assert integration.heartbeats == []
    assert (known(world).sent, known(world).failed) == (0, 0)


def test_a_run_that_left_something_undone_sends_none(world: Bench) -> None:
    integration = watched(world)
    world.fire("Disk")
    world.silence("Disk")
    world.irm_server.inject(Fault("status", path="/resolve/", times=-1, status=500))
    assert world.run().status is RunStatus.PARTIAL
    assert integration.heartbeats == []
    world.irm_server.heal()
    assert world.run().status is RunStatus.SUCCESS
    assert len(integration.heartbeats) == 1


def test_a_dry_run_that_is_asked_for_sends_none_and_one_that_is_set_sends_one(world: Bench) -> None:
    integration = watched(world)
    assert world.run(dry_run=True).status is RunStatus.SUCCESS
    assert integration.heartbeats == []
    world.restart(DRY_RUN="true")
    assert world.run().status is RunStatus.SUCCESS
    assert len(integration.heartbeats) == 1


MISHAPS = {
    "refuses": (Fault("status", path="/heartbeat/", times=-1, status=500), "HTTP 500"),
    "does not know it": (
        Fault("status", path="/heartbeat/", times=-1, status=403),
        "knows this link no more",
    ),
    "hangs up": (Fault("drop", path="/heartbeat/", times=-1), "the connection broke"),
    "takes its time": (Fault("delay", path="/heartbeat/", times=-1, seconds=1), "no answer within"),
    "sends elsewhere": (
        Fault("redirect", path="/heartbeat/", times=-1, location="http://x/"),
        "not followed",
    ),
}


@pytest.mark.parametrize(("fault", "said"), MISHAPS.values(), ids=MISHAPS)
def test_a_heartbeat_that_does_not_arrive_fails_no_run_and_is_told(
    world: Bench, caplog: pytest.LogCaptureFixture, fault: Fault, said: str
) -> None:
    integration = watched(world, IRM_TIMEOUT="0.3")
    world.irm_server.inject(fault)
    for number in (1, 2):
        assert world.run().status is RunStatus.SUCCESS
        assert (known(world).sent, known(world).failed) == (0, number)
    assert said in known(world).problem
    assert integration.key not in known(world).problem
    told = [one for one in caplog.records if "heartbeat" in one.message]
    assert [one.levelname for one in told] == ["WARNING"], "what lasts is told once"
    assert shown(world, "alertsync_irm_heartbeats_total", outcome="failed") == 2
    world.irm_server.heal()
    world.run()
    assert (known(world).sent, known(world).failed, known(world).problem) == (1, 2, "")


def test_one_attempt_is_made_as_the_next_run_makes_another(world: Bench) -> None:
    watched(world)
    world.irm_server.inject(Fault("status", path="/heartbeat/", times=-1, status=503))
    before = world.time.clock.monotonic()
    world.run()
    asked = [one for one in world.irm_server.received if one.path.endswith("/heartbeat/")]
    assert len(asked) == 1
    assert world.time.clock.monotonic() == before, "nothing was waited for"


def test_whatever_a_heartbeat_meets_the_run_is_recorded(world: Bench) -> None:
    integration = watched(world)

    def break_down(*_: object) -> None:
        raise ValueError(f"a link with {integration.key} that nobody foresaw")

    world.monkeypatch.setattr(world.reconciler.irm, "beat", break_down)
    run = world.run()
    assert run.status is RunStatus.SUCCESS
    assert world.services.store.run(run.run_id) == run
    assert (known(world).failed, integration.key in known(world).problem) == (1, False)


@pytest.mark.parametrize("why", ["is not there", "has no heartbeat"])
def test_an_integration_that_takes_none_is_told(world: Bench, why: str) -> None:
    integration = watched(world)
    if why == "is not there":
        world.restart(IRM_HEARTBEAT_INTEGRATION_ID="CTYPO")
    else:
        integration.has_heartbeat = False
    assert world.run().status is RunStatus.SUCCESS
    assert "has no heartbeat, or is gone" in known(world).problem
    assert known(world).failed == 1
    world.monkeypatch.delenv("IRM_HEARTBEAT_INTEGRATION_ID")
    world.restart()
    world.run()
    assert known(world).problem == "", "nobody asks for one any more"


def test_what_was_sent_survives_a_restart(world: Bench) -> None:
    watched(world)
    world.run()
    world.restart()
    world.run()
    assert known(world).sent == 2


def test_a_stop_of_the_process_sends_none_and_is_no_failure(world: Bench) -> None:
    integration = watched(world)
    world.run()
    before = known(world)
    irm, clock = world.reconciler.irm, world.time.clock
    after = beat(irm, integration.id, RunStatus.SUCCESS, before, clock=clock, should_stop=lambda: True)
    assert after == before
    assert len(integration.heartbeats) == 1
