"""What the IRM simulator remembers: users, integrations, alert groups and what happened to them.

Plain mutable records, apart from the rules that change them, so that a test can look at
or bend any fact. Times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

FIRING, ACKNOWLEDGED, SILENCED, RESOLVED = "firing", "acknowledged", "silenced", "resolved"
STATES = (FIRING, ACKNOWLEDGED, SILENCED, RESOLVED)
ROLES = ("none", "viewer", "editor", "admin")
SERVICE_ACCOUNT_PREFIX = "glsa_"
LEGACY_PREFIX = "legacy_"
MAINTENANCE = "maintenance"


class RefusedError(Exception):
    """IRM refuses an action; the text is the `detail` of its 400."""


@dataclass(eq=False)
class User:
    """Who a token stands for: a person, or (`kind` "service_account") a machine of Grafana's.

    Several tokens may stand for one user; they share its rate limit.
    """

    id: str
    token: str
    role: str
    email: str
    username: str
    grafana_id: int
    kind: str = "user"

    @property
    def is_service_account(self) -> bool:
        """Whether this is a service account, which may read and write notes but not act."""
        return self.kind == "service_account"

    @property
    def may_read(self) -> bool:
        """Whether the role lets this user see alert groups."""
        return self.role != "none"

    @property
    def may_act(self) -> bool:
        """Whether the role lets this user change alert groups."""
        return self.role in ("editor", "admin")


@dataclass(eq=False)
class Integration:
    """Where alerts come in. `grouping` is None (by groupKey) or "label:<name>" (by that common label).

    `has_heartbeat` whether the API shows a link for its heartbeat.
    """

    id: str
    name: str
    type: str
    key: str
    route_id: str
    escalation_chain_id: str
    grouping: str | None = None
    maintenance_mode: str | None = None
    maintenance_started_at: datetime | None = None
    maintenance_root_id: str | None = None
    heartbeats: list[datetime] = field(default_factory=list)
    has_heartbeat: bool = True

    @property
    def shown_type(self) -> str:
        """The type as the API and the inbound URL show it: "legacy_alertmanager" hides its first word."""
        return self.type.removeprefix(LEGACY_PREFIX)

    @property
    def path(self) -> str:
        """The path of the inbound URL, with the trailing slash that IRM insists on."""
        return f"/integrations/v1/{self.shown_type}/{self.key}/"


@dataclass(eq=False)
class Delivery:
    """One payload received; IRM's API calls it an alert."""

    id: str
    group_id: str
    created_at: datetime
    payload: object


@dataclass(eq=False)
class Note:
    """A resolution note. `author` is None if a service account wrote it."""

    id: str
    group_id: str
    author: User | None
    created_at: datetime
    text: str


@dataclass(frozen=True)
class Page:
    """Somebody is called: when, about which alert group, and why."""

    at: datetime
    group_id: str
    text: str


@dataclass(eq=False)
class Group:
    """An alert group. Its `state` follows from the times; resolved wins over acknowledged over silenced.

    `deliveries` and `notes` are in order of arrival, `escalation` holds the pages about this
    group. `silenced_until` is None when not silenced, and when silenced for ever. A group with
    `open_for_grouping` False takes no firing delivery any more. `root_id` is the group it is
    attached to.
    """

    id: str
    integration: Integration
    distinction: str
    title: str | None
    created_at: datetime
    serial: int
    route_id: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    escalation: list[Page] = field(default_factory=list)
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    silenced_at: datetime | None = None
    silenced_until: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    open_for_grouping: bool = True
    wiped: bool = False
    root_id: str | None = None

    @property
    def state(self) -> str:
        """One of `STATES`."""
        if self.resolved_at is not None:
            return RESOLVED
        if self.acknowledged_at is not None:
            return ACKNOWLEDGED
        return SILENCED if self.silenced_at is not None else FIRING

    @property
    def is_maintenance(self) -> bool:
        """Whether this group collects what an integration in maintenance receives."""
        return self.integration.type == MAINTENANCE
