"""What Grafana IRM said."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Webhook(msgspec.Struct, frozen=True, tag="webhook", gc=False):
    """The content of a delivery: Alertmanager's webhook for one aggregation group.

    `receiver` is un-quoted, `firing` and `resolved` are fingerprints, `truncated` counts alerts that
    `max_alerts` cut from the payload.
    """

    receiver: str
    group_labels: dict[str, str]
    external_url: str
    group_key: str
    firing: frozenset[str]
    resolved: frozenset[str]
    truncated: int = 0


class LegacyAlert(msgspec.Struct, frozen=True, tag="legacy", gc=False):
    """The content of a delivery of the legacy integration: a single alert, with no externalURL."""

    fingerprint: str
    firing: bool


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable", gc=False):
    """The content of a delivery that is not Alertmanager's, or was wiped."""

    why: str


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One webhook that IRM received; IRM's API calls it an alert."""

    id: str
    created_at: datetime
    content: Webhook | LegacyAlert | Unreadable


class Deliveries(msgspec.Struct, frozen=True, gc=False):
    """The deliveries of one alert group, newest first; `complete` unless there were too many to read.

    `read_at` is our time when the last page of them was asked for.
    """

    items: tuple[Delivery, ...]
    read_at: datetime
    complete: bool = True


class Integration(msgspec.Struct, frozen=True, gc=False):
    """Where deliveries enter IRM. Its inbound link holds a secret, which only the client keeps.

    `receives` whether there is such a link, `beats` whether there is one for a heartbeat; `merges` whether a template of its own decides what is grouped, so
    that one alert group may hold several places.
    """

    id: str
    name: str
    type: str
    in_maintenance: bool
    receives: bool = True
    beats: bool = False
    merges: bool = False


class AlertGroup(msgspec.Struct, frozen=True, gc=False):
    """An alert group of IRM; `state` is "firing", "acknowledged", "silenced" or "resolved".

    `alerts_count` counts deliveries, not alerts. `resolved_by` is the id of a user, None if its source did it.
    """

    id: str
    integration_id: str
    state: str
    alerts_count: int
    created_at: datetime
    title: str
    url: str | None = None
    last_delivery: Delivery | None = None
    silenced_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None


class IrmSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Every open alert group and every integration; exists only if every page arrived and parsed."""

    alert_groups: tuple[AlertGroup, ...]
    integrations: tuple[Integration, ...]
    clock: datetime
    read_at: datetime
