"""Which request begins next, so that no flood of requests keeps probes, pages or a run from getting on.

Python computes one thing at a time. Threads that compute side by side gain nothing, and each waits for all the others
whenever it has sent or received something: with eight of them busy, a probe that takes a millisecond took a fifth of a
second, and a run took four times as long. So requests begin one after another. Those that have not ended in a moment wait for
something, such as a run or an upstream, and keep nobody from beginning. Probes and scrapes do not queue at all.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C")

MOMENT_SECONDS = 0.05
"""A request that takes longer is one that waits."""
_PROBE = re.compile(rb"(?:GET|HEAD) /(?:healthz|readyz|metrics)[ ?]")
_BODY = re.compile(rb"\n(?:content-length|transfer-encoding|expect|upgrade)[ \t]*:", re.IGNORECASE)


class Admission(Generic[C]):
    """A queue of requests of which `most` may be under way, and one that began a moment ago; `monotonic` is in seconds."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._queue: deque[C] = deque()
        self._begun: dict[C, float] = {}

    @property
    def waits(self) -> bool:
        """Whether any request waits for its turn."""
        return bool(self._queue)

    def add(self, request: C) -> None:
        """Put a request at the end of the queue."""
        self._queue.append(request)

    def begin(self) -> C | None:
        """Give the next request if it may begin now."""
        if not self._queue or len(self._begun) >= self._most:
            return None
        now = self._monotonic()
        # The one that began last stands last.
        if self._begun and now - next(reversed(self._begun.values())) < MOMENT_SECONDS:
            return None
        request = self._queue.popleft()
        self._begun[request] = now
        return request

    def end(self, request: C) -> None:
        """Take note that a request is over."""
        del self._begun[request]


def is_probe(arrived: bytes) -> bool:
    """Tell whether this is a request of a probe or a scrape, and whole: none of its threads waits for the rest of one."""
    return (
        _PROBE.match(arrived) is not None and arrived.endswith(b"\r\n\r\n") and _BODY.search(arrived) is None
    )
