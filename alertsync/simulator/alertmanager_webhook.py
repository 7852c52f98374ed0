"""What the simulated Alertmanager posts to a receiver.

Grafana IRM keeps these payloads, and the service judges alert groups by them, so they carry every field of
version 4 as recorded from the real program (``notify/webhook/webhook.go``, ``template/template.go``).
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import requests

from alertsync.simulator.alertmanager_dispatch import AggregationGroup, Alert
from alertsync.simulator.alertmanager_text import common_pairs, quote_meta, webhook_time

Send = Callable[[str, dict[str, Any]], bool]

logger = logging.getLogger(__name__)

_FIRING_ENDS_AT = "0001-01-01T00:00:00Z"
_TIMEOUT_SECONDS = 5


def webhook_payload(
    group: AggregationGroup, alerts: Sequence[Alert], now: datetime, *, external_url: str, max_alerts: int = 0
) -> dict[str, Any]:
    """Return the body of a webhook, version 4; common labels and status speak of the alerts listed in it."""
    listed = alerts[:max_alerts] if max_alerts else alerts
    firing = any(not alert.resolved(now) for alert in listed)
    return {
        "receiver": quote_meta(group.route.receiver),
        "status": "firing" if firing else "resolved",
        "alerts": [_webhook_alert(alert, now) for alert in listed],
        "groupLabels": dict(group.labels),
        "commonLabels": common_pairs(alert.labels for alert in listed),
        "commonAnnotations": common_pairs(alert.annotations for alert in listed),
        "externalURL": external_url,
        "version": "4",
        "groupKey": group.key,
        "truncatedAlerts": len(alerts) - len(listed),
    }


def _webhook_alert(alert: Alert, now: datetime) -> dict[str, Any]:
    resolved = alert.resolved(now)
    return {
        "status": "resolved" if resolved else "firing",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": webhook_time(alert.starts_at),
        "endsAt": webhook_time(alert.ends_at) if resolved else _FIRING_ENDS_AT,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def post(url: str, payload: dict[str, Any]) -> bool:
    """Post a webhook; tell whether it was taken. Its URL holds a secret and is never logged."""
    try:
        return requests.post(url, json=payload, timeout=_TIMEOUT_SECONDS).ok
    except requests.RequestException as error:
        logger.warning("webhook not delivered: %s", type(error).__name__)
        return False
