"""What a person must know before anything else: what holds alertsync back, and which pages it still owes.

The page and `/readyz` show the same. A dry run that nobody remembers, a brake, a token that may not act: each of
them is a reason why nothing happens, and each is said with what to do about it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync import report
from alertsync.models import Brake, Debt, Owing

if TYPE_CHECKING:
    from flask import Request

    from alertsync.models import Policy, Standing
    from alertsync.services import Services
    from alertsync.settings import WebSettings

_MAX_READ = 100
_MAX_SHOWN = 10
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", re.ASCII)


class Engaged(msgspec.Struct, frozen=True):
    """A brake that held something back in the last run, what that means, and the command that lifts it."""

    brake: str
    meaning: str
    lift: str


class Owed(msgspec.Struct, frozen=True):
    """A debt that is open; `due` if it is to be paid now, `until` when the first of its silences ends.

    `alarm` says why it cannot be paid; "" if it can.
    """

    alert_group_id: str
    title: str
    due: bool
    until: datetime | None
    alarm: str


class Attention(msgspec.Struct, frozen=True):
    """What holds alertsync back, and what it owes.

    `mode` is "" where it acts as it should, `degraded`, `cannot_act` and `heartbeat` (why IRM did
    not take our heartbeat) are "" where all is well. `due` and
    `owed` count alerts, `owing` lists the debts that were made last, those that are due first.
    """

    mode: str
    degraded: str
    cannot_act: str
    brakes: tuple[Engaged, ...]
    due: int
    owed: int
    leases: int
    owing: tuple[Owed, ...]
    more: bool
    heartbeat: str = ""


def degraded(services: Services, standing: Standing) -> str:
    """Tell why the store cannot be written, as this worker or the one that ran last knows; "" if it can."""
    return services.store.degraded or standing.degraded


def of(services: Services, *, curl: str) -> Attention:
    """Gather it; `curl` is the command that triggers a run, to which a query is added."""
    standing = services.store.standing()
    page = services.store.debts(limit=_MAX_READ, open_only=True)
    owing = sorted(map(_owed, page.items), key=lambda one: (not one.alarm, not one.due))
    return Attention(
        mode=_mode(services.settings.policy),
        degraded=degraded(services, standing),
        cannot_act=standing.cannot_act,
        brakes=tuple(_engaged(brake, curl, services.settings.web) for brake in sorted(standing.brakes)),
        due=standing.due,
        owed=standing.debts.get(Owing.OWED, 0),
        leases=standing.leases,
        owing=tuple(owing[:_MAX_SHOWN]),
        more=len(owing) > _MAX_SHOWN,
        heartbeat=standing.heartbeat.problem if services.settings.irm.heartbeat_integration_id else "",
    )


def curl(request: Request) -> str:
    """Give the command that triggers a run at the address that this request used."""
    # What a client calls our host ends in a command that somebody may paste into a shell.
    host = request.host if _HOST.fullmatch(request.host) else "localhost"
    return f"curl -X POST '{request.scheme}://{host}{request.script_root}/reconcile"


def _mode(policy: Policy) -> str:
    if policy.dry_run:
        return "DRY_RUN is on: a run decides, and acts on nothing. Pages that are due are not sent."
    if not policy.repage:
        return "REPAGE=false: when a silence ends, nobody is paged anew for what alertsync resolved."
    return ""


def _engaged(brake: Brake, command: str, web: WebSettings) -> Engaged:
    lift = f"{command}?lift={brake.value}'{_credentials(web)}"
    return Engaged(brake=brake.value, meaning=report.BRAKES[brake], lift=lift)


def _credentials(web: WebSettings) -> str:
    """Give what a command needs to be let in; the secret is the reader's to add."""
    if web.open:
        return ""
    return " -u YOUR_NAME" if web.token is None else ' -H "Authorization: Bearer $TRIGGER_TOKEN"'


def _owed(debt: Debt) -> Owed:
    still = [alert for alert in debt.alerts if alert.state.is_open]
    return Owed(
        alert_group_id=debt.alert_group_id,
        title=debt.title,
        due=any(alert.state is not Owing.OWED for alert in still),
        until=debt.silenced_until,
        alarm=next((alert.alarm for alert in still if alert.alarm), ""),
    )
