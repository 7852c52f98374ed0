"""Tells IRM after each run that did all that was due that we work, so that IRM pages when nobody tells it any more.

A dead alertsync cannot say that it is dead. IRM can: an integration of its has a heartbeat, and when none came for as long
as is set there, IRM opens an alert group. What counts is that runs do what they should, not that a process lives, so
a failed or partial run sends none. A run with `DRY_RUN=true` sends one, as it does all that it is set to do, and people
see that IRM hears us before they turn us on; a dry run that somebody asked for tells nothing of the loop, and sends none.

A heartbeat that does not arrive is told and counted, and never makes a run fail: the next run sends another.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from alertsync.clock import Deadline
from alertsync.errors import StoppedError, UpstreamError
from alertsync.models import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.clients.irm import IrmClient
    from alertsync.clock import Clock
    from alertsync.models import IrmHeartbeat

log = logging.getLogger(__name__)

_SECONDS = 10.0
"""How long a heartbeat may take in all: the next run waits for it."""


def beat(  # noqa: PLR0913  whom to tell, of what, and the time it may take
    irm: IrmClient,
    integration_id: str | None,
    status: RunStatus,
    known: IrmHeartbeat,
    *,
    clock: Clock,
    should_stop: Callable[[], bool],
) -> IrmHeartbeat:
    """Send a heartbeat if a run ended so that one is due, and give what is known of heartbeats after that. Never raises."""
    if integration_id is None:
        return msgspec.structs.replace(known, problem="")
    if status is not RunStatus.SUCCESS:
        return known
    try:
        irm.beat(integration_id, Deadline(clock, _SECONDS, should_stop))
    except StoppedError:
        return known
    except UpstreamError as error:
        return _unsent(known, str(error))
    except Exception:
        # The record of the run comes after this, and must be written whatever a link of a stranger's brings about.
        log.exception("a heartbeat met an unexpected error")
        return _unsent(
            known, "an unexpected error kept the heartbeat from IRM: alertsync's log has the details"
        )
    if known.problem:
        log.info("IRM takes our heartbeat again")
    return msgspec.structs.replace(known, sent=known.sent + 1, sent_at=clock.now(), problem="")


def _unsent(known: IrmHeartbeat, problem: str) -> IrmHeartbeat:
    """Count one that IRM did not take; why is logged when it is news, and shown for as long as it lasts."""
    if problem != known.problem:
        log.warning("IRM did not take our heartbeat", extra={"reason": problem})
    return msgspec.structs.replace(known, failed=known.failed + 1, problem=problem)
