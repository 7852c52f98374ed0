"""Several hosts and one PostgreSQL: one of them leads, all tell the same, and another one goes on whatever happens."""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hosts import Cluster, Host, asks, overlapping, paid_twice, watched_world
from tests.e2e.processes import PATIENCE, Rising
from tests.e2e.worlds import World, expect
from tests.postgresql import PostgresServer, postgres  # noqa: F401  a fixture
from tests.service import reconciliation, value
from tests.soak.hosts import HANDED_OVER_WITHIN, goes_on, play

CHAOS_SECONDS = 20.0
AWAY_SECONDS = float(os.environ.get("POSTGRESQL_AWAY_SECONDS", "3"))
"""For how long PostgreSQL is away; a minute is as good, and takes a minute."""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def world() -> Iterator[World]:
    with watched_world() as it:
        yield it


def test_one_of_several_hosts_leads_all_tell_the_same_and_another_takes_over(
    tmp_path: Path,
    world: World,
    postgres: PostgresServer,  # noqa: F811  the fixture
) -> None:
    world.fire("DiskFull", "a", "b")
    world.fire("NodeDown")
    silence = world.silence("NodeDown")
    with Cluster(tmp_path, world, postgres, ALERT_LABELS="alertname", RECONCILE_WAIT="5") as cluster:
        leader = cluster.leader()
        expect("it is resolved", lambda: world.irm.state("NodeDown") == "resolved", within=PATIENCE)
        rising = Rising("alertmanager_", "alertsync_")
        rising.look(leader.service.metrics())
        see_that_one_tells_of_runs_and_all_of_history(cluster, leader)

        # Whoever leads is killed and cut off, and PostgreSQL crashes.
        leader.kill()
        goes_on(cluster, time.monotonic())
        second = cluster.leader(other_than=leader)
        rising.look(second.service.metrics())
        second.proxy.cut()
        goes_on(cluster, time.monotonic())
        rising.look(cluster.leader().service.metrics())
        postgres.restart(signal.SIGQUIT)
        goes_on(cluster, time.monotonic())

        # It is away when a silence ends.
        world.alertmanager.expire(silence)
        postgres.stop()
        see_that_nothing_is_done(cluster, [host for host in cluster.hosts if host is not leader])
        postgres.start()
        goes_on(cluster, time.monotonic())
        expect(
            "the page is sent",
            lambda: world.irm.group("NodeDown").state == "firing",
            within=HANDED_OVER_WITHIN,
        )
        last = cluster.leader()
        rising.look(last.service.metrics())
        expect("all is paid", lambda: last.service.metric("alertsync_debts_due") == 0, within=PATIENCE)
    assert paid_twice(world) == []
    assert [late for _, late in overlapping(asks(world)) if len(late) > 1] == []
    assert len(world.irm.resolves) == 1


def see_that_one_tells_of_runs_and_all_of_history(cluster: Cluster, leader: Host) -> None:
    """See that sums over all hosts are right, that a trigger runs where it arrives, and that every page shows it."""
    page = leader.service.metrics()
    assert value(page, "alertmanager_alert_state", alertname="NodeDown") == 0
    followers = [host for host in cluster.hosts if host is not leader]
    for host in followers:
        theirs = host.service.metrics()
        assert value(theirs, "alertsync_leader") == 0
        assert reconciliation(theirs) == []
        assert "alertsync_debts" not in theirs
        assert "flask_http_request" in theirs
        page = host.service.get("/", headers={"Accept": "text/html"}).text
        assert "led by another host" in page
        assert "No worker leads" not in page
    done = followers[0].service.reconcile()
    assert done["status"] == "success"
    assert len(followers[0].service.runs(run_id=done["run_id"])) == 1
    for path, at in ((f"/api/v1/runs/{done['run_id']}", "run_id"), ("/api/v1/debts", "items")):
        shown = [host.service.get(path).json()[at] for host in cluster.hosts]
        assert shown[0]
        assert shown == [shown[0]] * len(shown)
    assert [list(host.service.decisions()) for host in cluster.hosts] == [["DiskFull"]] * len(cluster.hosts)
    assert not [host.name for host in cluster.hosts if "s3cret" in host.service.log]


def see_that_nothing_is_done(cluster: Cluster, alive: list[Host]) -> None:
    """See that hosts that cannot reach PostgreSQL say so, live, and ask nobody anything."""
    expect("nobody leads", lambda: not any(host.leads() for host in alive), within=PATIENCE)
    quiet, since = len(asks(cluster.world)), time.monotonic()
    for host in alive:
        assert host.service.get("/healthz").status_code == 200
        refused = host.service.post_reconcile()
        assert (refused.status_code, refused.json()["title"]) == (503, "PostgreSQL cannot be used")
        assert value(host.service.metrics(), "alertsync_state_degraded") == 1
    expect("time passes", lambda: time.monotonic() > since + AWAY_SECONDS, within=AWAY_SECONDS + PATIENCE)
    assert len(asks(cluster.world)) == quiet


def test_hosts_that_are_killed_stopped_and_cut_off_at_random_lose_no_page_and_do_not_act_at_once(
    tmp_path: Path,
    world: World,
    postgres: PostgresServer,  # noqa: F811  the fixture
) -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    with Cluster(tmp_path, world, postgres) as cluster:
        cluster.leader()
        sys.stdout.write(play(cluster, world, seed, CHAOS_SECONDS) + "\n")
