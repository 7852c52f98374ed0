"""How IRM reads an inbound payload: into which alert group it belongs, and what it says.

The rules differ by the integration's type and decide whether a re-posted payload finds its
old alert group, so they stand apart and can be read at a glance:

| type | one delivery per | grouped by | resolves when | title |
|---|---|---|---|---|
| alertmanager | payload | groupKey, or a common label | `status` is "resolved" | group label alertname and a space |
| legacy_alertmanager | alert in the payload | the alert's labels | the alert's `status` is "resolved" | alertname |
| any other | payload | the whole payload | never | "Incident" |

Observed on Grafana OnCall 2026-01.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertsync.simulator.irm_records import Integration

_LABEL_GROUPING = "label:"


@dataclass(frozen=True)
class Intake:
    """One delivery to be: `distinction` is equal for payloads that share an alert group."""

    payload: object
    distinction: str
    title: str
    resolves: bool


def read(integration: Integration, payload: object) -> list[Intake]:
    """Split a payload into deliveries, oldest first."""
    if integration.type == "alertmanager":
        return [_from_alertmanager(integration, _mapping(payload))]
    if integration.type == "legacy_alertmanager":
        return [_from_legacy(_mapping(alert)) for alert in _sequence(_mapping(payload).get("alerts"))]
    return [Intake(payload, _canonical(payload), "Incident", resolves=False)]


def read_stored(integration: Integration, payload: object) -> Intake:
    """Read a payload in the form in which a delivery keeps it; of its alerts, legacy keeps one each."""
    if integration.type == "legacy_alertmanager":
        return _from_legacy(_mapping(payload))
    return read(integration, payload)[0]


def grouping_template(integration: Integration) -> str | None:
    """Return the grouping template as `templates.grouping_key` shows it."""
    if integration.grouping is None:
        return None
    return f"{{{{ payload.commonLabels.{integration.grouping.removeprefix(_LABEL_GROUPING)} }}}}"


def check_grouping(grouping: str | None) -> None:
    """Raise ValueError unless `grouping` is None or "label:<name>"."""
    if grouping is not None and not grouping.startswith(_LABEL_GROUPING):
        raise ValueError(f"grouping must be None or {_LABEL_GROUPING}<name>, not {grouping!r}")


def _from_alertmanager(integration: Integration, payload: Mapping[str, object]) -> Intake:
    counted = {
        **payload,
        "numFiring": payload.get("numFiring", _count(payload, "firing")),
        "numResolved": payload.get("numResolved", _count(payload, "resolved")),
    }
    if integration.grouping is None:
        distinction = str(payload.get("groupKey", ""))
    else:
        label = integration.grouping.removeprefix(_LABEL_GROUPING)
        distinction = str(_mapping(payload.get("commonLabels")).get(label, ""))
    title = f"{_mapping(payload.get('groupLabels')).get('alertname', '')} "
    return Intake(counted, distinction, title, payload.get("status") == "resolved")


def _from_legacy(alert: Mapping[str, object]) -> Intake:
    labels = _mapping(alert.get("labels"))
    title = str(labels.get("alertname", ""))
    return Intake(dict(alert), _canonical(labels), title, alert.get("status") == "resolved")


def _count(payload: Mapping[str, object], status: str) -> int:
    return sum(_mapping(alert).get("status") == status for alert in _sequence(payload.get("alerts")))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
