"""Runs that are asked for over HTTP, however many, leave the loop what it needs of IRM's rate limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.web import create_app
from tests.faults.worlds import world_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_flood_of_triggers_leaves_half_of_the_rate_limit_to_the_loop(tmp_path: Path) -> None:
    with world_of(tmp_path) as world:
        services = world.services(IRM_RATE_LIMIT="40/5 minutes", IRM_TIMEOUT="1")
        client = create_app(services).test_client()
        asked = [client.post("/reconcile?dry_run=true") for _ in range(30)]
        done = [one for one in asked if one.status_code == 200]
        assert len(done) >= 2
        refused = asked[len(done)]
        assert {one.status_code for one in asked[len(done) :]} == {409}
        assert "half of the requests that IRM allows" in refused.get_json()["detail"]
        a_run = len(world.irm_server.received) / len(done)
        assert 40 - len(world.irm_server.received) >= 20 - a_run
        # A person who comes later is not refused, although there is no more room than before.
        services.clock.sleep(int(refused.headers["Retry-After"]))
        assert services.reconciler is not None
        assert not services.reconciler.irm.has_room()
        assert client.post("/reconcile").status_code == 200
