"""Moves a store to another kind of database: all of it, while nobody uses either, and never over anything.

What was moved is set aside in the source under another name: a ledger that is there twice would page twice.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Table, delete, func, insert, inspect, select, text

from alertsync.clock import never_stop
from alertsync.errors import MovingError, SharedLockError, StateDirError
from alertsync.locks import held
from alertsync.store import sqlite
from alertsync.store.database import Database
from alertsync.store.faults import Fault
from alertsync.store.schema import facts, identity, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from alertsync.clock import Clock
    from alertsync.store.database import Stamp
    from alertsync.store.postgresql import PostgresDatabase

    AnyDatabase = Database | PostgresDatabase

_ROWS = 500
_PAGES = "page.%"
"""Facts that are published pages: the next run makes them anew."""
_WORTH = ("debts", "leases", "runs")
_OURS = ("alembic_version", *metadata.tables)


class Moved(NamedTuple):
    """How many rows of each table were moved, and as what the source is kept."""

    rows: dict[str, int]
    kept_as: str


def move(source: AnyDatabase, target: AnyDatabase, file: Database, url: str, clock: Clock) -> Moved:
    """Move everything from one to the other.

    `file` is that of them whose directory holds this host's locks, `url` is the address of the other.

    Raise `MovingError` if anybody uses them, the source holds nothing or the target something, or one cannot be used;
    the source is then as it was.
    """
    if isinstance(source, Database) and not source.path.exists():
        raise MovingError(f"there is no store to move: {source.path} does not exist. Is STATE_DIR right?")
    try:
        with _nobody_else(file, url, clock):
            # Each may have to be made, or brought up to date, first.
            found = source.run(lambda connection, _: _count(connection))
            there = target.run(lambda connection, _: _count(connection), write=True)
            if not any(found[name] for name in _WORTH):
                raise MovingError(f"the store ({source.path}) holds nothing that could be moved")
            if any(there.values()):
                raise MovingError(
                    f"the store ({target.path}) holds {there['runs']} runs and {there['debts']} debts already, and nothing "
                    "is written over: move to an empty one, or delete what is there if you are sure"
                )
            source.run(lambda connection, _: _copy(connection, target))
            if target.run(lambda connection, _: _count(connection)) != found:
                raise MovingError(f"not all of it arrived in {target.path}: the source is as it was")
            stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
            kept_as = (
                _set_file_aside(source, stamp) if isinstance(source, Database) else _rename(source, stamp)
            )
    except (Fault, StateDirError, SharedLockError) as error:
        raise MovingError(str(error)) from error
    return Moved(found, kept_as)


@contextlib.contextmanager
def _nobody_else(file: Database, url: str, clock: Clock) -> Iterator[None]:
    """Hold every lock of this host and of all hosts for the block."""
    from alertsync.store.session import Name, Session  # noqa: PLC0415  needs PostgreSQL's driver

    with contextlib.ExitStack() as stack:
        taken = [
            stack.enter_context(held(file.path.with_name(name), clock, 0.0, never_stop))
            for name in ("leader.lock", "run.lock")
        ]
        for name in Name:
            session = Session(url, name)
            stack.callback(session.close)
            taken.append(session.take())
        if not all(taken):
            raise MovingError("alertsync runs, here or on another host: stop it everywhere, and try again")
        yield


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table is not identity]


def _count(connection: Connection) -> dict[str, int]:
    found = {}
    for table in _tables():
        query = select(func.count()).select_from(table)
        if table is facts:
            query = query.where(facts.c.name.not_like(_PAGES))
        found[table.name] = int(connection.scalar(query) or 0)
    return found


def _copy(connection: Connection, target: AnyDatabase) -> None:
    """Copy every row in one transaction of the target."""

    def write(into: Connection, _: Stamp) -> None:
        # Published pages may be there, and who the target was before anything was in it.
        for table in (facts, identity):
            into.execute(delete(table))
        for table in (identity, *_tables()):
            query = select(table)
            if table is facts:
                query = query.where(facts.c.name.not_like(_PAGES))
            for rows in connection.execute(query).mappings().partitions(_ROWS):
                into.execute(insert(table), [dict(row) for row in rows])

    target.run(write, write=True)


def _set_file_aside(source: Database, stamp: str) -> str:
    kept = source.path.with_name(f"{source.path.name}.moved-{stamp}")
    for suffix in ("", *sqlite.SIDE_FILES):
        with contextlib.suppress(FileNotFoundError):
            source.path.with_name(source.path.name + suffix).rename(kept.with_name(kept.name + suffix))
    return str(kept)


def _rename(source: PostgresDatabase, stamp: str) -> str:
    """Rename all tables and their indexes, so that the next start makes new ones."""
    suffix = f"_moved_{stamp}".lower()

    def rename(connection: Connection, _: Stamp) -> None:
        quoted = connection.dialect.identifier_preparer.quote
        for table in _OURS:
            looked = inspect(connection)
            names = [str(index["name"]) for index in looked.get_indexes(table)]
            primary = looked.get_pk_constraint(table)["name"]
            for name in (*names, *([str(primary)] if primary else [])):
                connection.execute(text(f"ALTER INDEX {quoted(name)} RENAME TO {quoted(name[:40] + suffix)}"))
            connection.execute(text(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(table + suffix)}"))

    source.run(rename, write=True)
    return f"the tables …{suffix}"
