"""An older version on the database of a later one: it ends, says why and what to do, and has touched nothing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from alertsync.models import LedgerChange
from alertsync.store import migrate
from tests.e2e.processes import PATIENCE, service_of
from tests.e2e.worlds import World, expect, simulated_world
from tests.service import Service, command
from tests.store.values import a_debt, a_store

WHY = (
    "cannot be read: a later version of alertsync made it, and it is left as it is. Start that version again, as pages "
    "may be owed of which this one cannot know; docs/UPGRADING.md says how to go back (its tables are of revision 9999, "
    f"and this version knows them up to {migrate.HEAD})"
)


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


@pytest.fixture
def later(tmp_path: Path) -> bytes:
    """Make a database that owes something, and that a later version has brought to tables of its own."""
    state = tmp_path / "state"
    state.mkdir()
    a_store(state).commit(LedgerChange(debts=(a_debt(),)))
    upgrade(state)
    return content(tmp_path)


def upgrade(state: Path) -> None:
    """Let the tables be those of a later version."""
    connection = sqlite3.connect(state / "alertsync.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


def content(tmp_path: Path) -> bytes:
    """Give the database as it lies on the disk."""
    return (tmp_path / "state" / "alertsync.db").read_bytes()


def ends(service: Service) -> int:
    """Start a service that is to end by itself, and give its exit status; once more if others took its port."""
    for _ in range(5):
        service.spawn()
        try:
            status = service.wait_for_exit(PATIENCE)
        finally:
            service.stop()
        if status != 1 or "in use" not in service.log:
            break
    return status


def test_an_older_service_ends_says_why_and_touches_nothing(
    tmp_path: Path, world: World, later: bytes
) -> None:
    service = service_of(tmp_path, world, RECONCILE_INTERVAL="1", WEB_CONCURRENCY="2")
    assert ends(service) == 4, service.log
    told = {one["event"] for one in service.events(level="critical")}
    assert told == {f"alertsync cannot start: the store ({service.state_dir / 'alertsync.db'}) {WHY}"}
    assert "Traceback" not in service.log
    assert content(tmp_path) == later
    assert not world.irm.server.received


@pytest.mark.parametrize("name", ["check", "run"])
def test_no_command_of_an_older_version_does_anything(
    tmp_path: Path, world: World, later: bytes, name: str
) -> None:
    done = command(name, home=tmp_path, settings=world.settings())
    assert done.returncode == 1
    assert done.stderr == f"alertsync: the store ({tmp_path / 'state' / 'alertsync.db'}) {WHY}\n"
    assert done.stdout == ""
    assert content(tmp_path) == later
    assert not world.irm.server.received


def test_an_earlier_version_pays_what_a_later_one_resolved_once_its_database_is_moved_away(
    tmp_path: Path, world: World
) -> None:
    world.fire("Owed")
    silence = world.silence("Owed")
    service = service_of(tmp_path, world, RECONCILE_INTERVAL="0.5", WATCH_INTERVAL="0")
    with service:
        resolved = world.irm.until_resolved("Owed", within=PATIENCE)
        service.observe_runs(1, within=PATIENCE)
    upgrade(service.state_dir)
    for file in service.state_dir.glob("alertsync.db*"):
        file.rename(tmp_path / file.name)
    with service:
        expect("what it owes is known", lambda: service.get("/api/v1/debts").json()["items"], within=PATIENCE)
        world.alertmanager.expire(silence)
        expect("the page comes back", lambda: world.irm.group("Owed") is not resolved, within=PATIENCE)
    assert world.irm.resolves == [resolved.id]
