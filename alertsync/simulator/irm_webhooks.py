"""What IRM tells others by its outgoing webhooks, as recorded from Grafana OnCall 2026-01.

The service follows what people do in IRM, and IRM's word of it is easily told wrong: a silence that runs out is nobody's,
one for ever has no end, an acknowledgement ends a silence without a word. So the bodies are made here, field by field,
at the moment of the change; they are sent later, as IRM's are, when somebody says so.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from alertsync.simulator import irm_views

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from alertsync.simulator.irm_model import Group, Irm, User

STATUS_CHANGE = "status change"
CREATED = "alert group created"
_TIMED = frozenset({"acknowledge", "resolve", "silence", CREATED})
_TIMEOUT_SECONDS = 10
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class OutgoingWebhook:
    """An outgoing webhook: `trigger` is a type of event, or "status change" for all but the making of a group."""

    id: str
    trigger: str
    url: str
    username: str = ""
    password: str = ""

    def wants(self, event: str) -> bool:
        """Tell whether an event triggers it."""
        return self.trigger == event or (self.trigger == STATUS_CHANGE and event != CREATED)


@dataclass(frozen=True)
class Outgoing:
    """What is to be sent: to which webhook, and what."""

    webhook: OutgoingWebhook
    body: dict[str, Any]

    def send(self) -> int:
        """Post it, and give the status of the answer; 0 if there was none."""
        auth = (self.webhook.username, self.webhook.password) if self.webhook.username else None
        try:
            return requests.post(
                self.webhook.url, json=self.body, auth=auth, timeout=_TIMEOUT_SECONDS
            ).status_code
        except requests.RequestException:
            return 0


class Outbox:
    """The outgoing webhooks of one IRM, and what they are to tell; its lock guards it."""

    def __init__(self) -> None:
        self.webhooks: list[OutgoingWebhook] = []
        self._waiting: list[Outgoing] = []

    def tell(self, irm: Irm, event: str, group: Group, user: User | None, at: datetime) -> None:
        """Keep what each webhook that wants it is to tell of an event."""
        for webhook in self.webhooks:
            if webhook.wants(event):
                self._waiting.append(Outgoing(webhook, _body(irm, webhook, event, group, user=user, at=at)))

    def take(self) -> Iterator[Outgoing]:
        """Give what waits, oldest first, and forget it."""
        waiting, self._waiting = self._waiting, []
        yield from waiting


class WebhookSender:
    """Sends what IRM's webhooks tell from a thread of its own, for as long as its block lasts."""

    def __init__(self, irm: Irm) -> None:
        self._irm = irm
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="irm-webhooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_TIMEOUT_SECONDS)

    def _serve(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            for outgoing in self._irm.take_outgoing():
                outgoing.send()


def _body(  # noqa: PLR0913  each is one fact of what is told
    irm: Irm, webhook: OutgoingWebhook, event: str, group: Group, *, user: User | None, at: datetime
) -> dict[str, Any]:
    shown = {**irm_views.group(irm, group), "labels": dict(group.labels)}
    told: dict[str, Any] = {"type": event}
    if event in _TIMED:
        told["time"] = at.isoformat()
    if event == "silence":
        told["until"] = group.silenced_until.isoformat() if group.silenced_until else None
    return {
        "event": told,
        "user": _user(user),
        "alert_group": shown,
        "alert_group_id": group.id,
        "alert_payload": group.deliveries[0].payload if group.deliveries else {},
        "integration": {
            "id": group.integration.id,
            "type": group.integration.shown_type,
            "name": group.integration.name,
            "team": None,
            "labels": {},
        },
        "notified_users": [],
        "users_to_be_notified": [],
        "alert_group_acknowledged_by": _user(irm.user_by_id(group.acknowledged_by)),
        "alert_group_resolved_by": _user(irm.user_by_id(group.resolved_by)),
        "responses": {},
        "webhook": {"id": webhook.id, "name": webhook.trigger, "labels": {}},
    }


def _user(user: User | None) -> dict[str, str] | None:
    return None if user is None else {"id": user.id, "username": user.username, "email": user.email}
