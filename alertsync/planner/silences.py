"""Tells how long silences hold an alert: long enough to close its alert group, or will it speak in a minute.

An alert stays quiet until the latest end of the silences that hold it now; a pending silence that matches it
and begins before that end carries it on. Matchers are Alertmanager's: anchored, with Go's regular expressions,
for which RE2 is used so that a pattern means here what it means there and none can run away.
"""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from datetime import datetime

    from alertsync.models import Matcher, Member, Silence

_AGES = timedelta(days=3650)
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class SilenceBook:
    """The silences of one Alertmanager snapshot, by id and by state.

    `echoes` names those that are there only because IRM is silent: they are no reason for IRM to be silent.
    """

    def __init__(self, silences: Iterable[Silence], echoes: Container[str] = frozenset()) -> None:
        self._by_id = {silence.id: silence for silence in silences if silence.state == "active"}
        self._echoes = echoes
        pending = [silence for silence in silences if silence.state == "pending"]
        self._pending = sorted(pending, key=lambda silence: silence.starts_at)

    def echoes(self, member: Member) -> bool:
        """Tell whether a silenced member is silenced only because IRM is silent."""
        return bool(member.silenced_by) and all(one in self._echoes for one in member.silenced_by)

    def holding(self, members: Iterable[Member], *, echoes: bool = False) -> tuple[Silence, ...]:
        """Give the active silences that hold these members, each once, the earliest end first; `echoes` too, or not."""
        ids = {one for member in members for one in member.silenced_by if echoes or one not in self._echoes}
        found = [self._by_id[silence_id] for silence_id in ids if silence_id in self._by_id]
        return tuple(sorted(found, key=lambda silence: (silence.ends_at, silence.id)))

    def held_until(self, member: Member, now: datetime, *, echoes: bool = False) -> datetime:
        """Tell until when this member stays silenced; `now` if the silences named are no longer there.

        Echoes count where it matters when Alertmanager will speak, and not where it matters what IRM should be.
        """
        ends = [
            self._by_id[one].ends_at
            for one in member.silenced_by
            if one in self._by_id and (echoes or one not in self._echoes)
        ]
        end = max(ends, default=now)
        for silence in self._pending:
            if silence.starts_at > end:
                break
            if silence.id in self._echoes and not echoes:
                continue
            if silence.ends_at > end and matches(silence, member.labels):
                end = silence.ends_at
        # Some silences are made to last until the year 9999, beyond which no time can be reckoned.
        return min(end, now + _AGES)


def matches(silence: Silence, labels: Mapping[str, str]) -> bool:
    """Tell whether every matcher of the silence holds for these labels; an absent label is empty."""
    # Those that cost nothing first: most silences are ruled out by one of them.
    cheapest_first = sorted(silence.matchers, key=lambda matcher: matcher.is_regex)
    return all(_holds(matcher, labels.get(matcher.name, "")) for matcher in cheapest_first)


def _holds(matcher: Matcher, value: str) -> bool:
    if not matcher.is_regex:
        return (value == matcher.value) is matcher.is_equal
    pattern = _compiled(matcher.value)
    return pattern is not None and (pattern.fullmatch(value) is not None) is matcher.is_equal


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re2._Regexp[str] | None:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error:
        return None
