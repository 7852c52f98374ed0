"""Silences that begin in IRM, or by hand here, and what became of what IRM told of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alertsync.models import OurSilence


class Receipt(msgspec.Struct, frozen=True):
    """What becomes of a delivery: `outcome` is "accepted", "repeated" or "ignored", and `reason` says why.

    `kind` is the type of the event. Whether a silence is followed is decided by the next run.
    """

    outcome: str
    reason: str
    kind: str
    alert_group_id: str


class Origin(StrEnum):
    """Where a silence of ours comes from: a person's silence in IRM, or somebody who asked for it here."""

    IRM = "irm"
    HAND = "hand"


class SilenceState(StrEnum):
    """ACTIVE: Alertmanager is to be silent. REFUSED: it cannot be, or is not to be. ENDED: it is over."""

    ACTIVE = "active"
    REFUSED = "refused"
    ENDED = "ended"


class OwnSilence(msgspec.Struct, frozen=True):
    """A silence that Alertmanager has from us, for the alerts of one alert group.

    `id` is what ends it, null where nothing is there to be ended. `until` is what its author asked for, null for ever;
    `ends_at` when Alertmanager's ends, as it was set last. `why` says why it is refused or over. `silences` are those in
    Alertmanager that may still hold, or held until it was over.
    """

    id: str | None
    origin: Origin
    state: SilenceState
    alert_group_id: str
    title: str
    url: str | None
    author: str
    comment: str
    why: str
    made_at: datetime
    until: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    silences: tuple[OurSilence, ...]


class OwnSilenceList(msgspec.Struct, frozen=True):
    """Silences of ours, those made last first; `degraded` says why some may be lacking."""

    items: tuple[OwnSilence, ...]
    next: str | None
    degraded: str | msgspec.UnsetType = msgspec.UNSET


class SilenceDone(msgspec.Struct, frozen=True):
    """What came of asking for a silence, or for its end; `silence` is null where one of IRM was ended."""

    message: str
    silence: OwnSilence | None
