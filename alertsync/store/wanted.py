"""What somebody looks for in the history: the same question asked of the database and of what is not in it yet."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, not_, or_

from alertsync.models import ActionKind, Outcome, RunStatus
from alertsync.store.schema import actions, runs
from alertsync.store.texts import TextOf

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from alertsync.models import Action, Run

_FOUND_NOTHING = '"inconsistencies_found":0,'
"""Stands in the body of a run that found nothing, and nowhere else: within a text the quotes would be escaped."""
_PLAIN = re.compile(r"[ !#-\[\]-~]+")
"""What stands in JSON as it is, and is made small alike everywhere."""


class WantedRuns(msgspec.Struct, frozen=True):
    """Which runs to list; None wants all.

    `telling` wants only those that found an inconsistency, or did not simply succeed.
    `dead_before` (our clock): a run that began earlier and is still written down as running was interrupted.
    """

    status: RunStatus | None = None
    trigger: str | None = None
    since: datetime | None = None
    dead_before: datetime | None = None
    telling: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        """Ask the database."""
        found: list[ColumnElement[bool]] = []
        if self.trigger is not None:
            found.append(runs.c.trigger == self.trigger)
        if self.since is not None:
            found.append(runs.c.started_at >= self.since)
        if self.status is not None:
            found.append(self._has_status(self.status))
        if self.telling:
            quiet = and_(
                runs.c.status == RunStatus.SUCCESS.value, TextOf(runs.c.body).contains(_FOUND_NOTHING)
            )
            found.append(not_(quiet))
        return found

    def _has_status(self, status: RunStatus) -> ColumnElement[bool]:
        written = runs.c.status == status.value
        if self.dead_before is None or status not in (RunStatus.RUNNING, RunStatus.INTERRUPTED):
            return written
        if status is RunStatus.RUNNING:
            return and_(written, runs.c.started_at >= self.dead_before)
        dead = and_(runs.c.status == RunStatus.RUNNING.value, runs.c.started_at < self.dead_before)
        return or_(written, dead)

    def match(self, run: Run) -> bool:
        """Ask a run that is not in the database."""
        status = run.status
        if status is RunStatus.RUNNING and self.dead_before is not None and run.started_at < self.dead_before:
            status = RunStatus.INTERRUPTED
        return (
            self.status in (None, status)
            and self.trigger in (None, run.trigger)
            and (self.since is None or run.started_at >= self.since)
            and (not self.telling or run.inconsistencies_found > 0 or status is not RunStatus.SUCCESS)
        )


class WantedActions(msgspec.Struct, frozen=True):
    """Which actions to list; None wants all. `since` is compared with when they were done.

    Each of `words` stands in the title, the id, the reason or the detail, in capitals or not.
    """

    alert_group_id: str | None = None
    kind: ActionKind | None = None
    outcome: Outcome | None = None
    run_id: str | None = None
    since: datetime | None = None
    words: tuple[str, ...] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Ask the database; of those that it finds, `says` tells for certain whether they have the words."""
        asked = (
            (actions.c.alert_group_id, self.alert_group_id),
            (actions.c.kind, self.kind and self.kind.value),
            (actions.c.outcome, self.outcome and self.outcome.value),
            (actions.c.run_id, self.run_id),
        )
        found = [column == value for column, value in asked if value is not None]
        body = TextOf(actions.c.body)
        found += [body.icontains(part, autoescape=True) for word in self.words if (part := _plainest(word))]
        return found if self.since is None else [*found, actions.c.at >= self.since]

    def match(self, action: Action, run_id: str, at: datetime) -> bool:
        """Ask an action that is not in the database."""
        return (
            self.alert_group_id in (None, action.alert_group_id)
            and self.kind in (None, action.kind)
            and self.outcome in (None, action.outcome)
            and self.run_id in (None, run_id)
            and (self.since is None or at >= self.since)
            and self.says(action)
        )

    def says(self, action: Action) -> bool:
        """Tell whether an action has all of the words."""
        if not self.words:
            return True
        text = f"{action.title}\n{action.alert_group_id}\n{action.reason}\n{action.detail}".lower()
        return all(word.lower() in text for word in self.words)


def _plainest(word: str) -> str:
    """Give the longest part of a word that the database compares as we do; "" if there is none."""
    return max(_PLAIN.findall(word), key=len, default="")


ALL_RUNS = WantedRuns()
ALL_ACTIONS = WantedActions()
