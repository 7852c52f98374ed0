"""All that is particular to SQLite: how it is opened, what its errors mean, and when a file is damaged.

Every operation opens the file anew. A connection that is kept would go on writing into a file that somebody has
deleted, and would not survive a fork; opening costs less than a millisecond.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process to end its own."""

WRITING = "alertsync_writing"
"""The execution option of connections that will write: they take SQLite's write lock at once.

A transaction that first reads and then wants to write would be refused, without waiting, if another process wrote
in between.
"""

SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, and what belongs to it wherever it goes."""


class Trouble(StrEnum):
    """What is wrong with a database."""

    DAMAGED = "damaged"
    UNPREPARED = "unprepared"
    NEWER = "newer"
    FULL = "full"
    READ_ONLY = "read_only"
    BUSY = "busy"
    UNOPENABLE = "unopenable"
    INPUT_OUTPUT = "input_output"
    OTHER = "other"


_BY_CODE = {
    sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_PERM: Trouble.READ_ONLY,
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_PROTOCOL: Trouble.BUSY,
    sqlite3.SQLITE_CANTOPEN: Trouble.UNOPENABLE,
    sqlite3.SQLITE_IOERR: Trouble.INPUT_OUTPUT,
}


def trouble(error: Exception) -> Trouble:
    """Tell what an error of SQLite means. Only SQLite's own word makes a file damaged; a full disk never does."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, Exception):
        error = error.orig
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        # The low byte is the kind of error; the rest says more than we ask.
        return _BY_CODE.get(code & 0xFF, Trouble.OTHER)
    if "decode to UTF-8" in str(error):
        return Trouble.DAMAGED
    return Trouble.OTHER


def engine(path: Path, *, create: bool = False) -> Engine:
    """Make an engine for the file at `path`, which must exist unless it may be created."""

    def connect() -> sqlite3.Connection:
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # transactions begin where SQLAlchemy says, see `_begin`
        )
        try:
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cell_size_check=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    made = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
    event.listen(made, "begin", _begin)
    return made


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def is_wal(connection: Connection) -> bool:
    """Tell whether readers and the writer of this database leave each other alone."""
    return bool(connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal")


def use_wal(path: Path) -> None:
    """Let readers and the writer of this database leave each other alone, for good; make the file if need be."""
    made = engine(path, create=True)
    raw = made.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        raw.close()


@contextlib.contextmanager
def copied(path: Path) -> Iterator[Path]:
    """Copy a database to where temporary files go, or to memory: SQLite reads none without writing beside it.

    Raise `OSError` if that is impossible, or somebody writes into it meanwhile.
    """
    parts = [part for part in (path, path.with_name(f"{path.name}-wal")) if part.exists()]
    wanted = 2 * sum(part.stat().st_size for part in parts) + (1 << 20)
    with tempfile.TemporaryDirectory(dir=_roomy(wanted)) as directory:
        before = [part.stat().st_mtime_ns for part in parts]
        for part in parts:
            shutil.copyfile(part, Path(directory) / part.name)
        if before != [part.stat().st_mtime_ns for part in parts]:
            raise OSError("it is being written to")
        yield Path(directory) / path.name


def _roomy(wanted: int) -> str | None:
    """Give a directory with so many bytes left: temporary files may live on the very disk that is full."""
    for place in (tempfile.gettempdir(), "/dev/shm"):  # noqa: S108  only unguessable names are made there
        with contextlib.suppress(OSError):
            if os.access(place, os.W_OK) and shutil.disk_usage(place).free > wanted:
                return place
    return None


def damage(path: Path) -> str:
    """Look through a whole file, alone; give what is wrong with it, "" if nothing is.

    Raise what SQLite raises if it cannot tell, for instance because the disk is full.
    """
    made = engine(path)
    try:
        with made.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            return "" if found == "ok" else str(found)
    except (DBAPIError, sqlite3.Error) as error:
        if trouble(error) is Trouble.DAMAGED:
            return str(getattr(error, "orig", error))
        raise
