"""`check`: is everything right, and if not, what is wrong, in words that a tired person understands.

It reaches both systems, tells what the token may do as far as that can be known without acting, and reports
how many of IRM's open alert groups alertsync can match, and why not the others. It changes nothing anywhere.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from alertsync import config
from alertsync.cli import paper
from alertsync.cli.tables import wrap
from alertsync.clock import Deadline
from alertsync.errors import Reason, UpstreamError
from alertsync.models import DecisionKind, Operation, Snapshots
from alertsync.planner.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.cli.paper import Paper
    from alertsync.clients.irm import IrmClient
    from alertsync.models import AlertmanagerSnapshot, IrmSnapshot, Plan, Policy
    from alertsync.services import Services

_SERVICE_ACCOUNT = "glsa_"
_INVALID = "Invalid token."
_MAY_ACT = frozenset({"editor", "admin"})
_ALERTMANAGERS = frozenset({"alertmanager", "legacy_alertmanager"})
_UNMATCHED = (DecisionKind.FOREIGN, DecisionKind.UNKNOWN, DecisionKind.ATTACHED)
_MAX_REASONS = 10
_MARGIN = 10
_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `level` is "ok", "warning" or "error"; `hint` says what to do."""

    level: str
    text: str
    hint: str = ""


def check(services: Services, *, as_json: bool) -> int:
    """Look at everything, print the findings, and give the exit status: 0, or 1 if there was an error."""
    findings = []
    on = paper.here(services.clock)
    for finding in _findings(services):
        findings.append(finding)
        if not as_json:
            sys.stdout.write(_lines(finding, on))
            sys.stdout.flush()
    failed = any(finding.level == "error" for finding in findings)
    if as_json:
        json.dump({"ok": not failed, "findings": [asdict(one) for one in findings]}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    return int(failed)


def _lines(finding: Finding, on: Paper) -> str:
    """Write what was found, and below it what to do."""
    level = on.paint(finding.level, _STYLES[finding.level]) + " " * (_MARGIN - len(finding.level))
    text = _beside_the_level(finding.text, on, 0)
    hint = f"{' ' * _MARGIN}→ {_beside_the_level(finding.hint, on, 2)}\n" if finding.hint else ""
    return f"{level}{text}\n{hint}"


def _beside_the_level(text: str, on: Paper, indent: int) -> str:
    start = _MARGIN + indent
    lines = wrap(paper.printable(text), max(on.width - start, 1)) if on.width else [paper.printable(text)]
    return f"\n{' ' * start}".join(lines)


def _findings(services: Services) -> Iterator[Finding]:
    yield from _settings(services)
    deadline = Deadline(services.clock, services.settings.run_timeout)
    alertmanagers: tuple[AlertmanagerSnapshot, ...] = ()
    try:
        readings = services.alertmanager.snapshots(deadline, proven=False)
    except UpstreamError as error:
        yield Finding("error", str(error))
    else:
        alertmanagers = readings.snapshots
        yield from map(_of_alertmanager, alertmanagers)
        hint = (
            "until it answers, no alert counts as ended; take a peer that is no more out of ALERTMANAGER_HOST"
        )
        yield from (Finding("error", str(error), hint) for error in readings.errors.values())
    if services.irm is None:
        return
    for finding in _token(services, services.irm, deadline):
        yield finding
        if _INVALID in finding.text:
            return
    try:
        irm = services.irm.snapshot(deadline)
    except UpstreamError as error:
        yield Finding("error", str(error), _irm_hint(error))
        return
    yield Finding(
        "ok", f"Grafana IRM: {len(irm.alert_groups)} open alert groups, {len(irm.integrations)} integrations"
    )
    yield from _links(irm, services.settings.policy)
    yield from _heartbeat(irm, services.settings.irm.heartbeat_integration_id)
    if alertmanagers:
        yield from _coverage(services, irm, alertmanagers)


def _settings(services: Services) -> Iterator[Finding]:
    settings, store = services.settings, services.store
    where = store.place if store.shared else services.directory
    yield Finding("ok", f"settings understood; state is kept in {where}")
    if store.shared and store.ledger().degraded:
        yield Finding("error", store.degraded)
    for name, text in services.missing.items():
        yield Finding("error", f"{name} {text}")
    if settings.policy.dry_run:
        yield Finding("ok", "DRY_RUN is on: alertsync decides, and acts on nothing")
    yield from (Finding("warning", text) for text in config.warnings(settings))


def _of_alertmanager(snapshot: AlertmanagerSnapshot) -> Finding:
    alerts = {alert.fingerprint for group in snapshot.groups for alert in group.alerts}
    text = (
        f"Alertmanager {snapshot.version} at {snapshot.peer}: {len(alerts)} alerts in {len(snapshot.groups)} aggregation "
        f"groups, {len(snapshot.silences)} silences, up since {snapshot.started_at:%Y-%m-%d %H:%M} UTC"
    )
    if alerts:
        return Finding("ok", text)
    return Finding("warning", text, "an Alertmanager without any alert proves nothing: is it the right one?")


def _token(services: Services, irm: IrmClient, deadline: Deadline) -> Iterator[Finding]:
    """Tell whose token it is and whether that user may act."""
    token = services.settings.irm.token
    if token is not None and token.value.startswith(_SERVICE_ACCOUNT):
        hint = "use an API token that a user with role Editor or above made in IRM's settings"
        yield Finding(
            "error", "the token is a service account's: it can read, but IRM lets none resolve", hint
        )
        return
    try:
        user = irm.current_user(deadline)
    except UpstreamError as error:
        yield Finding("error", str(error), _irm_hint(error))
        return
    who = f"the token belongs to {user.username or user.id} (role {user.role or 'unknown'})"
    if user.role.lower() in _MAY_ACT:
        yield Finding("ok", f"{who}: may read and act")
    elif user.role:
        yield Finding(
            "error", f"{who}: may read, but not act", "give the user the role Editor, or use another's token"
        )
    else:
        yield Finding("warning", f"{who}: whether it may act shows at the first resolve")


def _irm_hint(error: UpstreamError) -> str:
    if error.reason in (Reason.NOT_JSON, Reason.NOT_FOUND, Reason.WRONG_SHAPE, Reason.REDIRECTED):
        return (
            "GRAFANA_IRM_URL wants the address that IRM's settings show under «API», such as "
            "https://oncall-prod-us-central-0.grafana.net/oncall (with or without /api/v1), not that of the Grafana stack"
        )
    if error.reason is Reason.SERVER_ERROR and error.operation == Operation.READ_USER:
        return "IRM answers so for the tokens of service accounts: use a user's API token"
    if error.reason is Reason.FORBIDDEN and error.detail == _INVALID:
        return "IRM does not know this token: copy it anew, without «Bearer»"
    if error.reason is Reason.FORBIDDEN:
        return "the token is known, but its user may not read alert groups: give it the role Editor"
    if error.reason is Reason.RATE_LIMITED:
        return "all tokens of one user share its limit: give alertsync a user of its own, or lower IRM_RATE_LIMIT"
    return ""


def _links(irm: IrmSnapshot, policy: Policy) -> Iterator[Finding]:
    """Tell for each integration whose alert groups are judged whether anything can be posted to it."""
    known = {one.id for one in irm.integrations}
    for missing in sorted(policy.integration_ids - known):
        yield Finding("error", f"IRM has no integration {missing}", "correct IRM_INTEGRATION_IDS")
    for one in irm.integrations:
        if one.type not in _ALERTMANAGERS or (
            policy.integration_ids and one.id not in policy.integration_ids
        ):
            continue
        who = f"integration {one.name or one.id} ({one.id})"
        if not one.receives:
            hint = "look at it in IRM: its settings show the address that Alertmanager posts to"
            text = f"{who}: no inbound link, so nobody could be paged again, and its alert groups are not resolved"
            yield Finding("warning", text, hint)
        elif one.in_maintenance:
            yield Finding("warning", f"{who}: in maintenance, so its alert groups are left alone")
        else:
            yield Finding("ok", f"{who}: has an inbound link, so its alerts can be paged again")


def _heartbeat(irm: IrmSnapshot, integration_id: str | None) -> Iterator[Finding]:
    """Tell whether IRM can be told that we work; none is sent, as IRM begins to wait for the next with the first."""
    if integration_id is None:
        return
    found = next((one for one in irm.integrations if one.id == integration_id), None)
    who = f"integration {found.name or found.id} ({found.id})" if found else ""
    if found is None:
        yield Finding(
            "error",
            f"IRM has no integration {integration_id} whose heartbeat could be sent",
            "correct IRM_HEARTBEAT_INTEGRATION_ID",
        )
    elif not found.beats:
        hint = "name one in IRM_HEARTBEAT_INTEGRATION_ID that has one, such as a webhook integration made for alertsync"
        yield Finding("error", f"{who}: has no heartbeat", hint)
    elif found.in_maintenance:
        yield Finding("warning", f"{who}: in maintenance, so nobody is paged when its heartbeat is missing")
    elif found.type in _ALERTMANAGERS:
        hint = (
            "take an integration of its own: whatever else sends this heartbeat hides that alertsync does not"
        )
        yield Finding("warning", f"{who}: its heartbeat may be Alertmanager's", hint)
    else:
        hint = "in IRM, set how long it may be missing, and who is paged then: its API does not show whether that is set"
        yield Finding("ok", f"{who}: its heartbeat is sent after each run that did all that was due", hint)


def _coverage(
    services: Services, irm: IrmSnapshot, alertmanagers: tuple[AlertmanagerSnapshot, ...]
) -> Iterator[Finding]:
    """Tell how many open alert groups can be matched with Alertmanager, and why not the others."""
    snapshots = Snapshots(irm=irm, alertmanagers=alertmanagers, configured=services.alertmanager.addresses)
    planned = plan(snapshots, services.store.ledger(), services.settings.policy, services.clock.now())
    unmatched = [one for one in planned.decisions if one.kind in _UNMATCHED]
    total = len(planned.decisions)
    text = f"coverage: {total - len(unmatched)} of {total} open alert groups can be matched with this Alertmanager"
    yield Finding("warning" if total and len(unmatched) == total else "ok", text)
    reasons = Counter(f"{one.kind.value}: {one.reason}" for one in unmatched)
    for reason, number in reasons.most_common(_MAX_REASONS):
        yield Finding("ok", f"  not matched, {number} times {reason}")
    if len(reasons) > _MAX_REASONS:
        yield Finding(
            "ok", f"  and {len(reasons) - _MAX_REASONS} more reasons; `python -m alertsync plan` shows all"
        )
    yield from _addresses(services, planned)


def _addresses(services: Services, planned: Plan) -> Iterator[Finding]:
    urls = ", ".join(sorted(planned.external_urls))
    if services.settings.policy.external_urls:
        yield Finding("ok", f"deliveries from {urls} are ours (ALERTMANAGER_EXTERNAL_URLS)")
    elif urls:
        hint = (
            ""
            if len(planned.external_urls) == 1
            else "name yours in ALERTMANAGER_EXTERNAL_URLS if other clusters share this IRM"
        )
        yield Finding(
            "ok" if not hint else "warning", f"deliveries from {urls} were learned to be ours", hint
        )
