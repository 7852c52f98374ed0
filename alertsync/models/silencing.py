"""Silences that begin in IRM, or by hand here, and that Alertmanager follows.

People silence where they are paged. What IRM's outgoing webhook tells of it is evidence only: who did it, and until
when. Deliveries repeat, come late and out of order, so whether an alert group is silenced now is read from IRM, and an
event counts for the silence whose beginning it names. What we made in Alertmanager for it stands in the ledger, so
that exactly that is taken back, and is known again by the marker in its comment if the ledger is lost.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alertsync.models.alertmanager import Matcher


class WebhookEvent(msgspec.Struct, frozen=True, gc=False):
    """What an outgoing webhook of IRM told.

    `id` is a hash of what it said, so that a delivery that repeats is the same event; `received_at` is our time. `kind`
    is the real type ("silence", "unsilence", "acknowledge", "resolve"…), also where the webhook is of the type "status
    change". `at` and `until` are times of IRM's clock; `at` is None where the event has none, `until` with kind "silence"
    where it is for ever. Without `user_id` nobody did it: a silence ran out, or the source resolved.
    """

    id: str
    received_at: datetime
    kind: str
    alert_group_id: str
    title: str = ""
    at: datetime | None = None
    until: datetime | None = None
    user_id: str = ""
    user_email: str = ""
    username: str = ""
    url: str | None = None


class EventOutcome(StrEnum):
    """What became of an event.

    FOLLOWED: Alertmanager is to follow it. STRANGER: by somebody who is not on the list; left alone, with a note.
    UNSILENCED: the same, and un-silenced in IRM. OURS: a lease of ours. ENDED: the silence that it ends was followed.
    NOTHING: IRM shows no such silence (any more), or nothing was followed.
    """

    FOLLOWED = "followed"
    STRANGER = "stranger"
    UNSILENCED = "unsilenced"
    OURS = "ours"
    ENDED = "ended"
    NOTHING = "nothing"


class HandledEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and what became of it; `handled_at` and `outcome` are None while it waits for a run."""

    event: WebhookEvent
    handled_at: datetime | None = None
    outcome: EventOutcome | None = None
    why: str = ""


class OurSilence(msgspec.Struct, frozen=True, gc=False):
    """A silence in Alertmanager that we made; `ends_at` (Alertmanager's clock) is the end that we gave it last."""

    id: str
    matchers: tuple[Matcher, ...]
    ends_at: datetime


class IrmSilenceState(StrEnum):
    """FOLLOWED: Alertmanager is to be silent. REFUSED: it cannot be, or is not to be. ENDED: it is over."""

    FOLLOWED = "followed"
    REFUSED = "refused"
    ENDED = "ended"


class IrmSilence(msgspec.Struct, frozen=True, gc=False):
    """A person's silence of an alert group in IRM, and what we made of it in Alertmanager; one an alert group.

    `silenced_at` and `until` are times of IRM's clock; without `until` it is for ever. It is the silence that IRM shows
    only while IRM shows this `silenced_at`. `why` tells why it is refused or over; what is refused is looked at again in
    each run, unless it is `for_good`: by somebody who may not, or ended by a person in Alertmanager. `silences` are those
    of ours that are not known to be over, whatever the state. `noted` is the refusal that a note in IRM has told already.
    """

    alert_group_id: str
    title: str
    user_id: str
    user_email: str
    silenced_at: datetime
    made_at: datetime
    until: datetime | None = None
    url: str | None = None
    username: str = ""
    state: IrmSilenceState = IrmSilenceState.FOLLOWED
    why: str = ""
    for_good: bool = False
    noted: str = ""
    silences: tuple[OurSilence, ...] = ()
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is still to be looked after: the silence itself, or what we made for it."""
        return self.state is not IrmSilenceState.ENDED or bool(self.silences)


class HandAnswer(StrEnum):
    """What came of asking for a silence by hand, or for the end of one."""

    MADE = "made"
    ENDED = "ended"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    FAILED = "failed"


class HandResult(msgspec.Struct, frozen=True):
    """What came of it, in a word and in a sentence for a person; `silence` where there is one now, or was."""

    answer: HandAnswer
    why: str
    silence: HandSilence | None = None


class HandSilence(msgspec.Struct, frozen=True, gc=False):
    """Silences in Alertmanager that somebody made for an alert group here; `author` is who, as far as we know.

    They are plain silences: the alert group is decided about as if the person had made them in Alertmanager.
    `ends_at` is a time of Alertmanager's clock; `ended_by` names who ended it, "" where it ran out.
    """

    id: str
    alert_group_id: str
    title: str
    author: str
    comment: str
    made_at: datetime
    ends_at: datetime
    silences: tuple[OurSilence, ...] = ()
    url: str | None = None
    ended_at: datetime | None = None
    ended_by: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is not known to be over."""
        return self.ended_at is None
