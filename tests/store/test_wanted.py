"""What is looked for in the history is found in the database, and in what is not in it yet, alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.base import PGDialect

from alertsync.models import Action, ActionKind, Outcome, RunStatus
from alertsync.store import WantedActions, WantedRuns
from alertsync.store.schema import actions, runs
from tests.store.values import a_run, a_store

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.models import Run
    from alertsync.store import Store


def filled(tmp_path: Path, these: list[Run], *, written: bool) -> Store:
    """Give a store that knows these runs, from its database or from memory alone."""
    if not written:
        (tmp_path / "alertsync.db").mkdir()
    store = a_store(tmp_path, away=not written)
    for run in these:
        store.save_run(run)
    assert bool(store.degraded) is not written
    return store


def telling(number: int, **more: Any) -> Run:
    return msgspec.structs.replace(a_run(number), **more)


@pytest.mark.parametrize("written", [True, False], ids=["in the database", "not in it yet"])
def test_runs_with_nothing_to_tell_are_left_out(tmp_path: Path, *, written: bool) -> None:
    quoted = 'it says "inconsistencies_found":0, and lies'
    these = [
        telling(0),
        telling(1, inconsistencies_found=1),
        telling(2, status=RunStatus.FAILED),
        telling(3, status=RunStatus.RUNNING),
        telling(4, inconsistencies_found=10, message=quoted),
        telling(5, message="nothing, but «inconsistencies_found»"),
    ]
    store = filled(tmp_path, these, written=written)
    found = store.runs(limit=9, wanted=WantedRuns(telling=True)).items
    assert [one.run_id for one in found] == [a_run(number).run_id for number in (4, 3, 2, 1)]


SAID = {
    "I1": ("Disk of db-1", "silenced by ana@example.org: «db migration»", ""),
    "I2": ("Ärger 100%", 'her comment was "no\\such"', ""),
    "I3": ("under_score", "", "no answer within 10 s"),
}


@pytest.mark.parametrize("written", [True, False], ids=["in the database", "not in it yet"])
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("disk", ["I1"]),
        ("ANA migration", ["I1"]),
        ("ana elsewhere", []),
        ("ärger", ["I2"]),
        ("100%", ["I2"]),
        ("%", ["I2"]),
        ("r_s", ["I3"]),
        ('"no\\such"', ["I2"]),
        ("\\", ["I2"]),
        ("WITHIN", ["I3"]),
        ("i3", ["I3"]),
        ("outcome", []),
        ("", ["I1", "I2", "I3"]),
    ],
)
def test_every_word_stands_somewhere_in_an_action(
    tmp_path: Path, q: str, found: list[str], *, written: bool
) -> None:
    done = tuple(
        Action(name, ActionKind.RESOLVE, Outcome.RESOLVED, detail, title=title, reason=reason)
        for name, (title, reason, detail) in SAID.items()
    )
    store = filled(tmp_path, [telling(1, actions=done)], written=written)
    listed = store.actions(limit=9, wanted=WantedActions(words=tuple(q.split()))).items
    assert sorted(one.alert_group_id for one in listed) == found


def test_what_is_rare_is_found_however_old_it_is(tmp_path: Path) -> None:
    def done(number: int) -> tuple[Action, ...]:
        kinds = [ActionKind.REPAGE if number == one == 0 else ActionKind.RESOLVE for one in range(300)]
        return tuple(
            Action(
                f"G{number}", kind, Outcome.RESOLVED, title="rare" if kind is ActionKind.REPAGE else "common"
            )
            for kind in kinds
        )

    store = filled(tmp_path, [telling(number, actions=done(number)) for number in range(9)], written=True)
    for wanted in (WantedActions(kind=ActionKind.REPAGE), WantedActions(words=("RARE",))):
        page = store.actions(limit=2, wanted=wanted)
        assert [one.alert_group_id for one in page.items] == ["G0"]
        assert page.next is None
    first = store.actions(limit=2, wanted=WantedActions(words=("common",)))
    assert first.next is not None
    behind = store.actions(limit=500, before=first.next, wanted=WantedActions(words=("common",)))
    assert len(behind.items) == 500


def test_the_same_is_asked_of_postgresql() -> None:
    dialect = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so
    asked = (
        select(runs).where(*WantedRuns(telling=True).conditions()),
        select(actions).where(*WantedActions(words=("a",)).conditions()),
    )
    telling_ones, said = (str(one.compile(dialect=dialect)) for one in asked)
    assert "convert_from(runs.body, 'UTF8') LIKE" in telling_ones
    assert "convert_from(actions.body, 'UTF8') ILIKE" in said
