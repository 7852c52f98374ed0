"""`explain`: why an alert group is decided as it is, member by member, delivery by delivery."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from alertsync.cli import listing, live, paper
from alertsync.cli.paper import printable
from alertsync.cli.tables import table
from alertsync.errors import NotReadyError, UnknownAlertGroupError
from alertsync.models import ActionKind, LegacyAlert, Unreadable
from alertsync.web import own_silences, views

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.cli.paper import Paper
    from alertsync.models import Debt, Decision, Delivery, Explanation, Member, Silence
    from alertsync.reconciler import Reconciler
    from alertsync.services import Services

_MAX_DELIVERIES = 20
_MAX_ALERTS = 50
_MAX_SILENCES = 20
_MAX_EVENTS = 20


def explain(services: Services, alert_group_id: str, *, as_json: bool) -> int:
    """Read an alert group now, print why it is decided as it is, and give the exit status."""
    if services.reconciler is None:
        missing = "; ".join(f"{name} {text}" for name, text in services.missing.items())
        raise NotReadyError(f"nothing can be explained: {missing}")
    with live.shown(services, lambda: f"reading {alert_group_id} and what it rests on"):
        explained = _read(services.reconciler, alert_group_id)
    if as_json:
        json.dump(views.explanation(explained), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("\n".join(_lines(explained, paper.here(services.clock))) + "\n")
    return 0


def _read(reconciler: Reconciler, alert_group_id: str) -> Explanation:
    try:
        return reconciler.explain(alert_group_id)
    except UnknownAlertGroupError as error:
        raise UnknownAlertGroupError(
            f"{error}: plan shows the ids of those that are open, history --actions those that were acted upon"
        ) from None


def _lines(one: Explanation, on: Paper) -> Iterator[str]:
    group = one.alert_group
    yield printable(
        f"{group.title or group.id} ({group.id}), {group.state} in IRM, since {on.moment(group.created_at)}"
    )
    if group.url:
        yield printable(group.url)
    yield ""
    yield from _decision(one.decision, on) if one.decision else _closed(one, on)
    yield from _deliveries(one, on)
    for debt in one.debts:
        yield from _debt(debt, on)
    yield from _lease(one, on)
    yield from _silences(one, on)
    yield from _events(one, on)
    yield from _actions(one, on)


def _closed(one: Explanation, on: Paper) -> Iterator[str]:
    who = f"user {one.alert_group.resolved_by}" if one.alert_group.resolved_by else "its source"
    when = f" at {on.moment(one.alert_group.resolved_at)}" if one.alert_group.resolved_at else ""
    yield f"It is resolved, so nothing is decided about it. IRM says that {printable(who)} resolved it{when}."
    yield ""


def _decision(decision: Decision, on: Paper) -> Iterator[str]:
    yield printable(f"{decision.kind.value}: {decision.reason}")
    if decision.held:
        yield f"Nothing is done about it now, because of: {decision.held.value}"
    elif decision.action is not ActionKind.NONE:
        yield f"The next run does this: {decision.action.value}"
    yield ""
    silences = {silence.id: silence for silence in decision.silences}
    rows = [
        (_labels(member.labels), member.status.value, _why(member, silences, on))
        for member in decision.members
    ]
    if rows:
        yield table(("ALERT", "STATUS", "SILENCES"), rows[:_MAX_ALERTS], on)
        yield from _rest(len(rows), _MAX_ALERTS, "alerts")
    if decision.absent:
        yield "Its deliveries left these firing, and Alertmanager does not hold them:"
        yield f"  {', '.join(decision.absent[:_MAX_ALERTS])}"
        yield from _rest(len(decision.absent), _MAX_ALERTS, "alerts")
    yield ""


def _why(member: Member, silences: dict[str, Silence], on: Paper) -> str:
    known = [silences[name] for name in member.silenced_by if name in silences]
    return "; ".join(
        f"{one.created_by or 'somebody'} until {on.moment(one.ends_at)}{f': «{one.said}»' if one.said else ''}"
        for one in known
    )


def _deliveries(one: Explanation, on: Paper) -> Iterator[str]:
    more = "" if one.complete else ", and more than can be read"
    yield f"Deliveries, newest first ({len(one.deliveries)}{more}):"
    rows = [(on.cell(each.created_at), _said(each)) for each in one.deliveries[:_MAX_DELIVERIES]]
    if rows:
        yield table(("TIME", "WHAT IT SAID"), rows, on)
    yield from _rest(len(one.deliveries), _MAX_DELIVERIES, "deliveries")
    yield ""


def _said(delivery: Delivery) -> str:
    content = delivery.content
    if isinstance(content, Unreadable):
        return f"not readable: {content.why}"
    if isinstance(content, LegacyAlert):
        return f"{content.fingerprint} {'firing' if content.firing else 'resolved'}"
    cut = f", {content.truncated} cut off" if content.truncated else ""
    return (
        f"{len(content.firing)} firing, {len(content.resolved)} resolved{cut}; receiver {content.receiver}, "
        f"{_labels(content.group_labels)}, from {content.external_url}"
    )


def _debt(debt: Debt, on: Paper) -> Iterator[str]:
    kind = {"adopted": ", adopted by its note", "child": ", as IRM resolved it with its root"}.get(
        debt.origin, ""
    )
    how = "void, as the resolve did not happen" if debt.void else "open" if debt.is_open else "over"
    until = (
        f", silenced until {on.moment(debt.silenced_until)}" if debt.is_open and debt.silenced_until else ""
    )
    yield f"Debt of the resolve at {on.moment(debt.resolved_at or debt.made_at)}{kind}: {how}{until}"
    rows = [
        (
            _labels(alert.labels) or alert.fingerprint,
            alert.state.value,
            str(alert.posts),
            f"ALARM: {alert.alarm}" if alert.alarm else alert.why,
        )
        for alert in debt.alerts[:_MAX_ALERTS]
    ]
    yield table(("ALERT", "STATE", "POSTS", "WHY"), rows, on)
    yield from _rest(len(debt.alerts), _MAX_ALERTS, "alerts")
    yield ""


def _lease(one: Explanation, on: Paper) -> Iterator[str]:
    if one.lease is not None:
        why = f" ({one.lease.why})" if one.lease.why else ""
        yield printable(
            f"Silenced in IRM by us until {on.moment(one.lease.until)}: {one.lease.state.value}{why}"
        )
    if one.sighting is not None and one.sighting.absent_since is not None:
        yield (
            f"Its alerts are absent since {on.moment(one.sighting.absent_since)}, in {one.sighting.absent_runs} runs "
            f"in a row; last seen alive {on.moment(one.sighting.alive_at) or 'never'}"
        )


def _silences(one: Explanation, on: Paper) -> Iterator[str]:
    if own := own_silences.about(one):
        yield "Silences in Alertmanager that are ours, made last first:"
        rows = [listing.silence_row(each, on) for each in own[:_MAX_SILENCES]]
        yield table(listing.SILENCE_HEAD, rows, on)
        yield from _rest(len(own), _MAX_SILENCES, "silences")
        yield ""


def _events(one: Explanation, on: Paper) -> Iterator[str]:
    if one.events:
        yield "What IRM's webhooks told, received last first:"
        rows = [listing.event_row(each, on) for each in one.events[:_MAX_EVENTS]]
        yield table(listing.EVENT_HEAD, rows, on)
        yield from _rest(len(one.events), _MAX_EVENTS, "events")
        yield ""


def _actions(one: Explanation, on: Paper) -> Iterator[str]:
    if not one.actions:
        yield "We have never acted on it."
        return
    yield "What we did, newest first:"
    rows = [
        (
            on.cell(each.at),
            each.kind.value,
            each.outcome.value.replace("_", " "),
            each.run_id,
            "; ".join(filter(None, (each.reason, each.detail))),
        )
        for each in one.actions
    ]
    yield table(("TIME", "ACTION", "OUTCOME", "RUN", "WHY"), rows, on)


def _rest(number: int, shown: int, what: str) -> Iterator[str]:
    if number > shown:
        yield f"and {number - shown} more {what}; --json shows all"


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
