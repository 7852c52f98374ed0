"""Several hosts that share a PostgreSQL: whoever loses it does nothing more, and nobody's page is lost by that.

Each host has services and a STATE_DIR of its own; what they have in common is the real database, and the servers.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from alertsync import bootstrap, config
from alertsync.clients import abreast
from alertsync.errors import RunBusyError, SharedLockError
from alertsync.models import Outcome, Owing, RunStatus
from tests.postgresql import PostgresServer, postgres  # noqa: F401, TC001  a fixture
from tests.reconciler.bench import Bench, bench
from tests.servers import poll_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alertsync.models import Run
    from alertsync.reconciler import Reconciler
    from alertsync.services import Services

_numbers = itertools.count()
ACTING = ("/resolve/", "/silence/", "/unsilence/", "/unresolve/", "/resolution_notes/")


class Hosts:
    """The servers, and two hosts between them."""

    def __init__(self, world: Bench, directory: Path) -> None:
        self.world = world
        self.one = world.services
        world.monkeypatch.setenv("STATE_DIR", str(directory / "other"))
        self.other = bootstrap.build(config.load(), world.time.clock)

    def run(self, services: Services) -> Run:
        """Run once on a host."""
        return reconciler_of(services).run_once("test")

    def acts(self) -> list[str]:
        """List what was asked for that changes anything in IRM, in that order."""
        return [
            one.path
            for one in self.world.irm_server.received
            if one.method == "POST" and one.path.endswith(ACTING)
        ]

    def owed(self, services: Services) -> dict[str, Owing]:
        """Tell how it stands with each alert that is owed, as a host knows it."""
        self.world.services = services
        return self.world.owed()


def reconciler_of(services: Services) -> Reconciler:
    assert services.reconciler is not None
    return services.reconciler


@pytest.fixture
def hosts(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    postgres: PostgresServer,  # noqa: F811  the fixture
) -> Iterator[Hosts]:
    schema = f"hosts{next(_numbers)}"
    postgres.make_schema(schema)
    with bench(monkeypatch, tmp_path, DATABASE_URL=postgres.url(schema)) as world:
        made = Hosts(world, tmp_path)
        yield made
        for services in (made.one, made.other):
            services.store.close()


def test_what_one_host_resolved_the_other_pages_for_once_and_both_tell_the_same(hosts: Hosts) -> None:
    world = hosts.world
    disk = world.fire("Disk", "a", "b")
    world.silence("Disk")
    assert hosts.run(hosts.one).inconsistencies_resolved == 1
    assert hosts.owed(hosts.other) == {"a": Owing.OWED, "b": Owing.OWED}
    world.pass_time(3601)
    assert [one.outcome for one in hosts.run(hosts.other).actions] == [Outcome.POSTED]
    assert world.group("Disk").id != disk.id
    world.pass_time(6)
    for services in (hosts.one, hosts.other, hosts.one):
        assert hosts.run(services).actions == ()
        assert hosts.owed(services) == {"a": Owing.PAID, "b": Owing.PAID}
    assert world.posts() == 2, "one of Alertmanager's, and one of ours"
    told = [[run.run_id for run in one.store.runs(limit=9).items] for one in (hosts.one, hosts.other)]
    assert told[0] == told[1]
    assert len(told[0]) == 5
    assert hosts.one.store.standing() == hosts.other.store.standing()


def test_no_host_runs_while_another_does(hosts: Hosts) -> None:
    world = hosts.world
    refused: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(RunBusyError, match="another run is going on") as error:
            hosts.run(hosts.other)
        refused.append(str(error.value))

    world.at_irm.before("/integrations/", meanwhile, method="GET")
    assert hosts.run(hosts.one).status is RunStatus.SUCCESS
    assert refused
    assert hosts.run(hosts.other).status is RunStatus.SUCCESS


@pytest.mark.parametrize("cut_after", ["/resolution_notes/", "/resolve/"])
def test_nothing_is_sent_once_the_lock_is_lost_and_another_host_goes_on(
    hosts: Hosts,
    postgres: PostgresServer,  # noqa: F811  the fixture
    cut_after: str,
) -> None:
    world = hosts.world
    groups = [world.fire(name) for name in ("Disk", "Load", "Net")]
    for name in ("Disk", "Load", "Net"):
        world.silence(name)
    world.at_irm.after(cut_after, postgres.cut, method="POST")
    run = hosts.run(hosts.one)
    assert run.status is RunStatus.INTERRUPTED
    assert "another host may act now" in run.message
    sent = hosts.acts()
    assert sent[-1].endswith(cut_after)
    assert len(sent) == (1 if cut_after == "/resolution_notes/" else 2)
    assert len(run.actions) == 3

    assert hosts.run(hosts.other).status is RunStatus.SUCCESS
    hosts.run(hosts.other)
    assert sorted(world.resolves()) == sorted(group.id for group in groups), "each was resolved once"
    assert hosts.owed(hosts.other) == {"a": Owing.OWED}
    assert len([debt for debt in hosts.other.store.ledger().debts if debt.is_open]) == 3
    # What it did is known of the run that was cut short, which counts nowhere.
    kept = hosts.other.store.run(run.run_id)
    assert kept is not None
    assert kept.status is RunStatus.INTERRUPTED
    assert kept.actions == run.actions
    reconciler_of(hosts.one).hand_in()
    hosts.run(hosts.one)
    assert hosts.one.store.standing().counters.runs == 3
    world.pass_time(3601)
    hosts.run(hosts.one)
    assert world.posts() == 6, "each page came once"


@pytest.mark.parametrize("cut_after", ["/resolution_notes/", "/resolve/"])
def test_with_several_resolves_under_way_none_follows_once_the_lock_is_lost_and_each_is_owed(
    hosts: Hosts,
    postgres: PostgresServer,  # noqa: F811  the fixture
    cut_after: str,
) -> None:
    world = hosts.world
    world.monkeypatch.setattr(abreast, "ThreadPoolExecutor", ThreadPoolExecutor)
    for services in (hosts.one, hosts.other):
        reconciler_of(services).irm._turns = abreast.Abreast(4, "irm-turn")
    names = [f"A{number}" for number in range(30)]
    groups = [world.fire(name) for name in names]
    for name in names:
        world.silence(name)
    carried_out = itertools.count(1)
    sent: list[int] = []

    def cut_at_the_third() -> None:
        if next(carried_out) == 3:
            postgres.cut()
            sent.append(len(hosts.acts()))

    world.at_irm.after(cut_after, cut_at_the_third, method="POST", times=-1)
    run = hosts.run(hosts.one)
    assert run.status is RunStatus.INTERRUPTED
    assert "another host may act now" in run.message
    assert 0 < len(run.actions) == len(names)
    # One was answered, and each of the three beside it had one request on its way at most.
    assert len(hosts.acts()) <= sent[0] + 3
    assert len(world.resolves()) < len(names)

    world.at_irm.events.clear()
    assert hosts.run(hosts.other).status is RunStatus.SUCCESS
    hosts.run(hosts.other)
    assert sorted(world.resolves()) == sorted(group.id for group in groups), "each was resolved once"
    assert len([debt for debt in hosts.other.store.ledger().debts if debt.is_open]) == len(names)
    world.pass_time(3601)
    hosts.run(hosts.other)
    assert world.posts() == 2 * len(names), "each page came once"


def test_a_resolve_that_arrives_after_others_gave_it_up_is_owed_all_the_same(
    hosts: Hosts,
    postgres: PostgresServer,  # noqa: F811  the fixture
) -> None:
    """The host stood still for six minutes, between the last look and the act."""
    world = hosts.world
    disk = world.fire("Disk")
    silence = world.silence("Disk")

    def meanwhile() -> None:
        postgres.cut()
        world.alertmanager.expire(silence)
        for _ in range(2):
            world.pass_time(360)
            hosts.run(hosts.other)
        assert hosts.owed(hosts.other) == {}

    world.at_irm.before("/resolve/", meanwhile, method="POST")
    run = hosts.run(hosts.one)
    assert run.status is RunStatus.INTERRUPTED
    assert disk.state == "resolved"
    assert hosts.owed(hosts.other) == {}, "nobody else can know"
    reconciler_of(hosts.one).hand_in()
    assert hosts.owed(hosts.other) == {"a": Owing.OWED}
    assert [one.outcome for one in hosts.run(hosts.other).actions] == [Outcome.POSTED]
    assert world.group("Disk").id != disk.id


def test_a_page_that_was_sent_as_the_lock_was_lost_is_not_sent_twice(
    hosts: Hosts,
    postgres: PostgresServer,  # noqa: F811  the fixture
) -> None:
    world = hosts.world
    world.fire("Disk")
    world.silence("Disk")
    hosts.run(hosts.one)
    world.pass_time(3601)
    before = world.posts()
    world.at_irm.after(world.integration.path, postgres.cut, method="POST")
    assert hosts.run(hosts.one).status is RunStatus.INTERRUPTED
    world.pass_time(6)
    for services in (hosts.other, hosts.one, hosts.other):
        hosts.run(services)
    assert world.posts() == before + 1
    assert hosts.owed(hosts.other) == {"a": Owing.PAID}


def test_while_postgresql_is_away_nothing_is_sent_and_all_goes_on_when_it_is_back(
    hosts: Hosts,
    postgres: PostgresServer,  # noqa: F811  the fixture
) -> None:
    world = hosts.world
    world.fire("Disk")
    world.silence("Disk")
    hosts.run(hosts.one)
    world.pass_time(3601)
    asked = len(world.irm_server.received)
    postgres.stop()
    for services in (hosts.one, hosts.other):
        with pytest.raises(SharedLockError, match="cannot be reached"):
            hosts.run(services)
    assert len(world.irm_server.received) == asked
    postgres.start()

    def runs() -> bool:
        try:
            return hosts.run(hosts.other).status is RunStatus.SUCCESS
        except SharedLockError:
            return False

    poll_until(runs, what="a run succeeds")
    assert hosts.owed(hosts.one) == {"a": Owing.POSTED}
