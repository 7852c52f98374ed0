"""`history`: what was done and is owed, newest first, without the service and without reaching anything."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.cli import listing, paper
from alertsync.cli.paper import printable
from alertsync.cli.tables import Styled, table
from alertsync.errors import AlertsyncError
from alertsync.models import Outcome, Owing, RunStatus
from alertsync.store import cut, key_of
from alertsync.web import own_silences, views

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alertsync.cli.paper import Paper
    from alertsync.cli.tables import Cell
    from alertsync.models import Action, Debt, HandledEvent, Summary
    from alertsync.services import Services
    from alertsync.store import Page
    from alertsync.web.answers import OwnSilence

_MAX_TITLE = 40
_STYLES = {RunStatus.SUCCESS: "green", RunStatus.PARTIAL: "yellow", RunStatus.FAILED: "red"}
_OUTCOMES = {Outcome.FAILED: "red", Outcome.NOT_ATTEMPTED: "red", Outcome.CANCELLED: "yellow"}


def show(services: Services, *, what: str, limit: int, before: str | None, as_json: bool) -> int:
    """Print a page of the runs, actions, debts, silences or events (`what`), and give the exit status."""
    store = services.store
    try:
        if what == "actions":
            return _print(
                services, store.actions(limit=limit, before=before), views.action, _actions, as_json
            )
        if what == "debts":
            return _print(services, store.debts(limit=limit, before=before), views.debt, _debts, as_json)
        if what == "silences":
            return _print(services, _own(services, limit, before), views.plain, _silences, as_json)
        if what == "events":
            return _print(services, store.events(limit=limit, before=before), views.plain, _events, as_json)
        page = store.runs(limit=limit, before=before)
        page = msgspec.structs.replace(
            page, items=tuple(views.as_of_now(one, services) for one in page.items)
        )
        return _print(services, page, views.summary, _runs, as_json)
    except ValueError:
        raise HistoryError(
            "--before is no cursor of this list: take the one that the page before it ended with"
        ) from None


class HistoryError(AlertsyncError):
    """The history cannot be shown as asked."""


def _print(
    services: Services,
    page: Page[Any],
    view: Callable[[Any], Any],
    layout: Callable[[Sequence[Any], Paper], str],
    as_json: bool,
) -> int:
    if services.store.degraded:
        sys.stderr.write(
            f"alertsync: the store is degraded, and this may lack much: {printable(services.store.degraded)}\n"
        )
    if as_json:
        json.dump({"items": [view(one) for one in page.items], "next": page.next}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    on = paper.here(services.clock)
    sys.stdout.write(f"{layout(page.items, on)}\n" if page.items else "nothing is recorded\n")
    if page.next:
        sys.stdout.write(f"\nmore with --before {page.next}\n")
    return 0


def _runs(runs: Sequence[Summary], on: Paper) -> str:
    rows = [
        (
            one.run_id,
            on.cell(one.started_at),
            one.trigger,
            Styled(
                f"{one.status.value}{' (dry run)' if one.dry_run else ''}", _STYLES.get(one.status, "yellow")
            ),
            one.message,
        )
        for one in runs
    ]
    return table(("RUN", "STARTED", "TRIGGER", "STATUS", "MESSAGE"), rows, on)


def _actions(actions: Sequence[Action], on: Paper) -> str:
    rows = [
        (
            on.cell(one.at),
            one.alert_group_id,
            one.title[:_MAX_TITLE],
            one.kind.value,
            Styled(one.outcome.value.replace("_", " "), _OUTCOMES.get(one.outcome, "green")),
            "; ".join(filter(None, (one.reason, one.detail))),
        )
        for one in actions
    ]
    return table(("TIME", "ALERT GROUP", "TITLE", "ACTION", "OUTCOME", "WHY"), rows, on)


def _debts(debts: Sequence[Debt], on: Paper) -> str:
    rows = [
        (
            on.cell(one.made_at),
            one.alert_group_id,
            one.title[:_MAX_TITLE],
            _states(one),
            on.cell(one.silenced_until) if one.is_open else "",
            _alarm_or_reason(one),
        )
        for one in debts
    ]
    return table(("MADE", "ALERT GROUP", "TITLE", "ALERTS", "SILENCED UNTIL", "WHY"), rows, on)


def _own(services: Services, limit: int, before: str | None) -> Page[OwnSilence]:
    key = key_of(before)
    found = own_silences.of(services.store.ledger(), open_only=False)
    return cut([(own_silences.key(one), one) for one in found], limit, key)


def _silences(silences: Sequence[OwnSilence], on: Paper) -> str:
    rows = [(one.alert_group_id, one.title[:_MAX_TITLE], *listing.silence_row(one, on)) for one in silences]
    return table(("ALERT GROUP", "TITLE", *listing.SILENCE_HEAD), rows, on)


def _events(events: Sequence[HandledEvent], on: Paper) -> str:
    rows = [
        (one.event.alert_group_id, one.event.title[:_MAX_TITLE], *listing.event_row(one, on))
        for one in events
    ]
    return table(("ALERT GROUP", "TITLE", *listing.EVENT_HEAD), rows, on)


def _alarm_or_reason(debt: Debt) -> Cell:
    alarm = next((alert.alarm for alert in debt.alerts if alert.alarm), "")
    return Styled(alarm, "red") if alarm else debt.reason


def _states(debt: Debt) -> str:
    if debt.void:
        return "void"
    states = [alert.state for alert in debt.alerts]
    return ", ".join(f"{states.count(state)} {state}" for state in Owing if state in states)
