"""The locks that keep the hosts apart which share a database: advisory locks, each on a connection of its own.

PostgreSQL frees such a lock when its connection ends, however it ends, as the kernel does with a lock on a file. A host
that vanishes, or whose process stands still, says nothing any more: the server ends what was silent for ten seconds. So
a thread says something every second, and notices early where nobody answers. Whoever is about to do something asks anew.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar, cast

import psycopg
from psycopg import generators
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from alertsync.clock import Hold
from alertsync.errors import LockLostError, SharedLockError
from alertsync.store import postgresql
from alertsync.store.faults import short
from alertsync.store.postgresql import IDLE_SECONDS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from alertsync.clock import Clock
    from alertsync.locks import FileLock

_PULSE_SECONDS = 1.0
_PROOF_SECONDS = 3.0
"""How long the server may take to say that it is there; one that takes longer counts as gone."""
_SURE_SECONDS = IDLE_SECONDS / 2
"""For how long the last proof is good enough for whoever does nothing."""
_POLL_SECONDS = 0.1
_OK = (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Name(IntEnum):
    """The locks of a schema."""

    LEADER = 1
    RUN = 2


class Session(Hold):
    """A connection that may hold one lock. `lost` says why it is gone for good; "" while it is not known to be."""

    def __init__(self, url: str, name: Name) -> None:
        """Connect; raise `SharedLockError` if that is impossible."""
        self.lost = ""
        self._name = name
        self._place = postgresql.place_of(url)
        self._mark = secrets.token_hex(8)
        # A transaction may take long, and ends in time by the bounds of its connection.
        self._guard = threading.RLock()
        self._ended = threading.Event()
        self._proven_at = time.monotonic()
        self._connection: Connection | None = None
        try:
            self._connection = postgresql.holding(url).connect()
            self._raw = cast("postgresql.BoundedConnection", self._connection.connection.dbapi_connection)
            # A pooler may give our connection to somebody else, who would then hold what we hold.
            taken = self._ask("SELECT nullif(current_setting('alertsync.session', true), '')")
            self._ask(f"SELECT set_config('alertsync.session', '{self._mark}', false)")
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            self.close()
            raise self._unusable(error) from error
        if taken:
            self.close()
            raise SharedLockError(
                f"{self._place} is reached through a pooler that shares connections: {_DIRECT}"
            )

    def take(self) -> bool:
        """Take the lock if it is free; raise `SharedLockError` if the server cannot be asked."""
        try:
            taken = self._ask(f"SELECT pg_try_advisory_lock({SCHEMA}, {self._name.value})") == "t"
        except (psycopg.Error, OSError) as error:
            self._lose(error)
            raise self._unusable(error) from error
        if taken:
            threading.Thread(target=self._pulse, name=f"lock-{self._name.name.lower()}", daemon=True).start()
        return taken

    def check(self) -> None:
        """Raise `LockLostError` if the lock is lost; after a while in which nobody asked, ask."""
        if not self.lost and time.monotonic() - self._proven_at < _SURE_SECONDS:
            return
        self.prove()

    def prove(self) -> None:
        """Ask the server; raise `LockLostError` unless the connection lives on which the lock is held."""
        with self._guard:
            if not self.lost:
                try:
                    if self._ask("SELECT current_setting('alertsync.session', true)") != self._mark:
                        raise psycopg.OperationalError(_GIVEN_AWAY)
                except (psycopg.Error, OSError) as error:
                    self._lose(error)
        if self.lost:
            raise LockLostError(self.lost)

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction that ends before the lock can; raise what comes of it."""
        with self._guard:
            connection = self._connection
            if self.lost or connection is None:
                # SQLAlchemy would connect anew, without the lock.
                raise psycopg.OperationalError(self.lost)
            try:
                with connection.begin():
                    self._see_that_it_is_ours(connection)
                    done = work(connection)
            except BaseException as error:
                if connection.invalidated or self._raw.closed:
                    self._lose(error)
                raise
            self._proven_at = time.monotonic()
            return done

    def _see_that_it_is_ours(self, connection: Connection) -> None:
        mark = connection.exec_driver_sql("SELECT current_setting('alertsync.session', true)").scalar()
        if mark != self._mark or self._raw.closed:
            raise psycopg.OperationalError(_GIVEN_AWAY)

    def close(self) -> None:
        """End the connection, and with it the lock."""
        self._ended.set()
        with self._guard:
            self.lost = self.lost or "it was given back"
            if self._connection is None:
                return
            with contextlib.suppress(SQLAlchemyError, psycopg.Error, OSError):
                self._connection.close()
            with contextlib.suppress(psycopg.Error, OSError):
                self._raw.close()

    def _pulse(self) -> None:
        """Say something now and then, so that the server knows us to be there, and we it."""
        while not self._ended.wait(_PULSE_SECONDS):
            try:
                self.prove()
            except LockLostError:
                return

    def _ask(self, statement: str) -> str:
        """Ask outside of any transaction; give the one value of the answer."""
        with self._guard:
            asked_at = time.monotonic()
            self._raw.pgconn.send_query(statement.encode())
            answers = self._raw.wait(generators.execute(self._raw.pgconn), timeout=_PROOF_SECONDS)
            if answers[-1].status not in _OK:
                raise psycopg.OperationalError(answers[-1].get_error_message())
            self._proven_at = asked_at
            return (answers[-1].get_value(0, 0) or b"").decode()

    def _lose(self, error: BaseException) -> None:
        if not self.lost:
            cause = short(getattr(error, "orig", None) or error)
            self.lost = (
                f"the connection to {self._place} that holds the {self._name.name.lower()} lock is lost ({cause}): "
                "another host may act now"
            )
            if not self._ended.is_set():
                log.warning("%s", self.lost)

    def _unusable(self, error: BaseException) -> SharedLockError:
        return SharedLockError(str(postgresql.fault(error, self._place, writing=False)))


_GIVEN_AWAY = "somebody else was given this connection"
_LED = text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 "  # noqa: S608  our own words
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    f"AND classid::int = {SCHEMA} AND objid = {Name.LEADER.value})"
)
_DIRECT = "DATABASE_URL wants the server itself, or a pooler in session mode, as locks belong to a connection"


def led(connection: Connection) -> bool:
    """Tell whether any host leads, as PostgreSQL knows it."""
    return bool(connection.scalar(_LED))


class Leadership:
    """The leader lock among all hosts, on top of that among the processes of this one."""

    def __init__(self, url: str, of_host: FileLock) -> None:
        self._url = url
        self._of_host = of_host
        self._session: Session | None = None
        self._taken = False

    def acquire(self) -> bool:
        """Take both if they are free; raise `StateDirError` or `SharedLockError` if one cannot be asked for."""
        if not self._of_host.holds() and not self._of_host.acquire():
            return False
        # What is taken on this host is kept: its other processes need not ask the server too.
        if self._session is None or self._session.lost:
            self._session = None
            self._session = Session(self._url, Name.LEADER)
        self._taken = self._session.take()
        return self._taken

    def holds(self) -> bool:
        """Tell whether both are held; costs nothing mostly."""
        if self._session is None or not self._taken:
            return False
        try:
            self._session.check()
        except LockLostError:
            return False
        return self._of_host.holds()

    def release(self) -> None:
        """Give both back."""
        if self._session is not None:
            self._session.close()
        self._session, self._taken = None, False
        self._of_host.release()


@contextlib.contextmanager
def run_lock(url: str, clock: Clock, wait: float, give_up: Callable[[], bool]) -> Iterator[Session | None]:
    """Hold the run lock among all hosts for the block; None if it was not free within `wait` seconds.

    Raise `SharedLockError` if the server cannot be asked.
    """
    session = Session(url, Name.RUN)
    try:
        ends = clock.monotonic() + wait
        taken = session.take()
        while not taken and clock.monotonic() < ends and not give_up():
            clock.sleep(_POLL_SECONDS)
            taken = session.take()
        yield session if taken else None
    finally:
        session.close()
