"""Keeps what was read for as long as nothing says that it may have changed, and never for long.

A scrape wants two words of the database, and may come while a flood of requests fills the worker: opening the database
then costs more than all the rest of the answer, as every step of it waits for the other threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

T = TypeVar("T")

_SECONDS = 5.0
"""After this it is read anew though nothing says so: a disk that breaks changes no file."""


class Glance(Generic[T]):
    """What was read last, and under which stamp; `monotonic` is in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: tuple[Hashable, float, T] | None = None

    def at(self, stamp: Hashable, read: Callable[[], T], *, keeps: Callable[[], bool]) -> T:
        """Give what was read under this stamp, or read it, and keep it if it `keeps`.

        The stamp is taken before: what is read later than its stamp is read once more, and never told too long.
        """
        kept, now = self._kept, self._monotonic()
        if kept is not None and kept[0] == stamp and now - kept[1] < _SECONDS:
            return kept[2]
        found = read()
        self._kept = (stamp, now, found) if keeps() else None
        return found


def identity(path: Path) -> Hashable:
    """Tell files apart that have one name after the other, and how they may be used; the errno where there is none.

    What is written into a file does not change it.
    """
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid
