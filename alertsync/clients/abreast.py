"""Makes calls side by side, on threads that are made when they are first needed, and last: so do their connections."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Abreast:
    """Makes at most so many calls at the same time; `name` is that of its threads."""

    def __init__(self, most: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix=name)

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call as soon as a thread is free; make it in this one where the process has none to give any more."""
        future: Future[T] = Future()
        taken = threading.Lock()

        def make() -> None:
            if not taken.acquire(blocking=False):
                return
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001  it is raised where the future is asked
                future.set_exception(error)

        try:
            self._threads.submit(make)
        except RuntimeError:
            # It ends, or may have no more of them. The call may wait for a thread all the same, and is made once.
            make()
        return future

    def all(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """Give what each call gave, in their order; raise the error of the first that failed."""
        futures = [self.begin(call) for call in calls]
        # Before anything is raised: none may go on after the run.
        wait(futures)
        return [future.result() for future in futures]
