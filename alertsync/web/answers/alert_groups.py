"""Single alert groups and alerts, with all that is known of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from alertsync import models
from alertsync.models import Action, HandledEvent, Lease, Sighting
from alertsync.web.answers.runs import Decision
from alertsync.web.answers.silences import OwnSilence


class AlertGroup(msgspec.Struct, frozen=True):
    """What IRM says of an alert group; `alerts_count` counts deliveries."""

    id: str
    integration_id: str
    state: str
    alerts_count: int
    created_at: datetime
    title: str
    url: str | None
    silenced_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


class WebhookDelivery(msgspec.Struct, frozen=True, tag="webhook"):
    """A delivery of Alertmanager: a webhook about one aggregation group."""

    id: str
    created_at: datetime
    receiver: str
    group_labels: dict[str, str]
    external_url: str
    group_key: str
    firing: tuple[str, ...]
    resolved: tuple[str, ...]
    truncated: int


class LegacyDelivery(msgspec.Struct, frozen=True, tag="legacy"):
    """A delivery of the legacy integration: a single alert."""

    id: str
    created_at: datetime
    fingerprint: str
    firing: bool


class UnreadableDelivery(msgspec.Struct, frozen=True, tag="unreadable"):
    """A delivery that is not Alertmanager's, or was wiped; `why` says which."""

    id: str
    created_at: datetime
    why: str


Delivery = WebhookDelivery | LegacyDelivery | UnreadableDelivery


class Debt(models.Debt, frozen=True, kw_only=True):
    """What a resolve of ours costs, alert by alert; `open` while something of it is still owed."""

    open: bool


class Explanation(msgspec.Struct, frozen=True):
    """Why an alert group is decided as it is, and all that this rests on.

    `silences` are those of ours in Alertmanager for it, `events` what IRM's webhooks told about it, received last first.
    """

    alert_group: AlertGroup
    decision: Decision | None
    deliveries: tuple[Delivery, ...]
    deliveries_complete: bool
    debts: tuple[Debt, ...]
    lease: Lease | None
    sighting: Sighting | None
    actions: tuple[Action, ...]
    silences: tuple[OwnSilence, ...]
    events: tuple[HandledEvent, ...]


class DebtList(msgspec.Struct, frozen=True):
    """Debts, those made last first; `degraded` says why some may be lacking."""

    items: tuple[Debt, ...]
    next: str | None
    degraded: str | msgspec.UnsetType = msgspec.UNSET


class Alerts(msgspec.Struct, frozen=True):
    """Alertmanager's alerts as it gives them, each with `silences` and `alert_groups` beside.

    `alert_groups_as_of` is when the alert groups were read; null before there was a run.
    """

    count: int
    alert_groups_as_of: datetime | None
    alerts: tuple[dict[str, Any], ...]
