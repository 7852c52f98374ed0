"""Runs transactions, and makes the database usable first where it is not.

A file that is missing is made, older tables are brought up to date, a damaged file is moved aside; all that once,
behind the gate, then the transaction is tried again. Whatever is still in the way leaves as a `Fault`. Each
transaction begins by reading the stamp of the database, so that a file that was replaced, or brought to a later
version, in the middle of our work is noticed before anything is read from it or written to it.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sqlalchemy import column, insert, select, table, true
from sqlalchemy.exc import DBAPIError

from alertsync.store import glance, migrate, sqlite
from alertsync.store.faults import EXPECTED, UnpreparedError, fault, trouble
from alertsync.store.gate import WAIT_SECONDS, Gate
from alertsync.store.migrate import NewerDatabaseError
from alertsync.store.schema import identity
from alertsync.store.sqlite import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from sqlalchemy import Connection

    from alertsync.clock import Clock
    from alertsync.store.postgresql import PostgresDatabase

log = logging.getLogger(__name__)

T = TypeVar("T")

_MENDABLE = frozenset({Trouble.DAMAGED, Trouble.UNPREPARED})


class Stamp(NamedTuple):
    """Which database this is (`generation`), how many commits its ledger has seen, whether adoption is to come."""

    generation: str
    serial: int
    fresh: bool


_version = table("alembic_version", column("version_num"))
STAMP = select(
    _version.c.version_num, identity.c.generation, identity.c.serial, identity.c.fresh
).select_from(_version.join(identity, true()))


def open_database(
    url: str | None, directory: Path, clock: Clock, rescue: Callable[[], None]
) -> Database | PostgresDatabase:
    """Give the database at `url`; that in `directory` where there is none."""
    if url is None:
        return Database(directory, clock, rescue)
    # Its driver need not be installed where nobody uses it.
    from alertsync.store.postgresql import PostgresDatabase  # noqa: PLC0415  see above

    return PostgresDatabase(url, clock)


def make_tables(connection: Connection) -> None:
    """Make the tables where there are none, or bring them up to date, within the transaction of this connection."""
    found = migrate.revision(connection)
    if found is None and not migrate.tables(connection):
        migrate.create(connection)
    elif found != migrate.HEAD:
        migrate.upgrade(connection)
    if connection.execute(select(identity.c.id)).first() is None:
        first = {"id": 1, "generation": secrets.token_hex(8), "serial": 0, "fresh": True}
        connection.execute(insert(identity), first)


class Database:
    """The database `alertsync.db` in a directory; holds no connection between two transactions.

    `rescue` is called before a damaged file is moved aside, to take from it by `glance` what can still be read.
    """

    shared = False
    holds = True
    """Whether other hosts use it too, and whether this process may change the ledger; the file locks see to that."""

    def __init__(self, directory: Path, clock: Clock, rescue: Callable[[], None]) -> None:
        self.path = directory / "alertsync.db"
        self._clock = clock
        self._gate = Gate(directory / "store.lock", clock)
        self._rescue = rescue
        # It keeps no connection, so that it may cross a fork.
        self._engine = sqlite.engine(self.path)
        self._is_wal = False

    def run(
        self,
        work: Callable[[Connection, Stamp], T],
        *,
        write: bool = False,
        fenced: bool = False,  # noqa: ARG002  no other host can be kept out of a file
        patience: float = WAIT_SECONDS,
    ) -> T:
        """Do `work` in one transaction, durable when this returns; raise `Fault` if that is impossible.

        `work` may be called twice, and must change nothing but the database. It may change that only with `write`.
        `patience` bounds how long another process that mends the database is waited for, in seconds.
        """
        try:
            try:
                return self._once(work, write=write, patience=patience)
            except EXPECTED as error:
                found = trouble(error, self.path)
                if found not in _MENDABLE:
                    raise
                self._mend(found)
                return self._once(work, write=write, patience=patience)
        except EXPECTED as error:
            raise fault(error, self.path, writing=write) from error

    def identity(self) -> Hashable:
        """Tell databases apart that come one after the other, and how they may be used."""
        return glance.identity(self.path)

    def close(self) -> None:
        """Do nothing: nothing is open between two transactions."""

    def _once(self, work: Callable[[Connection, Stamp], T], *, write: bool, patience: float) -> T:
        with self._gate.shared(patience):
            return self._transaction(work, write=write)

    def salvage(self, work: Callable[[Connection, Stamp], T]) -> T:
        """Read from a copy, for where the disk is full or may only be read; raise `Fault` if that is impossible."""
        try:
            with (
                self._gate.shared(),
                sqlite.copied(self.path) as copy,
                sqlite.engine(copy).connect() as connection,
                connection.begin(),
            ):
                return work(connection, self._stamp(connection))
        except EXPECTED as error:
            raise fault(error, self.path, writing=False) from error

    def glance(self, work: Callable[[Connection, Stamp], T]) -> T:
        """Read from the database as it is, for whoever holds the gate alone; raise what comes of it."""
        return self._transaction(work, write=False)

    def refuse_newer(self) -> None:
        """Raise `Fault` if a later version made the database; what else may be wrong is told when it is used."""
        try:
            self._refuse_newer()
        except NewerDatabaseError as error:
            raise fault(error, self.path, writing=False) from error
        except EXPECTED:
            return

    def _transaction(self, work: Callable[[Connection, Stamp], T], *, write: bool) -> T:
        with self._engine.connect() as connection:
            connection.execution_options(**{sqlite.WRITING: write})
            with connection.begin():
                return work(connection, self._stamp(connection))

    def _stamp(self, connection: Connection) -> Stamp:
        try:
            row = connection.execute(STAMP).one_or_none()
        except DBAPIError as error:
            if sqlite.trouble(error) is Trouble.OTHER:
                raise UnpreparedError("there are no tables of alertsync") from error
            raise
        if row is None or row[0] != migrate.HEAD:
            raise UnpreparedError("the tables are not those of this version")
        if not self._is_wal:
            if not sqlite.is_wal(connection):
                raise UnpreparedError("the database is not in WAL mode")
            self._is_wal = True
        return Stamp(*row[1:])

    def _mend(self, found: Trouble) -> None:
        """Make the database usable, unless another process has done so by now."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._gate.alone():
            if self.path.exists():
                self._refuse_newer()
                damage = sqlite.damage(self.path) if found is Trouble.DAMAGED else ""
                if damage:
                    self._rescue()
                    self._move_aside(damage)
            if not self.path.exists():
                # What SQLite kept beside a file that somebody deleted must not be read into a new one.
                self._move_aside("the file is gone, and left this behind")
                log.info("a new database is made", extra={"path": str(self.path)})
            self._make()

    def _refuse_newer(self) -> None:
        try:
            with self._engine.connect() as connection:
                migrate.refuse_newer(connection)
        except DBAPIError as error:
            if sqlite.trouble(error) is not Trouble.DAMAGED:
                raise

    def _make(self) -> None:
        sqlite.use_wal(self.path)
        writing = self._engine.execution_options(**{sqlite.WRITING: True})
        with writing.begin() as connection:
            make_tables(connection)

    def _move_aside(self, why: str) -> None:
        """Keep what is there under another name; the file itself goes first, so that no file is left without a database."""
        stem = f"{self.path.name}.corrupt-{self._clock.now():%Y%m%dT%H%M%SZ}"
        taken = [path.name for path in self.path.parent.iterdir()]
        kept, number = stem, 1
        while any(name.startswith(kept) for name in taken):
            number += 1
            kept = f"{stem}.{number}"
        moved = []
        for suffix in ("", *sqlite.SIDE_FILES):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                source.rename(self.path.with_name(kept + suffix))
                moved.append(kept + suffix)
        if moved:
            log.error(
                "the database is damaged and was moved aside",
                extra={"path": str(self.path), "kept_as": moved, "why": why},
            )
