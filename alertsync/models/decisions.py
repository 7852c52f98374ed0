"""What a plan rests on, what the operator wants, and what was decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from alertsync.models.alertmanager import AlertmanagerSnapshot, AlertStatus, Matcher, Silence
from alertsync.models.irm import AlertGroup, Deliveries, IrmSnapshot
from alertsync.models.ledger import Debt, LedgerChange
from alertsync.models.silencing import HandledEvent, WebhookEvent


class Snapshots(msgspec.Struct, frozen=True, gc=False):
    """All that a plan rests on, besides the ledger.

    `alertmanagers` are the peers that answered, `configured` the addresses of all. `deliveries` holds, by alert
    group id, those that were read beyond the last one; `later`, by integration id, the alert groups that were
    begun since our resolves there and are resolved by now, where they were read. `found` are alert groups that
    were looked up by id, None for one that is deleted.
    `searched` once all is read that is going to be read about debts. `events` are what IRM's webhooks told and no run
    has handled, `me` the id of the user whose token we use, "" where nobody asked.
    """

    irm: IrmSnapshot
    alertmanagers: tuple[AlertmanagerSnapshot, ...]
    configured: tuple[str, ...] = ("",)
    deliveries: dict[str, Deliveries] = {}
    later: dict[str, tuple[AlertGroup, ...]] = {}
    found: dict[str, AlertGroup | None] = {}
    searched: bool = False
    events: tuple[WebhookEvent, ...] = ()
    me: str = ""


class Policy(msgspec.Struct, frozen=True, gc=False):
    """The operator's rules, which the planner applies last; durations as timedelta.

    `lifted` names the brakes that a person lifted for this run: "max_actions", "gone_ratio". `silencers` are those
    whose silences in IRM Alertmanager follows, addresses or "*@domain", for at most `max_silence` at a time; what a
    silence by others gets is `strangers`, "ignore" or "unsilence".
    """

    on_silenced: str = "resolve"
    on_gone: str = "report"
    repage: bool = True
    notes: bool = True
    states: frozenset[str] = frozenset({"firing"})
    integration_ids: frozenset[str] = frozenset()
    external_urls: frozenset[str] = frozenset()
    min_silence_remaining: timedelta = timedelta(seconds=60)
    silence_lease: timedelta = timedelta(seconds=900)
    absence_after: timedelta = timedelta(seconds=900)
    absence_watchdog: str = ""
    max_actions_per_run: int = 100
    max_gone_ratio: float = 0.2
    max_deliveries: int = 500
    lifted: frozenset[str] = frozenset()
    dry_run: bool = False
    silencers: frozenset[str] = frozenset()
    max_silence: timedelta = timedelta(seconds=86400)
    strangers: str = "ignore"


class DecisionKind(StrEnum):
    """What an open alert group is; the table stands in `alertsync/planner/decide.py`."""

    SILENCED = "SILENCED"
    SILENCE_ENDING = "SILENCE_ENDING"
    SILENCED_IN_IRM = "SILENCED_IN_IRM"
    MUTED = "MUTED"
    PARTIALLY_SILENCED = "PARTIALLY_SILENCED"
    CONSISTENT = "CONSISTENT"
    GONE = "GONE"
    GONE_UNPROVEN = "GONE_UNPROVEN"
    REOPENED = "REOPENED"
    FLAPPING = "FLAPPING"
    SUPERSEDED = "SUPERSEDED"
    UNPAYABLE = "UNPAYABLE"
    PEERS_DISAGREE = "PEERS_DISAGREE"
    MEMBERS_UNPROVEN = "MEMBERS_UNPROVEN"
    ATTACHED = "ATTACHED"
    UNKNOWN = "UNKNOWN"
    FOREIGN = "FOREIGN"


class ActionKind(StrEnum):
    """What is to be done about an alert group, or about a debt."""

    NONE = "none"
    RESOLVE = "resolve"
    SILENCE = "silence"
    UNSILENCE = "unsilence"
    REPAGE = "repage"
    UNRESOLVE = "unresolve"
    CREATE_SILENCE = "create_silence"
    EXTEND_SILENCE = "extend_silence"
    EXPIRE_SILENCE = "expire_silence"
    NOTE = "note"


class Held(StrEnum):
    """Why an alert group that is inconsistent is left alone for now."""

    NOT_HELD = ""
    STATE = "state"
    DELIVERIES = "deliveries"
    POLICY = "policy"
    DRY_RUN = "dry_run"
    MAX_ACTIONS = "max_actions"
    GONE_RATIO = "gone_ratio"
    CREDENTIALS = "credentials"
    PERSON = "person"
    STORE = "store"


class Brake(StrEnum):
    """What holds closing actions back until it is lifted or no longer needed."""

    MAX_ACTIONS = "max_actions"
    GONE_RATIO = "gone_ratio"


class Member(msgspec.Struct, frozen=True, gc=False):
    """An alert that is in Alertmanager now and belongs to the alert group."""

    fingerprint: str
    status: AlertStatus
    labels: dict[str, str]
    silenced_by: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What an alert group is, why, and what is to be done about it.

    `silenced_until` is set where every member is silenced: the time at which the first of them is not.
    `absent` are fingerprints that its deliveries left firing and that Alertmanager does not hold; `nameless`
    whether `max_alerts` cut alerts from its deliveries, so that not all of them can be named. `would` is the action
    that a dry run, a brake or a refusal holds back.
    """

    alert_group: AlertGroup
    kind: DecisionKind
    reason: str
    members: tuple[Member, ...] = ()
    absent: tuple[str, ...] = ()
    nameless: bool = False
    silences: tuple[Silence, ...] = ()
    silenced_until: datetime | None = None
    inconsistent: bool = False
    action: ActionKind = ActionKind.NONE
    held: Held = Held.NOT_HELD
    would: ActionKind = ActionKind.NONE


class Repage(msgspec.Struct, frozen=True, gc=False):
    """A post of Alertmanager's webhook to an integration that is due: what IRM was never told, or forgot.

    One post pays every debt of its place. `receiver` is None for legacy alerts. `last_resort` where posting
    is impossible or in vain, and the alert group itself is to be opened again.
    """

    debts: tuple[str, ...]
    alert_group_id: str
    title: str
    integration_id: str
    receiver: str | None
    group_labels: dict[str, str]
    external_url: str
    group_key: str
    fingerprints: frozenset[str]
    reason: str
    due_since: datetime
    last_resort: bool = False


class SilenceChange(msgspec.Struct, frozen=True, gc=False):
    """Something to do because a person silenced an alert group in IRM, or no longer does.

    `kind` is CREATE_SILENCE, EXTEND_SILENCE (which may shorten it) or EXPIRE_SILENCE in Alertmanager, UNSILENCE or NOTE
    (`text`) in IRM. `silenced_at` is IRM's silence that it rests on, times of silences are Alertmanager's. `replaced` where
    a silence may only go once all others of its alert group are made; `event_id` names the event that is handled by it.
    """

    kind: ActionKind
    alert_group_id: str
    title: str
    reason: str
    silence_id: str = ""
    matchers: tuple[Matcher, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    created_by: str = ""
    comment: str = ""
    silenced_at: datetime | None = None
    replaced: bool = False
    event_id: str = ""
    text: str = ""


class Search(msgspec.Struct, frozen=True, gc=False):
    """What must be read to tell whether due debts are paid already.

    `integrations` maps ids to the time (IRM's clock) since which alert groups that are resolved by now are to
    be listed; `alert_groups` are those whose deliveries are to be read, `ids` alert groups that are to be looked
    up, as it is not known whether a resolve of ours happened.
    """

    integrations: dict[str, datetime] = {}
    alert_groups: tuple[AlertGroup, ...] = ()
    ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.integrations or self.alert_groups or self.ids)


class Plan(msgspec.Struct, frozen=True, gc=False):
    """The decisions about every open alert group, oldest first, and what becomes of the ledger.

    `change` is what is known better than the ledger did, before anything is done; `debts` are the open ones as
    judged now, `obligations` those that resolving an alert group (by its id) would make. `withheld` are re-pages
    that are due as well, and that a dry run or REPAGE=false keeps back. `wake_at` is when (by our clock) the loop
    should run at the latest: when the earliest silence that we owe for ends. `silence_changes` are what follows
    people's silences in IRM; `unread` the alert groups whose deliveries are to be read before they can be followed;
    `handled` what became of events, but those that a change names.
    """

    decisions: tuple[Decision, ...]
    external_urls: frozenset[str] = frozenset()
    repages: tuple[Repage, ...] = ()
    withheld: tuple[Repage, ...] = ()
    debts: tuple[Debt, ...] = ()
    obligations: dict[str, tuple[Debt, ...]] = {}
    change: LedgerChange = LedgerChange()
    search: Search = Search()
    brakes: frozenset[Brake] = frozenset()
    wake_at: datetime | None = None
    silence_changes: tuple[SilenceChange, ...] = ()
    unread: tuple[AlertGroup, ...] = ()
    handled: tuple[HandledEvent, ...] = ()

    @property
    def actions(self) -> tuple[Decision, ...]:
        """The decisions that are to be acted upon, oldest alert group first."""
        return tuple(decision for decision in self.decisions if decision.action is not ActionKind.NONE)
