"""Remembers whether the database can be used, and says so when that changes.

Reading and writing are two things: a full disk may still be read, and that it can be read must not pass for a sign
that it can be written.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertsync.store.faults import Fault

log = logging.getLogger(__name__)


class Health:
    """How the database at `place` was last found: why it cannot be written, or read; "" if it can."""

    def __init__(self, place: object) -> None:
        self._place = place
        self.unwritable = ""
        self.unreadable = ""

    @property
    def why(self) -> str:
        """Why it cannot be used, "" if it can."""
        return self.unwritable or self.unreadable

    def fails(self, fault: Fault, *, writing: bool) -> None:
        """Note that it could not be used; the log is told once, not at every attempt."""
        why = str(fault)
        if why != (self.unwritable if writing else self.unreadable):
            log.error("%s", why)
        if writing:
            self.unwritable = why
        else:
            self.unreadable = why

    def works(self, *, writing: bool) -> None:
        """Note that it could be read, or written too."""
        if self.unreadable or (writing and self.unwritable):
            log.warning("the store (%s) can be used again", self._place)
        self.unreadable = ""
        if writing:
            self.unwritable = ""
