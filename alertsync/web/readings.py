"""Explanations of alert groups, read live for whoever asks: one at a time, as each reads both systems whole.

Silences that are made by hand take the same turn, as they read as much.
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING

from alertsync.errors import NotReadyError, UnknownAlertGroupError
from alertsync.web import problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.models import Explanation
    from alertsync.services import Services

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
RETRY_SECONDS = 5


class Readings:
    """Reads for the requests of this worker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # More at once would use up IRM's limit and our threads.
        self._reading = threading.BoundedSemaphore(1)

    def read(self, alert_group_id: str) -> Explanation:
        """Read one; raise `NotReadyError`, `UnknownAlertGroupError`, `UpstreamError`, or a problem while another is read."""
        if self._services.reconciler is None:
            missing = self._services.missing
            raise NotReadyError("; ".join(f"{name} {text}" for name, text in missing.items()))
        if not _ID.fullmatch(alert_group_id):
            raise UnknownAlertGroupError("this is no id that IRM gives")
        with self.alone():
            return self._services.reconciler.explain(alert_group_id)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else of this worker read meanwhile; raise a problem while somebody does."""
        if not self._reading.acquire(blocking=False):
            raise problems.ProblemError(
                503,
                "Too many readings at once",
                "another alert group is being read, or silenced",
                "try again after the seconds of Retry-After",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        try:
            yield
        finally:
            self._reading.release()
