"""Recognises the silences in Alertmanager that follow those of people in IRM: by the ledger, else by our marker.

The marker ends the comment, and is sealed with a digest of all that makes the silence ours: who it is by and what it
catches. So a silence that a person made of a copy of ours, for something else or in another name, is the person's. One
that is copied as it was, after ours had ended, is the person's too: the ledger knows when that was.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from alertsync.models import AlertGroup, IrmSilence, Ledger, Matcher, Silence

_MARKER = re.compile(
    r"\[alertsync irm (?P<group>[^\s\]]+) (?P<integration>[^\s\]]+) (?P<at>\S+) (?P<until>\S+) (?P<digest>[0-9a-f]{12})\]\Z"
)
_FOR_EVER = "-"
_COPIED_AFTER = timedelta(seconds=60)
"""How long after our silence had ended one with its marker is a copy, and no late answer of Alertmanager's."""


class Marked(msgspec.Struct, frozen=True):
    """What a marker says: the alert group and its integration, since when it is silenced in IRM, and until when."""

    alert_group_id: str
    integration_id: str
    silenced_at: datetime
    until: datetime | None


def marker(group: AlertGroup, silence: IrmSilence, matchers: Sequence[Matcher]) -> str:
    """Write the marker of a silence that follows one of IRM's."""
    at = silence.silenced_at.astimezone(UTC).isoformat()
    until = silence.until.astimezone(UTC).isoformat() if silence.until else _FOR_EVER
    words = f"{group.id} {group.integration_id} {at} {until}"
    return f"[alertsync irm {words} {_digest(words, silence.user_email, matchers)}]"


def read(silence: Silence) -> Marked | None:
    """Read the marker of a silence; None if there is none, or it is not that of this silence."""
    if "[alertsync irm " not in silence.comment:
        return None
    found = _MARKER.search(silence.comment)
    if found is None:
        return None
    words = f"{found['group']} {found['integration']} {found['at']} {found['until']}"
    if found["digest"] != _digest(words, silence.created_by, silence.matchers):
        return None
    try:
        at = datetime.fromisoformat(found["at"])
        until = None if found["until"] == _FOR_EVER else datetime.fromisoformat(found["until"])
    except ValueError:
        return None
    return Marked(found["group"], found["integration"], at, until)


def ours(
    silences: Iterable[Silence], ledger: Ledger, integrations: Container[str]
) -> dict[str, dict[str, Silence]]:
    """Give the silences that follow alert groups of these integrations, by alert group and by their own id."""
    by_id = {one.id: silence.alert_group_id for silence in ledger.irm_silences for one in silence.silences}
    by_group = {silence.alert_group_id: silence for silence in ledger.irm_silences}
    found: dict[str, dict[str, Silence]] = {}
    for silence in silences:
        group_id = by_id.get(silence.id)
        if group_id is None and (said := read(silence)) is not None and said.integration_id in integrations:
            known = by_group.get(said.alert_group_id)
            group_id = None if _is_copy(silence, said, known) else said.alert_group_id
        if group_id is not None:
            found.setdefault(group_id, {})[silence.id] = silence
    return found


def _is_copy(silence: Silence, said: Marked, known: IrmSilence | None) -> bool:
    if known is None or known.ended_at is None or known.silenced_at != said.silenced_at:
        return False
    return silence.starts_at > known.ended_at + _COPIED_AFTER


def _digest(words: str, created_by: str, matchers: Iterable[Matcher]) -> str:
    caught = sorted((one.name, one.value, one.is_regex, one.is_equal) for one in matchers)
    return hashlib.sha256(repr((words, created_by, caught)).encode()).hexdigest()[:12]
