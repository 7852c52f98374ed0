"""Locks between processes: who runs the loop, and that no two runs overlap.

`flock` is used because the kernel frees it when its process dies, however it dies. The file is opened by the
thread that takes the lock, so after any fork, is closed on exec, and is never unlinked: a lock on a file that
another process has replaced guards nothing. The directory must be a local disk; NFS keeps no such promise.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

from alertsync.errors import StateDirError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from alertsync.clock import Clock

_POLL_SECONDS = 0.1


class FileLock:
    """A lock that one holder on this host has at a time, in this process or another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; raise `StateDirError` if the file cannot be opened."""
        try:
            fd = open_file(self._path)
        except OSError as error:
            raise StateDirError(
                f"the lock file {self._path} cannot be opened ({error.strerror}): "
                "STATE_DIR wants a directory on a local disk that alertsync may write"
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            os.close(fd)
            raise StateDirError(f"the file system of {self._path} has no locks ({error.strerror})") from None
        self._fd = fd
        return True

    def holds(self) -> bool:
        """Tell whether it is held: nothing takes it from us."""
        return self._fd is not None

    def release(self) -> None:
        """Give the lock back; closing the file is what frees it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@contextlib.contextmanager
def all_held(
    path: Path, other: Path | None, clock: Clock, wait: float, give_up: Callable[[], bool]
) -> Iterator[bool]:
    """Hold the lock at `path`, and the `other` where its directory can be used, as `held` does."""
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(held(path, clock, wait, give_up))
        if taken and other is not None:
            # Where it cannot be used, nobody else can use it either.
            with contextlib.suppress(StateDirError):
                taken = stack.enter_context(held(other, clock, wait, give_up))
        yield taken


def open_file(path: Path) -> int:
    """Open the file; one that is there will do, where nothing can be written (any more): a lock writes nothing."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT):
            raise
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise error from None


@contextlib.contextmanager
def held(path: Path, clock: Clock, wait: float, give_up: Callable[[], bool]) -> Iterator[bool]:
    """Hold the lock at `path` for the block, waiting up to `wait` seconds for it; give whether it is held."""
    lock = FileLock(path)
    ends = clock.monotonic() + wait
    taken = lock.acquire()
    while not taken and clock.monotonic() < ends and not give_up():
        clock.sleep(_POLL_SECONDS)
        taken = lock.acquire()
    try:
        yield taken
    finally:
        if taken:
            lock.release()
