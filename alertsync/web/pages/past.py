"""What was done: the runs and the actions, newest first, looked through for what somebody asks for.

The store gives lists by their age alone. So a question is answered by looking through so many of them, and how far that went
is said: a list that ends without a word would pass for all there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from alertsync.models import ActionKind, Outcome, RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.models import Action, Summary
    from alertsync.store import Page

T = TypeVar("T")

ENOUGH = 50
_AT_ONCE = 100
_MOST = 2000


class Found(msgspec.Struct, Generic[T], frozen=True):
    """What was found among the `looked` newest; `next` leads on, None at the end of all."""

    items: tuple[T, ...]
    looked: int
    next: str | None


def look_through(
    read: Callable[[int, str | None], Page[T]], wanted: Callable[[T], bool], before: str | None
) -> Found[T]:
    """Read on until there is enough of what is wanted; raise `ValueError` if the cursor is not understood."""
    found: list[T] = []
    looked = 0
    while True:
        page = read(_AT_ONCE, before)
        looked += len(page.items)
        found += filter(wanted, page.items)
        before = page.next
        if before is None or len(found) >= ENOUGH or looked >= _MOST:
            return Found(tuple(found), looked, before)


class WantedRuns(msgspec.Struct, frozen=True):
    """Which runs: `status` "" for all, "something" for those that found, did or failed at something."""

    status: str = "something"

    def __call__(self, one: Summary) -> bool:
        """Tell whether it is wanted."""
        if self.status == "something":
            return one.inconsistencies_found > 0 or one.status is not RunStatus.SUCCESS
        return self.status in ("", one.status)


class WantedActions(msgspec.Struct, frozen=True):
    """Which actions: by kind and outcome, "" for all, and by words in title, id and reason."""

    kind: str = ""
    outcome: str = ""
    q: str = ""

    def __call__(self, one: Action) -> bool:
        """Tell whether it is wanted."""
        text = f"{one.title}\n{one.alert_group_id}\n{one.reason}\n{one.detail}".lower()
        return (
            self.kind in ("", one.kind)
            and self.outcome in ("", one.outcome)
            and all(word in text for word in self.q.lower().split())
        )


STATUSES = ("something", "", *(one.value for one in RunStatus))
KINDS = ("", *(one.value for one in ActionKind if one is not ActionKind.NONE))
OUTCOMES = ("", *(one.value for one in Outcome))
