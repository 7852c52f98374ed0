"""The silences of the simulated Alertmanager: who changes which, and what keeps its id.

The service follows silences by id, and Alertmanager keeps an id only when an edit leaves matchers and start
as they are. Rules and words are those of recorded exchanges (0.25.0) and of prometheus/alertmanager,
``silence/silence.go`` and ``api/v2/api.go``.
"""

import random
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alertsync.simulator.alertmanager_text import Matcher, compile_regex

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class SilenceNotFoundError(LookupError):
    """No silence has this id."""

    def __init__(self) -> None:
        super().__init__("silence not found")


class SilenceRefusedError(ValueError):
    """The silence is not valid; the message is Alertmanager's."""


@dataclass(frozen=True)
class Silence:
    """Mutes every alert that all of its matchers accept, from ``starts_at`` until ``ends_at``."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    created_by: str
    comment: str

    def state(self, now: datetime) -> str:
        """Return ``pending``, ``active`` or ``expired``."""
        if now < self.starts_at:
            return "pending"
        return "active" if now < self.ends_at else "expired"

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether all matchers accept an alert with these labels."""
        return all(matcher.matches(labels) for matcher in self.matchers)


@dataclass(frozen=True)
class _Active:
    """The silences that are active from ``since`` on, and before ``until`` (None: for ever)."""

    silences: tuple[Silence, ...]
    since: datetime
    until: datetime | None


class Silences:
    """All silences, expired ones too. Not thread-safe: the simulator's lock guards it.

    ``utf8_names`` (0.28 and later) lets a matcher name any label; before, only ``[a-zA-Z_][a-zA-Z0-9_]*``.
    ``tell`` is called with each silence that is made or changed here, so that peers can be told.
    """

    def __init__(self, ids: random.Random, *, utf8_names: bool, tell: Callable[[Silence], None]) -> None:
        self._ids = ids
        self._utf8_names = utf8_names
        self._tell = tell
        self._silences: dict[str, Silence] = {}
        self._active: _Active | None = None

    def get(self, silence_id: str) -> Silence:
        """Return one silence, or raise SilenceNotFoundError."""
        try:
            return self._silences[silence_id]
        except KeyError:
            raise SilenceNotFoundError from None

    def listed(self, now: datetime) -> list[Silence]:
        """Return all: active (next to end first), pending (next to begin first), expired (latest first)."""
        return sorted(self._silences.values(), key=lambda silence: _listing_order(silence, now))

    def holding(self, labels: Mapping[str, str], now: datetime) -> tuple[str, ...]:
        """Return the ids, sorted, of the active silences that mute an alert with these labels."""
        active = self._active_at(now).silences
        return tuple(sorted(silence.id for silence in active if silence.matches(labels)))

    def put(self, wanted: Silence, now: datetime) -> str:
        """Create a silence (id empty) or change one, and return its id.

        A change keeps the id if Alertmanager takes it for the same silence; otherwise the old one expires
        and a new one begins. Raises SilenceNotFoundError or SilenceRefusedError.
        """
        old = self.get(wanted.id) if wanted.id else None
        self._check(wanted, now)
        if old and _is_same(old, wanted, now):
            return self._set(replace(wanted, updated_at=now))
        if old:
            self.expire(old.id, now)
        new_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        starts_at = max(wanted.starts_at, now)
        return self._set(replace(wanted, id=new_id, starts_at=starts_at, updated_at=now))

    def expire(self, silence_id: str, now: datetime) -> None:
        """End a silence now; an expired one stays as it is. Raises SilenceNotFoundError."""
        silence = self.get(silence_id)
        if silence.state(now) != "expired":
            starts_at = min(silence.starts_at, now)
            self._set(replace(silence, starts_at=starts_at, ends_at=now, updated_at=now))

    def hear(self, silence: Silence) -> None:
        """Take what a peer tells of a silence, unless what is known is newer."""
        known = self._silences.get(silence.id)
        if known is None or known.updated_at < silence.updated_at:
            self._keep(silence)

    def next_change(self, now: datetime) -> datetime | None:
        """Return when the next silence begins or ends by itself; None if none will."""
        return self._active_at(now).until

    def _active_at(self, now: datetime) -> "_Active":
        """Give the silences that are active, most of which are long over, without looking at each every time."""
        known = self._active
        if known is None or now < known.since or (known.until is not None and now >= known.until):
            times = (time for one in self._silences.values() for time in (one.starts_at, one.ends_at))
            until = min((time for time in times if time > now), default=None)
            active = tuple(one for one in self._silences.values() if one.state(now) == "active")
            self._active = known = _Active(active, now, until)
        return known

    def _keep(self, silence: Silence) -> None:
        self._silences[silence.id] = silence
        self._active = None

    def _set(self, silence: Silence) -> str:
        self._keep(silence)
        self._tell(silence)
        return silence.id

    def _check(self, wanted: Silence, now: datetime) -> None:
        if wanted.starts_at >= wanted.ends_at:
            raise SilenceRefusedError("Failed to create silence: start time must be before end time")
        if wanted.ends_at < now:
            raise SilenceRefusedError("Failed to create silence: end time can't be in the past")
        for index, matcher in enumerate(wanted.matchers):
            problem = self._problem(matcher)
            if problem:
                raise SilenceRefusedError(f"silence invalid: invalid label matcher {index}: {problem}")
        if all(matcher.accepts("") for matcher in wanted.matchers):
            raise SilenceRefusedError("silence invalid: at least one matcher must not match the empty string")

    def _problem(self, matcher: Matcher) -> str:
        if not matcher.name or not (self._utf8_names or _LABEL_NAME.fullmatch(matcher.name)):
            return f'invalid label name "{matcher.name}"'
        try:
            if matcher.is_regex:
                compile_regex(matcher.value)
        except ValueError as error:
            return f'invalid regular expression "{matcher.value}": {error}'
        return ""


def _listing_order(silence: Silence, now: datetime) -> tuple[int, float]:
    state = silence.state(now)
    if state == "expired":
        return 2, -silence.ends_at.timestamp()
    return (0, silence.ends_at.timestamp()) if state == "active" else (1, silence.starts_at.timestamp())


def _is_same(old: Silence, wanted: Silence, now: datetime) -> bool:
    """Tell whether the change is an edit of the old silence rather than another silence.

    The starts of an active silence are compared by the second, as Alertmanager does.
    """
    if old.matchers != wanted.matchers:
        return False
    if old.state(now) == "pending":
        return wanted.starts_at >= now
    return old.state(now) == "active" and int(old.starts_at.timestamp()) == int(wanted.starts_at.timestamp())


def equality(pairs: Mapping[str, str] | Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Read matchers given as a plain mapping: each label must equal its value."""
    if isinstance(pairs, Mapping):
        return tuple(Matcher(name, value) for name, value in pairs.items())
    return tuple(pairs)
