"""One series for each alert in Alertmanager: the largest part of the page, and rendered once a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from alertsync.metrics.text import series
from alertsync.models import AlertStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alertsync.models import Alert, AlertmanagerSnapshot


def render_alerts(snapshot: AlertmanagerSnapshot, labels: Sequence[str], annotations: Sequence[str]) -> bytes:
    """Render `alertmanager_alert_state`: one series an alert, 1 while it notifies, 0 while it is kept quiet.

    `labels` and `annotations` name what each series carries; empty where an alert lacks it.
    """
    names = ("fingerprint", "state", *labels, *annotations)
    family = GaugeMetricFamily(
        "alertmanager_alert_state",
        "Alerts in Alertmanager: 1 while active, 0 while silenced, inhibited or muted (see the label state).",
        labels=names,
    )
    return series(family, names, (_row(alert, labels, annotations) for alert in _each_once(snapshot)))


def _row(alert: Alert, labels: Sequence[str], annotations: Sequence[str]) -> tuple[Sequence[str], float]:
    carried = [alert.labels.get(name, "") for name in labels]
    carried += [alert.annotations.get(name, "") for name in annotations]
    return (alert.fingerprint, alert.status, *carried), float(alert.status is AlertStatus.ACTIVE)


def _each_once(snapshot: AlertmanagerSnapshot) -> Iterable[Alert]:
    """Give every alert once, in its most wakeful status if it stands in several aggregation groups."""
    alerts: dict[str, Alert] = {}
    for group in snapshot.groups:
        for alert in group.alerts:
            known = alerts.get(alert.fingerprint)
            if known is None or alert.status.sleep < known.status.sleep:
                alerts[alert.fingerprint] = alert
    return alerts.values()
