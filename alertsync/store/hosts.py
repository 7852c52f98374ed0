"""What differs where several hosts share a database: who may run and lead, and where the pages are published.

The parts that need PostgreSQL's driver are imported only there.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from alertsync.clock import UNSHARED
from alertsync.store.database import Database
from alertsync.store.published import PublishedFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from alertsync.clock import Clock, Hold
    from alertsync.locks import FileLock
    from alertsync.store.postgresql import PostgresDatabase
    from alertsync.store.session import Leadership
    from alertsync.store.shared_pages import SharedPages


@contextlib.contextmanager
def reserved(
    database: Database | PostgresDatabase, clock: Clock, wait: float, give_up: Callable[[], bool]
) -> Iterator[Hold | None]:
    """Hold the run lock among all hosts for the block; None if it was not free within `wait` seconds.

    The caller holds that of this host already.
    """
    if isinstance(database, Database):
        yield UNSHARED
        return
    from alertsync.store.session import run_lock  # noqa: PLC0415  see the docstring of the module

    with run_lock(database.url, clock, wait, give_up) as session:
        database.session = session
        try:
            yield session
        finally:
            database.session = None


def leadership(database: Database | PostgresDatabase, of_host: FileLock) -> FileLock | Leadership:
    """Give the lock of who leads among all hosts."""
    if isinstance(database, Database):
        return of_host
    from alertsync.store.session import Leadership  # noqa: PLC0415  see the docstring of the module

    return Leadership(database.url, of_host)


def is_led(database: Database | PostgresDatabase) -> bool:
    """Tell whether any host leads; without others to ask, nothing is known of that here. May raise `Fault`."""
    if isinstance(database, Database):
        return False
    from alertsync.store.session import led  # noqa: PLC0415  see the docstring of the module

    return database.run(lambda connection, _: led(connection), patience=0.0)


def pages_of(
    database: Database | PostgresDatabase, directory: Path, clock: Clock
) -> PublishedFiles | SharedPages:
    """Give where pages are published."""
    if isinstance(database, Database):
        return PublishedFiles(directory)
    from alertsync.store.shared_pages import SharedPages  # noqa: PLC0415  see the docstring of the module

    return SharedPages(database, clock)
