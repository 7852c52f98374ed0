"""All that is particular to PostgreSQL: how it is reached, what its errors mean, and how its tables are made.

Every wait has a bound on both sides: ours, should the server say nothing any more, and the server's, should we. Reads
share a few connections. Whatever changes the ledger goes over the connection that holds the run lock, and over no other:
PostgreSQL lets nobody else have that lock while the connection lives, so what commits there was decided by who held it.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
from psycopg import conninfo
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool, QueuePool

from alertsync.store import migrate
from alertsync.store.database import STAMP, Stamp, make_tables
from alertsync.store.faults import Fault, UnpreparedError, short
from alertsync.store.gate import WAIT_SECONDS
from alertsync.store.migrate import NewerDatabaseError
from alertsync.store.schema import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from psycopg.abc import PQGen
    from sqlalchemy import Connection, Engine

    from alertsync.clock import Clock
    from alertsync.store.session import Session

_ANSWER_SECONDS = 20.0
"""How long a statement may take before we give its connection up; the server ends it earlier, if it can."""
_PAGE_SECONDS = 5.0
"""How long one may take that pages and lists wait for."""
IDLE_SECONDS = 10
"""After so many seconds without a word from us the server ends the connection that holds our locks, and frees them."""
_CONNECT_SECONDS = 3
_REST_SECONDS = 2.0
"""After an attempt in vain, pages do not try again for so long: each would wait for as long as the one before."""
_MAKING_SECONDS = 300.0
"""How long a step may take that brings large tables up to date."""
_POOLED, _MOST = 2, 8
_MAKING = 3
"""Name of the lock under which tables are made, beside those of `session`."""

_DEFAULTS = {
    "connect_timeout": _CONNECT_SECONDS,
    "fallback_application_name": "alertsync",
    "client_encoding": "utf8",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": IDLE_SECONDS * 1000,
}
"""What we ask of our end of a connection, unless DATABASE_URL does."""
_SERVER = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "4s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": f"{IDLE_SECONDS}s",
    "synchronous_commit": "on",
}
"""What we ask of the server's end. Whoever stops in the middle of a transaction gives way before others tire of waiting."""
_HOLDING = _SERVER | {
    "idle_session_timeout": f"{IDLE_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
}
_SET = (
    "SELECT set_config(name, setting, false) FROM unnest(%s::text[], %s::text[]) AS wanted(name, setting) "
    "WHERE name <> 'synchronous_commit' OR current_setting(name) = 'off'"
)

T = TypeVar("T")

EXPECTED = (SQLAlchemyError, psycopg.Error, OSError, NewerDatabaseError, UnpreparedError)
"""All that may come out of an attempt to use the database."""

_UNREACHABLE = (
    "it cannot be reached, or refuses us. Is it up, and is DATABASE_URL right? It is tried again every second"
)
_ADVICE = {
    "08": _UNREACHABLE,
    "57": _UNREACHABLE,
    "28": "it refuses our user or password. Is DATABASE_URL right, and does pg_hba.conf let us in?",
    "3D": "there is no database of that name. Create it, or name another one in DATABASE_URL",
    "25P03": _UNREACHABLE,
    "25006": "it may only be read. DATABASE_URL wants the primary, not a replica",
    "3F": "its schema is missing. Create the schema that DATABASE_URL or the user's search_path names",
    "42501": "its user lacks a right. Let the user own the database, or grant CREATE and USAGE on the schema",
    "42704": "it is too old. alertsync needs PostgreSQL 14 or later",
    "53": "it has no room left, on its disk or for connections. Look at the server's log",
    "55P03": "another process keeps it locked. It is tried again at the next run",
    "57014": "a statement took too long. It is tried again at the next run; look what keeps the server busy",
}
_OTHER = "an unexpected error came back"
_MISSING = ("42P01", "42703")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which nothing is waited for without end."""

    patience = _ANSWER_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for what the server says; one that says nothing in time is as good as gone."""
        bound = self.patience if timeout is None else timeout
        ends = time.monotonic() + bound
        try:
            return super().wait(gen, interval, timeout=bound)
        except psycopg.OperationalError:
            if time.monotonic() < ends:
                raise
            # What it would say later answers no question any more.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"PostgreSQL did not answer within {bound:g} s") from None


def connect(url: str, *, holding: bool = False) -> BoundedConnection:
    """Open a connection; one that is `holding` locks frees them after `IDLE_SECONDS` without a word from us."""
    wanted: dict[str, Any] = {**_DEFAULTS, **conninfo.conninfo_to_dict(url)}
    opened = BoundedConnection.connect(**wanted, prepare_threshold=None)
    if not holding:
        opened.patience = _PAGE_SECONDS
    try:
        asked = _HOLDING if holding else _SERVER
        opened.execute(_SET, (list(asked), list(asked.values())))
        opened.commit()
    except BaseException:
        opened.close()
        raise
    return opened


def engine(url: str, *, pooled: bool) -> Engine:
    """Make an engine; without a pool, its connections hold locks."""
    make: Callable[..., Engine] = partial(create_engine, "postgresql+psycopg://", use_native_hstore=False)
    if not pooled:
        return make(creator=lambda: connect(url, holding=True), poolclass=NullPool, pool_reset_on_return=None)
    return make(
        creator=lambda: connect(url),
        poolclass=QueuePool,
        pool_size=_POOLED,
        max_overflow=_MOST - _POOLED,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=600,
    )


@lru_cache(maxsize=1)
def holding(url: str) -> Engine:
    """Give the engine for connections that hold locks; it keeps none of them, so that it may cross a fork."""
    return engine(url, pooled=False)


def place_of(url: str) -> str:
    """Say where a database is, without its password."""
    found = conninfo.conninfo_to_dict(url)
    host, port = found.get("host", "localhost"), found.get("port", "5432")
    return f"PostgreSQL, {found.get('dbname', '')} at {host}:{port}"


def code_of(error: BaseException) -> str:
    """Give the code of an error as SQL names it; "08000", a connection that failed, where there is none."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None)
    if code:
        return str(code)
    lost = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeoutError | OSError)
    return "08000" if lost else ""


def fault(error: BaseException, place: str, *, writing: bool) -> Fault:
    """Put an error into words; `writing` tells what was tried."""
    code, act = code_of(error), "written" if writing else "read"
    if isinstance(error, NewerDatabaseError):
        advice = (
            "a later version of alertsync made it, and it is left as it is. Run that version on every host"
        )
    else:
        advice = _ADVICE.get(code) or _ADVICE.get(code[:2]) or _OTHER
    cause = getattr(error, "orig", None) or error
    return Fault(f"the store ({place}) cannot be {act}: {advice} ({short(cause)})")


class PostgresDatabase:
    """The database at `url`, which several hosts share.

    The ledger may be changed while `session` is bound, that of the run lock.
    """

    shared = True

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.path = place_of(url)
        self.session: Session | None = None
        self._clock = clock
        self._engine = engine(url, pooled=True)
        self._process = os.getpid()
        self._rests_until = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether this process may change the ledger, so far as it knows."""
        return self.session is not None and not self.session.lost

    def run(
        self,
        work: Callable[[Connection, Stamp], T],
        *,
        write: bool = False,
        fenced: bool = False,
        patience: float = WAIT_SECONDS,
    ) -> T:
        """Do `work` in one transaction, durable when this returns; raise `Fault` if that is impossible.

        `work` may be called twice. With `fenced` it is done by who holds the run lock, or not at all. A `patience` less
        than the usual is that of a page, which does not try what has just failed.
        """
        if not fenced and patience < WAIT_SECONDS and self._clock.monotonic() < self._rests_until:
            raise Fault(f"the store ({self.path}) cannot be read: {_UNREACHABLE}")
        try:
            try:
                return self._once(work, write=write, fenced=fenced)
            except EXPECTED as error:
                if not isinstance(error, UnpreparedError):
                    raise
                self._make()
                return self._once(work, write=write, fenced=fenced)
        except EXPECTED as error:
            if fenced and self.session is not None and self.session.lost:
                raise Fault(f"the store ({self.path}) cannot be written: {self.session.lost}") from error
            if code_of(error).startswith("08"):
                self._rests_until = self._clock.monotonic() + _REST_SECONDS
            raise fault(error, self.path, writing=write) from error

    def refuse_newer(self) -> None:
        """Raise `Fault` if a later version made the database; what else may be wrong is told when it is used."""
        self._leave_to_the_parent()
        try:
            with self._engine.connect() as connection:
                migrate.refuse_newer(connection)
        except NewerDatabaseError as error:
            raise fault(error, self.path, writing=False) from error
        except EXPECTED:
            return

    def salvage(self, work: Callable[[Connection, Stamp], T]) -> T:
        """Raise `Fault`: a server that is away leaves nothing to do `work` with."""
        del work
        raise Fault(f"the store ({self.path}) cannot be read: {_UNREACHABLE}")

    glance = salvage

    def identity(self) -> Hashable:
        """Give the same word always: whatever is there is asked for."""
        return self.url

    def close(self) -> None:
        """End the connections that are kept for whoever reads next."""
        self._leave_to_the_parent()
        self._engine.dispose()

    def _once(self, work: Callable[[Connection, Stamp], T], *, write: bool, fenced: bool) -> T:
        if fenced:
            session = self.session
            if session is None:
                raise Fault(
                    f"the store ({self.path}) cannot be written: this host does not hold the run lock"
                )
            return session.transaction(lambda connection: work(connection, _stamp(connection, lock=True)))
        self._leave_to_the_parent()
        with self._engine.connect() as connection:
            if not write:
                # All of it as it was at one moment.
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                done = work(connection, _stamp(connection, lock=write))
        self._rests_until = float("-inf")
        return done

    def _leave_to_the_parent(self) -> None:
        """After a fork, leave the connections to whom they belong."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._engine.dispose(close=False)

    def _make(self) -> None:
        """Make the tables, or bring them up to date, unless another process has done so by now."""
        with holding(self.url).connect() as connection, connection.begin():
            cast("BoundedConnection", connection.connection.dbapi_connection).patience = _MAKING_SECONDS
            connection.execute(text(f"SET LOCAL statement_timeout = '{_MAKING_SECONDS:g}s'"))
            connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS:g}s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({SCHEMA}, {_MAKING})"))
            migrate.refuse_newer(connection)
            make_tables(connection)


SCHEMA = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())::int"
"""The first half of the name of each lock: whoever uses another schema of the same database is not kept out."""


def _stamp(connection: Connection, *, lock: bool) -> Stamp:
    """Read the stamp; with `lock`, let nobody else write until this transaction ends."""
    try:
        row = connection.execute(STAMP.with_for_update(of=identity) if lock else STAMP).one_or_none()
    except DBAPIError as error:
        if code_of(error) in _MISSING:
            raise UnpreparedError("there are no tables of alertsync") from error
        raise
    if row is None or row[0] != migrate.HEAD:
        raise UnpreparedError("the tables are not those of this version")
    return Stamp(*row[1:])
