"""What was asked of the upstreams, as counts that only grow."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Operation(StrEnum):
    """What is asked of an upstream: the name that stands in errors, in log lines and in metrics."""

    READ_AGGREGATION_GROUPS = "read aggregation groups"
    READ_ALERTS = "read alerts"
    READ_SILENCES = "read silences"
    READ_STATUS = "read status"
    WATCH_SILENCES = "watch silences"
    CREATE_SILENCE = "create silence"
    EXPIRE_SILENCE = "expire silence"

    LIST_ALERT_GROUPS = "list alert groups"
    LIST_RESOLVED = "list resolved alert groups"
    LIST_INTEGRATIONS = "list integrations"
    LIST_DELIVERIES = "list deliveries"
    LIST_NOTES = "list resolution notes"
    READ_ALERT_GROUP = "read alert group"
    READ_USER = "read current user"
    RESOLVE = "resolve alert group"
    UNRESOLVE = "unresolve alert group"
    SILENCE = "silence alert group"
    UNSILENCE = "unsilence alert group"
    WRITE_NOTE = "write resolution note"
    POST = "post to integration"
    BEAT = "send heartbeat"

    @property
    def upstream(self) -> str:
        """Whom it is asked of: "alertmanager" or "irm"."""
        return "alertmanager" if self in _OF_ALERTMANAGER else "irm"


_OF_ALERTMANAGER = frozenset(
    {
        Operation.READ_AGGREGATION_GROUPS,
        Operation.READ_ALERTS,
        Operation.READ_SILENCES,
        Operation.READ_STATUS,
        Operation.WATCH_SILENCES,
        Operation.CREATE_SILENCE,
        Operation.EXPIRE_SILENCE,
    }
)

REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets in which requests are counted by their duration, in seconds."""


class Durations(msgspec.Struct, frozen=True):
    """How long something took: `counts` by the first bucket that holds it, the last entry those above all; seconds."""

    counts: tuple[int, ...] = (0,) * (len(REQUEST_BUCKETS) + 1)
    sum: float = 0.0

    def with_one(self, seconds: float) -> Durations:
        """Add one."""
        fitting = (index for index, bound in enumerate(REQUEST_BUCKETS) if seconds <= bound)
        place = next(fitting, len(REQUEST_BUCKETS))
        counts = tuple(count + (index == place) for index, count in enumerate(self.counts))
        return Durations(counts, self.sum + seconds)

    def at_least(self, other: Durations) -> Durations:
        """Give what is not less than either, where both count the same."""
        both = zip(self.counts, other.counts, strict=True)
        return Durations(tuple(max(pair) for pair in both), max(self.sum, other.sum))

    def __add__(self, other: Durations) -> Durations:
        both = zip(self.counts, other.counts, strict=True)
        return Durations(tuple(mine + theirs for mine, theirs in both), self.sum + other.sum)


REQUEST_STATUSES = ("2xx", "3xx", "4xx", "429", "5xx", "none")
"""How a request can end: the class of its status code, "429" by itself, "none" where no answer arrived whole."""


class Requests(msgspec.Struct, frozen=True):
    """Requests to the upstreams.

    `answers` counts by "operation/status", with a status of `REQUEST_STATUSES`; `durations` holds by operation how
    long they took.
    """

    answers: dict[str, int] = {}
    durations: dict[str, Durations] = {}

    def __bool__(self) -> bool:
        return bool(self.answers)

    def __add__(self, other: Requests) -> Requests:
        answers, durations = dict(self.answers), dict(self.durations)
        for name, number in other.answers.items():
            answers[name] = answers.get(name, 0) + number
        for name, took in other.durations.items():
            durations[name] = durations.get(name, Durations()) + took
        return Requests(answers, durations)

    def at_least(self, other: Requests) -> Requests:
        """Give what is not less than either, where both count the same."""
        answers, durations = dict(self.answers), dict(self.durations)
        for name, number in other.answers.items():
            answers[name] = max(answers.get(name, 0), number)
        for name, took in other.durations.items():
            durations[name] = durations.get(name, Durations()).at_least(took)
        return Requests(answers, durations)
