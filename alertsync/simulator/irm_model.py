"""Grafana IRM in memory: what it would do with deliveries, actions, silences and time.

The product's worst mistakes are lost pages, and whether a page is lost is decided in IRM by rules
that no response shows: which group takes a delivery, who is paged again, when a silence ends. This
model follows those rules (observed on Grafana OnCall 2026-01), with a clock and a seed from outside,
and keeps the pages, so that a test can ask the only question that matters: was somebody called?
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from alertsync.simulator import irm_actions, irm_intake
from alertsync.simulator.irm_actions import Act
from alertsync.simulator.irm_directory import Directory, utc_now
from alertsync.simulator.irm_groups import Groups
from alertsync.simulator.irm_records import (
    ACKNOWLEDGED,
    FIRING,
    MAINTENANCE,
    RESOLVED,
    SILENCED,
    STATES,
    Delivery,
    Group,
    Integration,
    Note,
    Page,
    RefusedError,
    User,
)
from alertsync.simulator.irm_webhooks import CREATED, STATUS_CHANGE, Outbox, Outgoing, OutgoingWebhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

__all__ = ["Delivery", "Group", "Integration", "Irm", "Note", "Page", "RefusedError", "User"]


class Irm(Directory):
    """One IRM organisation. Every method may be called from any thread.

    IRM's silences end when the clock passes their end, noticed at the next access. `on_page_read`
    is called with the state and the page number after each page of alert groups has been read, so that a
    test can move groups between pages.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = utc_now,
        seed: int = 0,
        api_url: str = "http://irm.example",
        grafana_url: str = "http://grafana.example",
        rate_limit: tuple[int, float] | None = None,
    ) -> None:
        super().__init__(
            clock=clock, seed=seed, api_url=api_url, grafana_url=grafana_url, rate_limit=rate_limit
        )
        self.on_page_read: Callable[[str, int], None] | None = None
        self._pages: list[Page] = []
        self._groups = Groups(self._new_id)
        self._ending: dict[str, Group] = {}
        self._outbox = Outbox()

    # What goes out

    def add_webhook(
        self, url: str, *, trigger: str = STATUS_CHANGE, username: str = "", password: str = ""
    ) -> OutgoingWebhook:
        """Set up an outgoing webhook; what it is to tell waits until it is taken."""
        with self.lock:
            webhook = OutgoingWebhook(self._new_id("WH"), trigger, url, username, password)
            self._outbox.webhooks.append(webhook)
            return webhook

    def take_outgoing(self) -> list[Outgoing]:
        """Give what the outgoing webhooks are to tell by now, and forget it."""
        with self._now():
            return list(self._outbox.take())

    def send_webhooks(self) -> list[int]:
        """Send what the outgoing webhooks are to tell by now; give the status of each answer, 0 for none."""
        return [outgoing.send() for outgoing in self.take_outgoing()]

    # What comes in

    def deliver(self, integration: Integration, payload: object) -> str | None:
        """Take an inbound payload; return the id of the (last) alert group it went to, if any."""
        with self._now() as now:
            group = None
            for intake in irm_intake.read(integration, payload):
                group = self._groups.taker(integration, intake, now)
                self._groups.store(group, intake.payload, now)
                if intake.resolves and group.state != RESOLVED:
                    self._change("resolve", group, Act(None, now))
                elif not intake.resolves and len(group.deliveries) == 1:
                    self._outbox.tell(self, CREATED, group, None, now)
                    self._page(group, now, "created")
            return group.id if group else None

    def add_group(  # noqa: PLR0913 - each is one fact of the group
        self,
        integration: Integration,
        *,
        title: str | None = None,
        payload: object = None,
        created_at: datetime | None = None,
        state: str = FIRING,
        labels: Mapping[str, str] | None = None,
    ) -> Group:
        """Seed an alert group as if it had been there; nobody is paged.

        `payload` is kept as it is, whatever it is; None means no delivery at all. Without a
        `title` the payload gives it. A silenced group is silenced for ever.
        """
        if state not in STATES:
            raise ValueError(f"state must be one of {STATES}, not {state!r}")
        with self._now() as now:
            at = created_at or now
            group = self._groups.create(integration, self._new_id("seeded "), title or "no alerts", at)
            group.labels = dict(labels or {})
            if payload is not None:
                intake = irm_intake.read_stored(integration, payload)
                self._groups.place(group, intake.distinction)
                group.title = title or intake.title
                group.route_id = integration.route_id
                self._groups.store(group, payload, at)
            action = {ACKNOWLEDGED: "acknowledge", SILENCED: "silence", RESOLVED: "resolve"}.get(state)
            if action:
                irm_actions.apply(action, group, Act(None, at))
            return group

    def add_note(self, group_id: str, text: str, *, by: User | None) -> Note:
        """Write a resolution note; the notes of service accounts have no author."""
        with self._now() as now:
            author = None if by is None or by.is_service_account else by
            note = Note(self._new_id("M"), group_id, author, now, text)
            self._groups[group_id].notes.append(note)
            return note

    # What people and clients do

    def act(self, group_id: str, action: str, *, by: User | None, delay: int = 0) -> None:
        """Do one of `irm_actions.ACTIONS` to a group and to those attached to it.

        `delay` is the length of a silence in seconds, 0 and -1 for ever. Raises `RefusedError` if
        IRM refuses, KeyError if there is no such group.
        """
        with self._now() as now:
            group = self._groups[group_id]
            irm_actions.check(action, group)
            if group.is_maintenance:
                self._end_maintenance(group)
            else:
                self._change(action, group, Act(by.id if by else None, now, delay))

    def resolve(self, group_id: str, *, by: User | None = None) -> None:
        """Let a person resolve a group in the user interface."""
        self.act(group_id, "resolve", by=by)

    def unresolve(self, group_id: str, *, by: User | None = None) -> None:
        """Let a person un-resolve a group: it escalates again and is closed to grouping."""
        self.act(group_id, "unresolve", by=by)

    def acknowledge(self, group_id: str, *, by: User | None = None) -> None:
        """Let a person acknowledge a group, which ends its silence."""
        self.act(group_id, "acknowledge", by=by)

    def unacknowledge(self, group_id: str, *, by: User | None = None) -> None:
        """Let a person take an acknowledgement back."""
        self.act(group_id, "unacknowledge", by=by)

    def silence(self, group_id: str, *, by: User | None = None, delay: int = 0) -> None:
        """Let a person silence a group for `delay` seconds, 0 for ever."""
        self.act(group_id, "silence", by=by, delay=delay)

    def unsilence(self, group_id: str, *, by: User | None = None) -> None:
        """Let a person end a silence."""
        self.act(group_id, "unsilence", by=by)

    def attach(self, child_id: str, root_id: str) -> None:
        """Attach a group to an open one, whose fate it shares from now on."""
        with self._now() as now:
            child, root = self._groups[child_id], self._groups[root_id]
            if root.root_id is not None or root.state == RESOLVED:
                raise ValueError("groups can be attached only to an open group that is not attached itself")
            child.root_id = root.id
            irm_actions.follow(root, child, Act(None, now))

    def set_maintenance(self, integration: Integration, mode: str | None) -> None:
        """Begin maintenance, or end it (None).

        In "maintenance" new groups are attached to a root group, which belongs to an integration
        that no list shows, and are resolved with it in the end. In "debug" nobody is paged. (That
        groups are attached was observed; the rest was read in OnCall's source.)
        """
        with self._now() as now:
            if integration.maintenance_root_id is not None:
                self._change("resolve", self._groups[integration.maintenance_root_id], Act(None, now))
            integration.maintenance_mode = mode
            integration.maintenance_started_at = now if mode else None
            integration.maintenance_root_id = self._collect(integration, now) if mode == MAINTENANCE else None

    def wipe(self, group_id: str) -> None:
        """Remove what the deliveries of a group, and of those attached to it, said; resolve it for good."""
        with self._now() as now:
            root = self._groups[group_id]
            for group in (root, *self._groups.attached_to(root)):
                if group.state != RESOLVED:
                    irm_actions.apply("resolve", group, Act(None, now))
                group.title, group.wiped, group.distinction = None, True, f"wiped {group.id}"
                for delivery in group.deliveries:
                    delivery.payload = {}

    def delete(self, group_id: str) -> None:
        """Remove a group; those attached to it stand, and escalate, for themselves again."""
        with self._now() as now:
            group = self._groups.remove(group_id)
            self._ending.pop(group_id, None)
            for child in self._groups.attached_to(group):
                child.root_id = None
                if child.state == FIRING:
                    self._page(child, now, "detached")

    # What there is

    @property
    def pages(self) -> list[Page]:
        """Every call to a person so far, oldest first."""
        with self._now():
            return self._pages

    def group(self, group_id: str) -> Group:
        """Return the group itself, no copy; KeyError if there is none."""
        with self._now():
            return self._groups[group_id]

    def groups(self) -> list[Group]:
        """Return all groups, in order of creation."""
        with self._now():
            return self._groups.all()

    # Inside

    @contextmanager
    def _now(self) -> Iterator[datetime]:
        with self.lock:
            now = self.clock()
            for group in [*self._ending.values()]:
                end = group.silenced_until
                if end is None or end <= now:
                    del self._ending[group.id]
                if end is not None and end <= now:
                    irm_actions.apply("unsilence", group, Act(None, end))
                    self._outbox.tell(self, "unsilence", group, None, end)
                    self._page(group, end, "silence ended")
            yield now

    def _change(self, action: str, root: Group, act: Act) -> None:
        for group in (root, *self._groups.attached_to(root)):
            paged = irm_actions.apply(action, group, act)
            self._outbox.tell(self, action, group, self.user_by_id(act.by), act.at)
            if paged:
                self._page(group, act.at, f"{action}d")
            if group.silenced_until is not None:
                self._ending[group.id] = group

    def _end_maintenance(self, root: Group) -> None:
        for integration in self.integrations():
            if integration.maintenance_root_id == root.id:
                self.set_maintenance(integration, None)

    def _collect(self, integration: Integration, now: datetime) -> str:
        home = Integration(self._new_id("C"), "Maintenance", MAINTENANCE, "", self._new_id("R"), "")
        title = f"Maintenance of {integration.name}"
        root = self._groups.create(home, MAINTENANCE, title, now)
        self._groups.store(
            root, {"title": title, "message": "Alerts are collected here without escalation."}, now
        )
        return root.id

    def _page(self, group: Group, at: datetime, text: str) -> None:
        if group.root_id is None and group.integration.maintenance_mode is None:
            page = Page(at, group.id, text)
            group.escalation.append(page)
            self._pages.append(page)
