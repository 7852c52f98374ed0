"""The JSON shapes of IRM's public API, field by field.

Clients break on a missing key or a changed type, so the shapes stand in one place and are compared
with answers recorded from Grafana OnCall 2026-01.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.simulator.irm_intake import grouping_template

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.simulator.irm_model import Delivery, Group, Integration, Irm, Note, User


def group(irm: Irm, it: Group) -> dict[str, object]:
    """Show an alert group; that it is attached, or silenced until when, is not shown."""
    web = f"{irm.grafana_url}/a/grafana-oncall-app/alert-groups/{it.id}"
    return {
        "id": it.id,
        "integration_id": it.integration.id,
        "team_id": None,
        "route_id": it.route_id,
        "alerts_count": len(it.deliveries),
        "state": it.state,
        "created_at": _time(it.created_at),
        "resolved_at": _time(it.resolved_at),
        "resolved_by": it.resolved_by,
        "acknowledged_at": _time(it.acknowledged_at),
        "acknowledged_by": it.acknowledged_by,
        "labels": [
            {"key": {"id": name, "name": name}, "value": {"id": value, "name": value}}
            for name, value in it.labels.items()
        ],
        "title": it.title,
        "permalinks": {"slack": None, "slack_app": None, "telegram": None, "web": web},
        "silenced_at": _time(it.silenced_at),
        "last_alert": delivery(it.deliveries[-1]) if it.deliveries else None,
    }


def delivery(it: Delivery) -> dict[str, object]:
    """Show a delivery, which the API calls an alert."""
    return {
        "id": it.id,
        "alert_group_id": it.group_id,
        "created_at": _time(it.created_at),
        "payload": it.payload,
    }


def note(it: Note) -> dict[str, object]:
    """Show a resolution note."""
    return {
        "id": it.id,
        "alert_group_id": it.group_id,
        "author": it.author.id if it.author else None,
        "source": "Web",
        "created_at": _time(it.created_at),
        "text": it.text,
    }


def user(it: User) -> dict[str, object]:
    """Show a user."""
    return {
        "id": it.id,
        "grafana_id": it.grafana_id,
        "email": it.email,
        "slack": None,
        "username": it.username,
        "role": it.role,
        "is_phone_number_verified": False,
        "timezone": None,
        "teams": [],
    }


def integration(irm: Irm, it: Integration) -> dict[str, object]:
    """Show an integration; `link` is its inbound URL, a secret."""
    link = f"{irm.api_url}{it.path}"
    disabled = {"id": None, "enabled": False}
    return {
        "maintenance_mode": it.maintenance_mode,
        "maintenance_started_at": _time(it.maintenance_started_at),
        "maintenance_end_at": None,
        "id": it.id,
        "name": it.name,
        "description_short": None,
        "team_id": None,
        "link": link,
        "inbound_email": None,
        "type": it.shown_type,
        "templates": _templates(it),
        "heartbeat": {"link": f"{link}heartbeat/"} if it.has_heartbeat else None,
        "default_route": {
            "id": it.route_id,
            "escalation_chain_id": it.escalation_chain_id,
            "slack": {"channel_id": None, "enabled": True},
            "telegram": disabled,
            "mobile_app": disabled,
            "mobile_app_critical": disabled,
            "email": disabled,
            "webhook": disabled,
        },
    }


def _templates(it: Integration) -> dict[str, object]:
    text = {"title": None, "message": None}
    rich = {**text, "image_url": None}
    return {
        "grouping_key": grouping_template(it),
        "resolve_signal": None,
        "acknowledge_signal": None,
        "source_link": None,
        "slack": rich,
        "web": rich,
        "sms": {"title": None},
        "phone_call": {"title": None},
        "telegram": rich,
        "mobile_app": text,
        "email": text,
        "webhook": rich,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
