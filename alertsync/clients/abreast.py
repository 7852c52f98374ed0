"""Makes calls side by side, on threads that are made when they are first needed, and last: so do their connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from alertsync.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

T = TypeVar("T")


class Abreast:
    """Makes at most so many calls at the same time; `name` is that of its threads."""

    def __init__(self, most: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix=name)

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call as soon as a thread is free; raise `StoppedError` where the process has none to give any more."""
        try:
            return self._threads.submit(call)
        except RuntimeError as error:
            raise StoppedError(
                f"alertsync is stopping, so this run ended before it was done: {error}"
            ) from error

    def all(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """Give what each call gave, in their order; raise the error of the first that failed."""
        futures: list[Future[T]] = []
        try:
            futures.extend(map(self.begin, calls))
        finally:
            # Before anything is raised: none may go on after the run.
            wait(futures)
        return [future.result() for future in futures]
