"""What stands around every page: the state in one word, and how much there is on each of the others."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Owing, RunStatus, Standing
from alertsync.web import attention, probes
from alertsync.web.attention import Attention
from alertsync.web.pages import concerns
from alertsync.web.pages.verdict import Facts, Verdict, verdict

if TYPE_CHECKING:
    from flask import Request

    from alertsync.services import Services


class Frame(msgspec.Struct, frozen=True):
    """How things stand now. `counts` holds, by the name of a page, how much there is on it that matters.

    `loud` names the page on which something cannot wait, "" if none.
    """

    verdict: Verdict
    standing: Standing
    attention: Attention
    counts: dict[str, int]
    loud: str
    now: datetime
    next_run_at: datetime | None
    leads: bool
    led_elsewhere: bool


def left(standing: Standing) -> int:
    """Count the inconsistent alert groups that the last run which could look left as they were."""
    last = standing.last
    if last is None or last.status is RunStatus.FAILED:
        return standing.inconsistencies_found
    return max(last.inconsistencies_found - last.inconsistencies_resolved, 0)


def of(services: Services, request: Request) -> Frame:
    """Gather it for a request."""
    standing = services.store.standing()
    noted = attention.of(services, curl=attention.curl(request))
    heart, clock = services.heartbeat, services.clock
    still = heart.age(clock) or 0.0
    leads, led_elsewhere = services.leads, services.led_elsewhere
    facts = Facts(
        missing=services.missing,
        attention=noted,
        last=standing.last,
        interval=services.settings.interval,
        leads=leads or led_elsewhere,
        dry_run=services.settings.policy.dry_run,
        repage=services.settings.policy.repage,
        stuck_for=still if still > probes.longest_still(services.settings) else 0.0,
        failures=standing.failures_in_a_row,
        left=left(standing),
    )
    owed = sum(standing.debts.get(state, 0) for state in Owing if state.is_open)
    silences = sum(standing.irm_silences.values()) + standing.hand_silences
    return Frame(
        verdict=verdict(facts, concerns.of(facts)),
        standing=standing,
        attention=noted,
        counts={"now": 0, "inconsistencies": facts.left, "owed": owed, "silences": silences, "history": 0},
        loud="owed" if standing.due else "",
        now=clock.now(),
        next_run_at=heart.next_run_at(clock),
        leads=leads,
        led_elsewhere=led_elsewhere,
    )
