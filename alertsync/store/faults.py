"""Says why the database cannot be used: what happened, where, and what to do about it.

Every error of SQLite, of the file system and of our own checks is sorted into one of a few troubles here, because
two of them call for very different acts: a damaged file is moved aside, and a full disk or a locked file never is.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from alertsync.errors import StateDirError
from alertsync.store import sqlite
from alertsync.store.gate import GateClosedError
from alertsync.store.migrate import NewerDatabaseError
from alertsync.store.sqlite import Trouble

if TYPE_CHECKING:
    from pathlib import Path


class UnpreparedError(Exception):
    """There are no tables of ours, or not those of this version, or nobody has made them ready to use."""


class Fault(Exception):  # noqa: N818  it never leaves the store
    """The database could not be used; `str()` is a sentence for a person."""


EXPECTED = (
    SQLAlchemyError,
    sqlite3.Error,
    OSError,
    StateDirError,
    NewerDatabaseError,
    UnpreparedError,
)
"""All that may come out of an attempt to use the database."""

_BY_ERRNO = {
    errno.ENOENT: Trouble.UNPREPARED,
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EFBIG: Trouble.FULL,
    errno.EROFS: Trouble.READ_ONLY,
    errno.EACCES: Trouble.READ_ONLY,
    errno.EPERM: Trouble.READ_ONLY,
    errno.EIO: Trouble.INPUT_OUTPUT,
}

_ADVICE = {
    Trouble.DAMAGED: "it is damaged. It is moved aside at the next attempt, and a new one begun",
    Trouble.UNPREPARED: "its tables are missing. They are made at the next attempt",
    Trouble.NEWER: "a later version of alertsync made it, and it is left as it is. Start that version again, as "
    "pages may be owed of which this one cannot know; docs/UPGRADING.md says how to go back",
    Trouble.FULL: "the disk is full. Make room on the volume that holds STATE_DIR",
    Trouble.READ_ONLY: "it may only be read. STATE_DIR wants a directory on a local disk that alertsync may write",
    Trouble.BUSY: "another process keeps it locked. It is tried again at the next run; if that goes on, look "
    "which process holds it open",
    Trouble.UNOPENABLE: "it cannot be opened. STATE_DIR wants a directory on a local disk that alertsync may write, "
    "and nothing but a file under this name",
    Trouble.INPUT_OUTPUT: "the disk failed to read or write. Look at the volume that holds STATE_DIR: is it full?",
    Trouble.OTHER: "an unexpected error came back",
}


def trouble(error: Exception, path: Path) -> Trouble:
    """Tell what is wrong with the database at `path`."""
    match error:
        case NewerDatabaseError():
            return Trouble.NEWER
        case UnpreparedError():
            return Trouble.UNPREPARED
        case GateClosedError():
            return Trouble.BUSY
        case StateDirError():
            return Trouble.UNOPENABLE
        case OSError():
            return _BY_ERRNO.get(error.errno or 0, Trouble.UNOPENABLE)
    found = sqlite.trouble(error)
    if found is Trouble.UNOPENABLE and not path.exists():
        return Trouble.UNPREPARED
    return found


def fault(error: Exception, path: Path, *, writing: bool) -> Fault:
    """Put an error into words; `writing` tells what was tried."""
    cause = getattr(error, "orig", None) or error
    advice = _ADVICE[trouble(error, path)]
    act = "written" if writing else "read"
    return Fault(f"the store ({path}) cannot be {act}: {advice} ({short(cause)})")


def short(cause: object) -> str:
    """Give the first line of what an error says."""
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
