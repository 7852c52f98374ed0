"""Hears SIGINT and SIGTERM for programs of ours that run until somebody ends them.

What a signal interrupts may hold any lock, and what it calls then would wait for that lock for ever: a `threading.Event`
that is set by a handler while the main thread begins to wait for it ends nothing any more. So a handler only notes
that the signal came.
"""

from __future__ import annotations

import signal
import time

_LOOK_SECONDS = 0.1


class Ending:
    """Whether this process was asked to end since this was made, in its main thread."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, *_: object) -> None:
        self._asked = True

    def __call__(self) -> bool:
        """Tell whether to end."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait until it is asked to end, for so many seconds at most, and tell whether it is."""
        until = time.monotonic() + seconds
        while not self._asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        return self._asked
