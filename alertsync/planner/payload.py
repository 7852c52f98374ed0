"""Builds Alertmanager's webhook (version 4) anew, so that IRM takes a re-page as it would have taken the page.

IRM puts it where Alertmanager's own would go: same receiver, group labels and groupKey, so that the alert group
it opens takes Alertmanager's later webhooks, and is closed by its "resolved".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from alertsync.models import Alert, Repage

_NEVER = "0001-01-01T00:00:00Z"
"""What Go writes for a time that is not set: the end of an alert that fires."""


def webhook(repage: Repage, alerts: Sequence[Alert]) -> dict[str, object]:
    """Make the payload for the alerts of a place that are active now (contract.md §2, webhook payload)."""
    return {
        "receiver": quote_meta(repage.receiver or "alertsync"),
        "status": "firing",
        "alerts": [_alert(alert) for alert in sorted(alerts, key=lambda one: one.fingerprint)],
        "groupLabels": repage.group_labels,
        "commonLabels": common([alert.labels for alert in alerts]),
        "commonAnnotations": common([alert.annotations for alert in alerts]),
        "externalURL": repage.external_url,
        "version": "4",
        "groupKey": repage.group_key or f"{{}}:alertsync/{repage.alert_group_id}",
        "truncatedAlerts": 0,
    }


def common(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Give the pairs that all share."""
    first, *others = labels
    return {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}


def quote_meta(receiver: str) -> str:
    """Quote as Go's regexp.QuoteMeta does, which Alertmanager applies to the receiver."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", receiver)


def _alert(alert: Alert) -> dict[str, object]:
    return {
        "status": "firing",
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": _time(alert.starts_at),
        "endsAt": _NEVER,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def _time(at: datetime | None) -> str:
    return at.isoformat().replace("+00:00", "Z") if at else _NEVER
