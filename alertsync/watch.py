"""Looks at Alertmanager's silences between two runs, so that a silence that is made or ended is met within seconds.

Silences are cheap to read and IRM is not touched at all, so this can happen far more often than a run. It decides
nothing: it only says that a run is worth its requests now. A silence that begins or runs out by itself changes the
set of active ones just as one that a person makes, extends or ends does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alertsync.clock import Deadline
from alertsync.errors import StoppedError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alertsync.clock import Clock

_LONGEST_LOOK_SECONDS = 5.0
"""A look must not keep a run waiting that is due."""

log = logging.getLogger(__name__)


class Watch:
    """Says when a run is wanted because the active silences changed.

    `look` reads them: by the address of each peer that answers, something that is equal while they are; it may raise
    `UpstreamError`. `interval` is in seconds between two looks, `min_gap` between two runs that are wanted.
    `waiting` names what else is to be met soon: the events of IRM's webhooks; each is a reason for one run.
    `affordable` tells whether a run more leaves enough of IRM's rate limit to those that come by the clock.
    """

    def __init__(  # noqa: PLR0913  what to look at, how often, and what bounds it
        self,
        look: Callable[[Deadline], Mapping[str, object]],
        affordable: Callable[[], bool],
        clock: Clock,
        should_stop: Callable[[], bool],
        *,
        interval: float,
        min_gap: float,
        waiting: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._look = look
        self._affordable = affordable
        self._clock = clock
        self._should_stop = should_stop
        self._interval = interval
        self._min_gap = min_gap
        self._seen: dict[str, object] = {}
        self._looked_at = self._wanted_at = float("-inf")
        self._changed = False
        self._trouble = ""
        self._waiting = waiting
        self._met: frozenset[str] = frozenset()

    def wants_run(self) -> bool:
        """Look, if it is time to, and tell whether a run is wanted now; a change is told once."""
        now = self._clock.monotonic()
        if now - self._looked_at >= self._interval:
            self._looked_at = now
            now_waiting = self._waiting()
            self._changed |= bool(now_waiting - self._met)
            self._met = now_waiting
            self._changed |= self._has_changed()
        if not self._changed or now - self._wanted_at < self._min_gap or not self._affordable():
            return False
        self._changed, self._wanted_at = False, now
        return True

    def run_begins(self) -> None:
        """Forget what changed: a run that begins now sees it."""
        self._changed = False

    def _has_changed(self) -> bool:
        deadline = Deadline(self._clock, _LONGEST_LOOK_SECONDS, self._should_stop)
        try:
            now = self._look(deadline)
        except StoppedError:
            return False
        except UpstreamError as error:
            self._tell(str(error))
            return False
        self._tell("")
        # A peer that did not answer for a while is compared with what it said last.
        changed = any(address in self._seen and self._seen[address] != said for address, said in now.items())
        self._seen |= now
        return changed

    def _tell(self, trouble: str) -> None:
        """Log what keeps us from looking when it begins and when it is over, not each time."""
        if bool(trouble) != bool(self._trouble):
            if trouble:
                log.warning(
                    "Alertmanager's silences cannot be watched; runs come by the interval alone",
                    extra={"reason": trouble},
                )
            else:
                log.info("Alertmanager's silences are watched again")
        self._trouble = trouble
