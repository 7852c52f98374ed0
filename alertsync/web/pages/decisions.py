"""The open alert groups of a run, each with its decision in plain words, and what was or will be done about it.

A thousand of them are a page like any other: what is asked for is filtered here, and shown fifty at a time.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, AlertStatus, DecisionKind, Held, Member, Outcome, Silence
from alertsync.web.pages import phrases
from alertsync.web.pages.verdict import Tone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertsync.models import Action, Decision, Run

PAGE = 50
SHOWS = {"inconsistent": "Inconsistent", "left": "Left alone", "all": "All"}
"""What may be shown: inconsistencies, the others, or all, with the words for it."""
_MOST_MEMBERS = 10
_MOST_LABELS = 8
_QUIET = frozenset({DecisionKind.CONSISTENT, DecisionKind.FOREIGN})


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for; `kind` is "" for every decision, `page` counts from 1."""

    show: str = "inconsistent"
    kind: str = ""
    q: str = ""
    page: int = 1


class Row(msgspec.Struct, frozen=True):
    """An alert group. `labels` are those that all its members share; `more_members` counts those that are not shown.

    `state` says in words how it stands, or stood, in IRM.
    """

    id: str
    title: str
    url: str
    state: str
    created_at: datetime
    tone: Tone
    decision: str
    kind: str
    reason: str
    done: phrases.Done
    labels: tuple[tuple[str, str], ...]
    members: tuple[Member, ...]
    member_count: int
    silences: tuple[Silence, ...]

    @property
    def more_members(self) -> int:
        """How many members are not shown."""
        return self.member_count - len(self.members)


class Listing(msgspec.Struct, frozen=True):
    """A page of rows, how many there are in all, and how many of each kind could be asked for."""

    rows: tuple[Row, ...]
    found: int
    page: int
    pages: int
    shows: dict[str, int]
    kinds: tuple[tuple[str, str, int], ...]


def listing(run: Run, wanted: Wanted) -> Listing:
    """Choose what is wanted from the decisions of a run: inconsistencies first, and the newest alert group of each."""
    done = {action.alert_group_id: action for action in run.actions}
    shows = dict.fromkeys(SHOWS, 0)
    for one in run.decisions:
        shows["inconsistent" if one.inconsistent else "left"] += 1
    shows["all"] = len(run.decisions)
    shown = [one for one in run.decisions if _is_shown(one, wanted.show)]
    counts: dict[DecisionKind, int] = {}
    for one in shown:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    words = wanted.q.lower().split()
    found = [
        one for one in shown if wanted.kind in ("", one.kind) and all(word in _text(one) for word in words)
    ]
    found.sort(
        key=lambda one: (one.inconsistent, one.alert_group.created_at, one.alert_group.id), reverse=True
    )
    pages = max(-(-len(found) // PAGE), 1)
    page = min(wanted.page, pages)
    return Listing(
        rows=tuple(row(one, done.get(one.alert_group.id)) for one in found[(page - 1) * PAGE : page * PAGE]),
        found=len(found),
        page=page,
        pages=pages,
        shows=shows,
        kinds=tuple(
            (kind.value, phrases.KINDS[kind], counts[kind]) for kind in DecisionKind if kind in counts
        ),
    )


def row(one: Decision, action: Action | None) -> Row:
    """Show a decision, and what came of it where it was acted upon."""
    group = one.alert_group
    return Row(
        id=group.id,
        title=group.title.strip() or group.id,
        url=group.url or "",
        state=phrases.state(group.state, action),
        created_at=group.created_at,
        tone=_tone(one, action),
        decision=phrases.KINDS[one.kind],
        kind=one.kind.value,
        reason=one.reason,
        done=phrases.done(one, action),
        labels=shared_labels([member.labels for member in one.members]),
        members=one.members[:_MOST_MEMBERS],
        member_count=len(one.members),
        silences=one.silences,
    )


def mirrored(run: Run) -> tuple[Row, ...]:
    """Show which silences of ours in IRM a dry run would have ended, or kept up: they make no inconsistency."""
    return tuple(
        row(one, None)
        for one in run.decisions
        if one.held is Held.DRY_RUN
        and one.alert_group.state == "silenced"
        and one.would in (ActionKind.SILENCE, ActionKind.UNSILENCE)
    )


def shared_labels(these: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Give the labels that all of these have alike, by name; at most a few."""
    if not these:
        return ()
    alike = set(these[0].items()).intersection(*(labels.items() for labels in these[1:]))
    return tuple(sorted(alike)[:_MOST_LABELS])


def _is_shown(one: Decision, show: str) -> bool:
    return show == "all" or one.inconsistent is (show == "inconsistent")


def _text(one: Decision) -> str:
    """Give all that a search looks through, in small letters."""
    group = one.alert_group
    labels = (f"{name}={value}" for member in one.members for name, value in member.labels.items())
    silences = (f"{silence.created_by} {silence.comment}" for silence in one.silences)
    return "\n".join((group.title, group.id, one.kind.value, one.reason, *labels, *silences)).lower()


def _tone(one: Decision, action: Action | None) -> Tone:
    if action is not None and action.outcome in (Outcome.FAILED, Outcome.NOT_ATTEMPTED):
        return Tone.BAD
    if action is not None and action.outcome in phrases.WELL:
        return Tone.GOOD
    if one.held is Held.DRY_RUN:
        return Tone.WATCH
    if one.inconsistent or one.action is not ActionKind.NONE:
        return Tone.WARN
    if one.kind is DecisionKind.CONSISTENT or any(each.status is AlertStatus.ACTIVE for each in one.members):
        return Tone.IDLE
    return Tone.IDLE if one.kind in _QUIET else Tone.WARN if one.kind in phrases.UNSURE else Tone.IDLE
