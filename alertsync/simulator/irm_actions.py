"""What people and clients may do to an alert group in IRM, and what it does to the group.

Changes of one record. IRM looks at the state first and only then at whether the group is attached,
which decides the words of its refusal (observed on Grafana OnCall 2026-01). Groups that are attached
take what happens to their root without such a look (read in OnCall's source, as what is said here of
maintenance groups), so a change must make sense in every state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from alertsync.simulator.irm_records import (
    ACKNOWLEDGED,
    FIRING,
    RESOLVED,
    SILENCED,
    Group,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Act:
    """Who acts, when, and for a silence how long: `delay` in seconds, 0 and -1 for ever."""

    by: str | None
    at: datetime
    delay: int = 0


def _acknowledge(group: Group, act: Act) -> None:
    _unsilence(group, act)
    _reopen(group)
    group.acknowledged_at, group.acknowledged_by = act.at, act.by


def _unacknowledge(group: Group, _: Act) -> None:
    group.acknowledged_at = group.acknowledged_by = None


def _resolve(group: Group, act: Act) -> None:
    _unsilence(group, act)
    group.resolved_at, group.resolved_by = act.at, act.by
    group.open_for_grouping = False


def _unresolve(group: Group, _: Act) -> None:
    if not group.wiped:  # of a wiped group IRM says that it did, and does not
        _reopen(group)


def _silence(group: Group, act: Act) -> None:
    _unacknowledge(group, act)
    _reopen(group)
    group.silenced_at = act.at
    group.silenced_until = act.at + timedelta(seconds=act.delay) if act.delay > 0 else None


def _unsilence(group: Group, _: Act) -> None:
    group.silenced_at = group.silenced_until = None


def _reopen(group: Group) -> None:
    group.resolved_at = group.resolved_by = None


@dataclass(frozen=True)
class _Rule:
    taken_from: tuple[str, ...]
    change: Callable[[Group, Act], None]
    pages: bool = False


_RULES = {
    "acknowledge": _Rule((FIRING, SILENCED), _acknowledge),
    "unacknowledge": _Rule((ACKNOWLEDGED,), _unacknowledge, pages=True),
    "resolve": _Rule((FIRING, ACKNOWLEDGED, SILENCED), _resolve),
    "unresolve": _Rule((RESOLVED,), _unresolve, pages=True),
    "silence": _Rule((FIRING, SILENCED), _silence),
    "unsilence": _Rule((SILENCED,), _unsilence, pages=True),
}
ACTIONS = tuple(_RULES)


def check(action: str, group: Group) -> None:
    """Raise `RefusedError`, in IRM's words, if the group's state or nature forbids the action."""
    if group.state not in _RULES[action].taken_from:
        raise RefusedError(f"Can't {action} {_offending_state(action, group)} alert group")
    if group.root_id is not None:
        raise RefusedError(f"Can't {action} an attached alert group")
    if group.is_maintenance and action != "resolve":
        raise RefusedError(f"Can't {action} a maintenance alert group")


def apply(action: str, group: Group, act: Act) -> bool:
    """Change the group, whatever its state; tell whether its escalation starts again."""
    rule = _RULES[action]
    rule.change(group, act)
    return rule.pages and group.state == FIRING


def follow(root: Group, child: Group, act: Act) -> None:
    """Make a group that is being attached share the acknowledgement and the silence of its root."""
    if (root.state == ACKNOWLEDGED) != (child.state == ACKNOWLEDGED):
        apply("acknowledge" if root.state == ACKNOWLEDGED else "unacknowledge", child, act)
    if (root.state == SILENCED) != (child.state == SILENCED):
        apply("silence" if root.state == SILENCED else "unsilence", child, act)


def _offending_state(action: str, group: Group) -> str:
    if action.startswith("un"):
        return f"an {action}d"
    return f"an {group.state}" if group.state == ACKNOWLEDGED else f"a {group.state}"
