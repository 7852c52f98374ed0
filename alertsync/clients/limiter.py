"""Keeps our side of IRM's rate limit, so that we are polite before we are told to be.

IRM counts the requests of a user, all tokens together, over a sliding window (300 in 5 minutes by its
documentation), and a person who shares the user must not be locked out by us. The window is this process's
own: runs never overlap, so a second worker that takes over starts with an empty one, and IRM's 429 is
honoured either way.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertsync.clock import Clock
    from alertsync.config_parsers import RateLimit

LONGEST_QUIET_SECONDS = 900.0
"""The longest that a server can make us stay away: what asks for more is a mistake, and owed pages wait for us."""


class Limiter:
    """At most `limit.requests` in any `limit.seconds`, and none before a time that the server named."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=limit.requests)
        self._closed_until = float("-inf")
        self._lock = threading.Lock()

    def wait_needed(self, requests: int = 1) -> float:
        """Seconds until so many requests may be sent; 0 if they may be now."""
        with self._lock:
            return self._wait(requests)

    def _wait(self, requests: int) -> float:
        now = self._clock.monotonic()
        wait = self._closed_until - now
        too_many = len(self._sent) + min(requests, self.limit.requests) - self.limit.requests
        if too_many > 0:
            wait = max(wait, self._sent[too_many - 1] + self.limit.seconds - now)
        return max(wait, 0.0)

    def room(self) -> int:
        """How many requests may be sent now."""
        with self._lock:
            now = self._clock.monotonic()
            if self._closed_until > now:
                return 0
            return self.limit.requests - sum(at + self.limit.seconds > now for at in self._sent)

    @property
    def server_asked(self) -> bool:
        """Whether it is the server that wants no request now."""
        return self._closed_until > self._clock.monotonic()

    def claim(self) -> float:
        """Count a request that is about to be sent, and give 0; or the seconds until it may be, and count none.

        In one step, as several threads may ask at the same time for the last one that is left.
        """
        with self._lock:
            if (wait := self._wait(1)) == 0:
                self._sent.append(self._clock.monotonic())
            return wait

    def close_for(self, seconds: float) -> None:
        """Send nothing for `seconds`, at most a quarter of an hour: the server said so."""
        with self._lock:
            ends = self._clock.monotonic() + min(seconds, LONGEST_QUIET_SECONDS)
            self._closed_until = max(self._closed_until, ends)
