"""A clock that tests move by hand; waiting moves it too, so that no test has to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alertsync.clock import Clock

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeTime:
    """`clock` reads this time; its sleep passes it."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._set_back = 0.0
        self.clock = Clock(now=self._now, monotonic=lambda: self.passed, sleep=self.sleep)

    def _now(self) -> datetime:
        return START + timedelta(seconds=self.passed - self._set_back)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back; the monotonic clock goes on."""
        self._set_back += seconds
