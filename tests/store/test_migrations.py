"""The tables: the steps lead to what the code describes, from nothing and forward only."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from alertsync.models import Ledger, LedgerChange
from alertsync.store import migrate, sqlite
from alertsync.store.schema import debts, identity, metadata
from tests.store.values import a_debt, a_store, an_irm_silence, url_of
from tests.unit.clocks import START

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine


@pytest.mark.sqlite
def test_the_steps_lead_from_nothing_to_the_tables_that_the_code_describes(tmp_path: Path) -> None:
    path = tmp_path / "alertsync.db"
    made = sqlite.engine(path, create=True)
    with made.connect() as connection, connection.begin():
        assert migrate.revision(connection) is None
        migrate.upgrade(connection)
        assert migrate.revision(connection) == migrate.HEAD
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.sqlite
def test_a_new_database_has_what_the_steps_lead_to(tmp_path: Path) -> None:
    made, led = sqlite.engine(tmp_path / "a.db", create=True), sqlite.engine(tmp_path / "b.db", create=True)
    with made.connect() as connection, connection.begin():
        migrate.create(connection)
    with led.connect() as connection, connection.begin():
        migrate.upgrade(connection)
    assert described(made) == described(led)
    assert migrate.HEAD in described(made)


def described(engine: Engine) -> list[str]:
    """Give all that a database says of its tables and indexes, and its revision."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name")
        told = [f"{name}: {' '.join(str(sql).split())}" for name, sql in rows]
        return [*told, str(migrate.revision(connection))]


@pytest.mark.sqlite
def test_the_newest_step_is_the_one_that_the_code_wants() -> None:
    scripts = ScriptDirectory(str(migrate.SCRIPTS))
    assert scripts.get_heads() == [migrate.HEAD]
    assert scripts.get_bases() == ["0001"]


@pytest.mark.sqlite
def test_a_database_of_the_first_version_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "alertsync.db"
    sqlite.engine(path, create=True).dispose()
    sqlite.use_wal(path)
    with sqlite.engine(path).execution_options(**{sqlite.WRITING: True}).begin() as connection:
        migrate.upgrade(connection, "0001")
        connection.execute(insert(identity), {"id": 1, "generation": "g", "serial": 7, "fresh": False})
        body = msgspec.json.encode(a_debt())
        row = {"id": "debt-0001", "alert_group_id": "GROUP1", "made_at": START, "body": body}
        connection.execute(insert(debts), row)
    store = a_store(tmp_path)
    assert store.ledger() == Ledger(debts=(a_debt(),))
    store.commit(LedgerChange(irm_silences=(an_irm_silence(),)))
    assert a_store(tmp_path).ledger() == Ledger(debts=(a_debt(),), irm_silences=(an_irm_silence(),))


@pytest.mark.sqlite
def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "alertsync.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE runs (somebody TEXT)")
    connection.close()
    store = a_store(tmp_path)
    assert "already exists" in store.ledger().degraded
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    connection.execute("DROP TABLE runs")
    connection.close()
    assert store.ledger().degraded == ""


@pytest.mark.sqlite
def test_a_database_that_is_not_in_wal_mode_is_put_there(tmp_path: Path) -> None:
    a_store(tmp_path).commit(LedgerChange(debts=(a_debt(),)))
    connection = sqlite3.connect(tmp_path / "alertsync.db")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    assert len(a_store(tmp_path).ledger().debts) == 1
    connection = sqlite3.connect(tmp_path / "alertsync.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.sqlite
def test_an_action_belongs_to_a_run(tmp_path: Path) -> None:
    a_store(tmp_path).ledger()
    with sqlite.engine(tmp_path / "alertsync.db").connect() as connection, pytest.raises(IntegrityError):
        connection.exec_driver_sql("INSERT INTO decisions VALUES ('none', x'5b5d')")


@pytest.mark.sqlite
def test_the_tables_can_be_made_in_postgresql_too() -> None:
    from sqlalchemy.dialects.postgresql.base import PGDialect  # noqa: PLC0415  only here

    for table in metadata.sorted_tables:
        dialect = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so
        statement = str(CreateTable(table).compile(dialect=dialect))
        assert f"CREATE TABLE {table.name}" in statement


def test_a_process_that_finds_its_tables_in_order_imports_no_alembic(tmp_path: Path) -> None:
    a_store(tmp_path).ledger()
    code = (
        "import sys; from pathlib import Path; from datetime import timedelta\n"
        "from alertsync.clock import Clock; from alertsync.store import Store\n"
        f"place, url = Path({str(tmp_path)!r}), {url_of(tmp_path)!r}\n"
        "assert Store(place, place, Clock(), retention=timedelta(days=1), url=url).ledger().degraded == ''\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
