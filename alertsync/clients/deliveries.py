"""Reads the payload of a delivery: Alertmanager's webhook, a legacy alert, or something we do not judge.

A payload is whatever was posted to the integration: an object, `{}` once wiped, a list on generic
integrations, null. Only what is certainly Alertmanager's is read; the rest is `Unreadable`, and an alert group
that rests on it is left alone.
"""

from __future__ import annotations

import re
import sys
from typing import Literal

import msgspec

from alertsync.clients.wire import Time
from alertsync.models import Delivery, LegacyAlert, Unreadable, Webhook


class WireDelivery(msgspec.Struct, gc=False):
    """A delivery as IRM lists it."""

    id: str
    created_at: Time
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Alert(msgspec.Struct, gc=False):
    status: Literal["firing", "resolved"]
    fingerprint: str


class _Webhook(msgspec.Struct, rename="camel", gc=False):
    receiver: str
    status: Literal["firing", "resolved"]
    alerts: list[_Alert]
    group_labels: dict[str, str]
    external_url: str = msgspec.field(name="externalURL")
    group_key: str
    version: Literal["4"]
    truncated_alerts: int = 0


class _Legacy(msgspec.Struct, gc=False):
    status: Literal["firing", "resolved"]
    fingerprint: str
    labels: dict[str, str]


_NONE: frozenset[str] = frozenset()
_read_webhook = msgspec.json.Decoder(_Webhook).decode
_read_legacy = msgspec.json.Decoder(_Legacy).decode


def delivery(wire: WireDelivery) -> Delivery:
    """Turn a delivery of the wire into the value that the planner judges."""
    return Delivery(id=wire.id, created_at=wire.created_at, content=_content(bytes(wire.payload)))


def _content(payload: bytes) -> Webhook | LegacyAlert | Unreadable:
    try:
        # Nearly all are; the rest is looked at more closely.
        return _webhook(_read_webhook(payload))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _otherwise(payload, error)


def _otherwise(payload: bytes, no_webhook: Exception) -> LegacyAlert | Unreadable:
    """Read a payload that is not Alertmanager's webhook, or say why it cannot be judged."""
    try:
        value = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unreadable(why="its payload is not an object")
    if not value:
        return Unreadable(why="its payload was wiped")
    if "groupKey" in value or "alerts" in value:
        return Unreadable(why=f"its payload is not Alertmanager's ({no_webhook})")
    try:
        legacy = _read_legacy(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable(why=f"its payload is not Alertmanager's ({error})")
    if not legacy.fingerprint:
        return Unreadable(why="its payload names no fingerprint")
    return LegacyAlert(fingerprint=legacy.fingerprint, firing=legacy.status == "firing")


def _webhook(wire: _Webhook) -> Webhook | Unreadable:
    if not wire.group_key or any(not alert.fingerprint for alert in wire.alerts):
        return Unreadable(why="its payload names no groupKey or no fingerprint")
    firing = [alert.fingerprint for alert in wire.alerts if alert.status == "firing"]
    resolved = [alert.fingerprint for alert in wire.alerts if alert.status == "resolved"]
    return Webhook(
        # Tens of thousands have the same, and a set of nothing is not small.
        receiver=sys.intern(unquote_meta(wire.receiver)),
        group_labels=wire.group_labels,
        external_url=sys.intern(wire.external_url.rstrip("/")),
        group_key=wire.group_key,
        firing=frozenset(firing) if firing else _NONE,
        resolved=frozenset(resolved) if resolved else _NONE,
        truncated=wire.truncated_alerts,
    )


def unquote_meta(receiver: str) -> str:
    r"""Undo Go's regexp.QuoteMeta, which Alertmanager applies to the receiver: `team\.x` is `team.x`."""
    return re.sub(r"\\([\\.+*?()|\[\]{}^$])", r"\1", receiver) if "\\" in receiver else receiver


def quote_meta(receiver: str) -> str:
    r"""Do as Go's regexp.QuoteMeta: `team.x` is `team\.x`, a regular expression that matches that receiver alone."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", receiver)
