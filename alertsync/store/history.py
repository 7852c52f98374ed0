"""Reads and writes runs, their actions, and the debts as a list, within a transaction of the caller.

A run is kept in parts: its decisions, which are large, for the newest 200 runs only; its actions as rows that can
be looked through by alert group; the rest until retention takes it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from sqlalchemy import delete, insert, select, tuple_

from alertsync.models import Action, Debt, Decision, Run, RunStatus, Summary
from alertsync.store.schema import actions, debts, decisions, micros, moment, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from alertsync.store.pages import Key
    from alertsync.store.wanted import WantedActions, WantedRuns

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_DECISIONS = 200
"""How many of the newest runs keep their decisions."""

_encode = msgspec.json.Encoder().encode
_run = msgspec.json.Decoder(Run)
_action = msgspec.json.Decoder(Action)
_debt = msgspec.json.Decoder(Debt)
_decisions = msgspec.json.Decoder(tuple[Decision, ...])


def save_run(connection: Connection, run: Run) -> None:
    """Write a run over what was known of it."""
    forget_run(connection, run.run_id)
    connection.execute(
        insert(runs),
        {
            "run_id": run.run_id,
            "trigger": run.trigger,
            "status": run.status.value,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "decided": len(run.decisions),
            "body": _encode(msgspec.structs.replace(run, decisions=(), actions=())),
        },
    )
    if run.actions:
        connection.execute(
            insert(actions),
            [
                {
                    "run_id": run.run_id,
                    "position": position,
                    "at": _at(run, action),
                    "alert_group_id": action.alert_group_id,
                    "kind": action.kind.value,
                    "outcome": action.outcome.value,
                    "body": _encode(action),
                }
                for position, action in enumerate(run.actions)
            ],
        )
    if run.decisions:
        connection.execute(insert(decisions), {"run_id": run.run_id, "body": _encode(run.decisions)})
        newest = select(runs.c.run_id).order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
        connection.execute(delete(decisions).where(decisions.c.run_id.not_in(newest.limit(KEPT_DECISIONS))))


def forget_run(connection: Connection, run_id: str) -> None:
    """Delete a run with all that belongs to it."""
    connection.execute(delete(runs).where(runs.c.run_id == run_id))


def has_ended(connection: Connection, run_id: str) -> bool:
    """Tell whether it is written down how a run ended."""
    status = connection.scalar(select(runs.c.status).where(runs.c.run_id == run_id))
    return status not in (None, RunStatus.RUNNING.value, RunStatus.INTERRUPTED.value)


def read_run(connection: Connection, run_id: str) -> Run | None:
    """Read a run; None if it is not known (any more). Decisions that are not kept count as omitted."""
    row = connection.execute(select(runs.c.body, runs.c.decided).where(runs.c.run_id == run_id)).one_or_none()
    if row is None:
        return None
    run, decided = _run.decode(row[0]), row[1]
    done = select(actions.c.body).where(actions.c.run_id == run_id).order_by(actions.c.position)
    kept = connection.scalar(select(decisions.c.body).where(decisions.c.run_id == run_id))
    return msgspec.structs.replace(
        run,
        actions=tuple(_action.decode(body) for body in connection.scalars(done)),
        decisions=() if kept is None else _decisions.decode(kept),
        decisions_omitted=run.decisions_omitted + (decided if kept is None else 0),
    )


def read_runs(
    connection: Connection, limit: int, before: Key | None, wanted: WantedRuns
) -> list[tuple[Key, Summary]]:
    """Read runs, newest first."""
    query = select(runs.c.started_at, runs.c.run_id, runs.c.body).where(*wanted.conditions())
    by = (runs.c.started_at, runs.c.run_id)
    return readable(connection, query, by, limit, before, decode=lambda body, _: summary(_run.decode(body)))


def read_actions(
    connection: Connection, limit: int, before: Key | None, wanted: WantedActions
) -> list[tuple[Key, Action]]:
    """Read actions, newest first."""
    query = select(actions.c.at, actions.c.run_id, actions.c.position, actions.c.body)
    query = query.where(*wanted.conditions())
    by = (actions.c.at, actions.c.run_id, actions.c.position)

    def decode(body: bytes, key: Key) -> Action | None:
        action = _action.decode(body)
        return _of_run(action, key[1]) if wanted.says(action) else None

    return readable(connection, query, by, limit, before, decode=decode)


def read_debts(
    connection: Connection, limit: int, before: Key | None, alert_group_id: str | None, *, open_only: bool
) -> list[tuple[Key, Debt]]:
    """Read debts, those made last first."""
    query = select(debts.c.made_at, debts.c.id, debts.c.body)
    if alert_group_id is not None:
        query = query.where(debts.c.alert_group_id == alert_group_id)
    if open_only:
        query = query.where(debts.c.closed_at.is_(None))
    by = (debts.c.made_at, debts.c.id)
    return readable(connection, query, by, limit, before, decode=lambda body, _: _debt.decode(body))


def run_rows(kept: Iterable[Run], wanted: WantedRuns) -> list[tuple[Key, Summary]]:
    """Give runs that are not in the database as `read_runs` would."""
    return [((micros(run.started_at), run.run_id, 0), summary(run)) for run in kept if wanted.match(run)]


def action_rows(kept: Iterable[Run], wanted: WantedActions) -> list[tuple[Key, Action]]:
    """Give the actions of runs that are not in the database as `read_actions` would."""
    return [
        ((micros(_at(run, action)), run.run_id, position), _of_run(action, run.run_id))
        for run in kept
        for position, action in enumerate(run.actions)
        if wanted.match(action, run.run_id, _at(run, action))
    ]


def debt_rows(kept: Iterable[Debt], alert_group_id: str | None, *, open_only: bool) -> list[tuple[Key, Debt]]:
    """Give debts that are not in the database as `read_debts` would."""
    return [
        (debt_key(debt), debt)
        for debt in kept
        if alert_group_id in (None, debt.alert_group_id) and (debt.is_open or not open_only)
    ]


def debt_key(debt: Debt) -> Key:
    """Give what a debt is sorted by."""
    return (micros(debt.made_at), debt.id, 0)


def summary(run: Run) -> Summary:
    """Give a run without its decisions and actions."""
    return msgspec.convert(run, Summary, from_attributes=True)


def prune(connection: Connection, oldest: datetime) -> None:
    """Delete the runs that began before `oldest`, with all that belongs to them."""
    connection.execute(delete(runs).where(runs.c.started_at < oldest))


def readable(  # noqa: PLR0913  what is asked, and how an answer is read
    connection: Connection,
    query: Select[Any],
    by: Sequence[ColumnElement[Any]],
    limit: int,
    before: Key | None,
    *,
    decode: Callable[[bytes, Key], T | None],
) -> list[tuple[Key, T]]:
    """Read rows of what they are sorted by and a body; one that cannot be decoded must not hide the others.

    What `decode` gives None for is not wanted after all.
    """
    found: list[tuple[Key, T]] = []
    while True:
        rows = connection.execute(_part(query, by, limit, before)).all()
        for at, name, *number, body in rows:
            before = (micros(at), name, number[0] if number else 0)
            try:
                one = decode(body, before)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                extra = {"row": f"{by[0].table.name} {name}", "reason": str(error)}
                log.error("a row of the history cannot be read, and is left out", extra=extra)  # noqa: TRY400  the reason says it all
            else:
                found += [] if one is None else [(before, one)]
        if len(found) >= limit or len(rows) < limit:
            return found


def _part(
    query: Select[Any], by: Sequence[ColumnElement[Any]], limit: int, before: Key | None
) -> Select[Any]:
    if before is not None:
        behind = (moment(before[0]), *before[1:])[: len(by)]
        query = query.where(tuple_(*by) < tuple_(*behind, types=[column.type for column in by]))
    return query.order_by(*(column.desc() for column in by)).limit(limit)


def _at(run: Run, action: Action) -> datetime:
    return action.at or run.ended_at or run.started_at


def _of_run(action: Action, run_id: str) -> Action:
    return action if action.run_id else msgspec.structs.replace(action, run_id=run_id)
