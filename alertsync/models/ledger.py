"""What we did and still owe, and what must be remembered from run to run.

Alertmanager believes that IRM knows of an alert it has notified. Once we resolve the alert group, IRM no longer
does: so every resolve of ours is a debt, kept until its alerts have been paged again or need not be. A lease is
a silence that we set in IRM, and have to follow. Times named `…_at` are ours unless they say whose they are.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alertsync.models.silencing import HandSilence, IrmSilence


class Owing(StrEnum):
    """How it stands with one alert of a debt.

    OWED: silenced, muted or ended, so that nobody needs to be told now. DUE: active, and IRM does not know.
    POSTED: told to IRM, and not read back yet. REROUTED: active in other places only, which Alertmanager tells by
    itself; it would be due if it were routed back. The others are over: PAID (IRM knows), LAPSED (Alertmanager
    would tell anew by itself).
    """

    OWED = "owed"
    DUE = "due"
    POSTED = "posted"
    PAID = "paid"
    REROUTED = "rerouted"
    LAPSED = "lapsed"

    @property
    def is_open(self) -> bool:
        """Whether something is still owed."""
        return self in (Owing.OWED, Owing.DUE, Owing.POSTED, Owing.REROUTED)


class OwedAlert(msgspec.Struct, frozen=True, gc=False):
    """One alert of a debt. `posts` counts our re-pages of it, `waited` the runs since the last of them.

    `due_at` is when it was first seen to be due, `posted_at` when it was last posted (both IRM's clock).
    `elsewhere` counts the runs in a row that saw it active, but in other places only. `alarm` says why it could
    not be paid although it is due; "" if it can.
    """

    fingerprint: str
    labels: dict[str, str] = {}
    state: Owing = Owing.OWED
    posts: int = 0
    waited: int = 0
    elsewhere: int = 0
    due_at: datetime | None = None
    posted_at: datetime | None = None
    why: str = ""
    alarm: str = ""


class Debt(msgspec.Struct, frozen=True, gc=False):
    """What a resolve of ours costs, for one place: an integration, a receiver and group labels.

    `receiver` is None for a legacy alert group, which names neither receiver nor labels. `resolved_at`,
    `last_delivery_at` are times of IRM's clock; `resolved_at` is None until it is certain that the resolve
    happened. `silences` are the ids that held the members, `silenced_until` (Alertmanager's clock) is when the
    first owed alert will speak, as last seen. `origin` is "resolve", "adopted" (by our marker, after a lost
    ledger) or "child" (IRM resolved it with its root). `repaged` once a post of ours was sent for it.
    """

    id: str
    alert_group_id: str
    title: str
    integration_id: str
    receiver: str | None
    group_labels: dict[str, str]
    external_url: str
    group_key: str
    alerts: tuple[OwedAlert, ...]
    silences: tuple[str, ...]
    reason: str
    run_id: str
    made_at: datetime
    last_delivery_at: datetime
    url: str | None = None
    origin: str = "resolve"
    resolved_at: datetime | None = None
    silenced_until: datetime | None = None
    repaged: bool = False
    unresolved: bool = False
    closed_at: datetime | None = None
    void: bool = False

    @property
    def is_open(self) -> bool:
        """Whether something of it is still owed; a resolve that did not happen owes nothing."""
        return not self.void and any(alert.state.is_open for alert in self.alerts)


class LeaseState(StrEnum):
    """INTENDED: about to be set. HELD: ours. ENDED: by us or by time. TAKEN: a person changed or ended it."""

    INTENDED = "intended"
    HELD = "held"
    ENDED = "ended"
    TAKEN = "taken"


class Lease(msgspec.Struct, frozen=True, gc=False):
    """A silence in IRM that mirrors silences in Alertmanager.

    `asked_at`, `silenced_at` and `until` are times of IRM's clock; the lease is ours only while IRM shows the
    `silenced_at` that we read after setting it.
    """

    alert_group_id: str
    title: str
    run_id: str
    asked_at: datetime
    until: datetime
    silences: tuple[str, ...]
    state: LeaseState = LeaseState.INTENDED
    silenced_at: datetime | None = None
    why: str = ""


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """When an open alert group was last seen alive, and since when its alerts are absent (Alertmanager's clock).

    `absent_runs` counts the runs in a row that found it absent. `missed` if the last run did not list it at all.
    """

    alive_at: datetime | None = None
    absent_since: datetime | None = None
    absent_runs: int = 0
    missed: bool = False


class Address(msgspec.Struct, frozen=True, gc=False):
    """An `externalURL` that deliveries came from (times of IRM's clock).

    `known` once a firing fingerprint from there was found in our Alertmanager; `rival` once it was seen to
    deliver the same fingerprint as another address, so that no fingerprint can tell the two apart.
    """

    seen_at: datetime
    known: bool = False
    rival: bool = False


class Credentials(msgspec.Struct, frozen=True, gc=False):
    """That IRM refused to let our token act, when, and in which words."""

    refused_at: datetime
    message: str


class Ledger(msgspec.Struct, frozen=True, gc=False):
    """All that is remembered between runs.

    `debts` are the open ones, and those that are over but young enough to explain things; `leases`, `irm_silences` (one
    an alert group) and `hand_silences` too. `attached` maps alert
    groups that IRM called attached to the time (ours) at which it did, `peers` each peer of Alertmanager to
    when it last answered (or was first asked, if it never did). `open_before` are the alert groups that were
    open before the last resolves: those of them that IRM resolved with a root are still to be looked for.
    `fresh` while nothing has ever been recorded, so that marked alert groups may be ours to adopt. `degraded`
    says why nothing can be written down; "" if it can.
    """

    debts: tuple[Debt, ...] = ()
    leases: tuple[Lease, ...] = ()
    irm_silences: tuple[IrmSilence, ...] = ()
    hand_silences: tuple[HandSilence, ...] = ()
    sightings: dict[str, Sighting] = {}
    addresses: dict[str, Address] = {}
    attached: dict[str, datetime] = {}
    peers: dict[str, datetime] = {}
    open_before: tuple[str, ...] = ()
    credentials: Credentials | None = None
    fresh: bool = False
    degraded: str = ""


class LedgerChange(msgspec.Struct, frozen=True, gc=False):
    """What a run changes in the ledger, to be committed in one transaction; None leaves a part as it is.

    `debts`, `leases` and silences are written over those of the same id; `sightings` too, and None forgets one.
    """

    debts: tuple[Debt, ...] = ()
    leases: tuple[Lease, ...] = ()
    irm_silences: tuple[IrmSilence, ...] = ()
    hand_silences: tuple[HandSilence, ...] = ()
    sightings: dict[str, Sighting | None] = {}
    addresses: dict[str, Address] | None = None
    attached: dict[str, datetime] | None = None
    peers: dict[str, datetime] | None = None
    open_before: tuple[str, ...] | None = None
    credentials: Credentials | None = None
    credentials_work: bool = False
    fresh: bool | None = None
