"""Counts what this process asks of the upstreams, until somebody takes the counts to where they last.

Runs, pages that read live and the watch over silences ask side by side, from several threads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from alertsync.models import Durations, Requests

if TYPE_CHECKING:
    from alertsync.models import Operation

_RATE_LIMITED = 429


def status_of(code: int | None) -> str:
    """Give the status under which an answer is counted: one of few, whatever a server sends."""
    if code is None:
        return "none"
    if code == _RATE_LIMITED:
        return "429"
    return f"{min(max(code // 100, 2), 5)}xx"


class Tally:
    """The requests of this process that nobody has taken yet."""

    def __init__(self) -> None:
        self._answers: dict[str, int] = {}
        self._durations: dict[str, Durations] = {}
        self._guard = threading.Lock()

    def add(self, operation: Operation, code: int | None, seconds: float) -> None:
        """Count a request that took so many seconds, and its answer's status code; None if none arrived whole."""
        answer = f"{operation}/{status_of(code)}"
        with self._guard:
            self._answers[answer] = self._answers.get(answer, 0) + 1
            self._durations[operation.value] = self._durations.get(operation.value, Durations()).with_one(
                seconds
            )

    def take(self) -> Requests:
        """Give what was counted since this was last called."""
        with self._guard:
            taken = Requests(self._answers, self._durations)
            self._answers, self._durations = {}, {}
        return taken
