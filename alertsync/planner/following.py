"""The table of silences in IRM: what Alertmanager is told because a person silenced an alert group there.

    | IRM shows                           | and                                        | then                           |
    |-------------------------------------|--------------------------------------------|--------------------------------|
    | not this silence, or no such group  | any                                        | ours are expired: ENDED        |
    | this silence                        | it is by a stranger, or a person ended one | ours are expired: REFUSED      |
    |                                     | of ours in Alertmanager                    |                                |
    | "                                   | its alert group is not ours to act on      | ours are expired: REFUSED      |
    | "                                   | its members are not known                  | ours stay as they are          |
    | "                                   | one of ours catches another alert          | that one is expired            |
    | "                                   | a member is not caught                     | silences for exactly all       |
    | "                                   | all are caught                             | ours are kept, and go on until |
    |                                     |                                            | IRM's ends, or are renewed     |

When in doubt Alertmanager speaks: what cannot be told apart from another alert is not silenced, and each silence ends
by itself, at the latest after WEBHOOK_MAX_SILENCE, should alertsync die.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, DecisionKind, IrmSilence, IrmSilenceState, OurSilence, SilenceChange
from alertsync.planner import markers
from alertsync.planner.inbox import holds
from alertsync.planner.matchers import Crowd, cover, of_matchers, pairs, to_matchers, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from alertsync.models import AlertGroup, Decision, Matcher, Silence
    from alertsync.planner.context import Context
    from alertsync.planner.matchers import Pairs

SLACK = timedelta(seconds=5)
"""How far apart two clocks, or two ends of silences, may be and count as the same."""
_SAME_END = timedelta(seconds=1)
_LEAST = timedelta(seconds=1)
"""A silence that would be shorter is not made."""
_NOT_OURS = frozenset({DecisionKind.FOREIGN, DecisionKind.ATTACHED})
_MAX_TITLE, _MAX_LINK = 200, 1000


class Follower:
    """Plans for silences of IRM.

    `ours` are our silences in Alertmanager by alert group and id, `ended` those that are expired by id; `asked` is what
    ours, and the members of all the alert groups, are told by.
    """

    def __init__(
        self,
        context: Context,
        ours: Mapping[str, Mapping[str, Silence]],
        ended: Mapping[str, Silence],
        asked: Pairs,
    ) -> None:
        self._context = context
        self._ours = ours
        self._ended = ended
        self._crowd = Crowd((alert for view in context.views for alert in view.alerts.everybody()), asked)
        self._now = max(view.now for view in context.views)

    def follow(
        self, silence: IrmSilence, group: AlertGroup | None, decision: Decision | None, *, whole: bool
    ) -> tuple[IrmSilence, list[SilenceChange], bool]:
        """Give what is known of a silence now, what is to be done, and whether its deliveries are wanted first."""
        here = dict(self._ours.get(silence.alert_group_id, {}))
        ended_by_hand = self._ended_by_hand(silence)
        silence = msgspec.structs.replace(silence, silences=_held(silence, here))
        if group is None or decision is None or not holds(silence, group):
            return self._over(silence, group, here)
        if ended_by_hand and not silence.for_good:
            why = "somebody ended its silence in Alertmanager, and a person's word stands"
            silence = msgspec.structs.replace(silence, for_good=True, why=why)
        if silence.for_good:
            return (
                self._refused(silence, silence.why),
                self._expire(silence, here.values(), silence.why),
                False,
            )
        if decision.kind in _NOT_OURS:
            silence = self._refused(silence, decision.reason)
            return silence, self._expire(silence, here.values(), decision.reason), False
        if decision.kind is DecisionKind.UNKNOWN:
            return self._refused(silence, decision.reason), [], False
        return self._hold(silence, group, decision, here, whole=whole)

    def _over(
        self, silence: IrmSilence, group: AlertGroup | None, here: Mapping[str, Silence]
    ) -> tuple[IrmSilence, list[SilenceChange], bool]:
        if silence.state is not IrmSilenceState.ENDED:
            why = _why_over(silence, group, self._context)
            silence = msgspec.structs.replace(
                silence, state=IrmSilenceState.ENDED, why=why, ended_at=self._context.now
            )
        return silence, self._expire(silence, here.values(), silence.why), False

    def _hold(
        self,
        silence: IrmSilence,
        group: AlertGroup,
        decision: Decision,
        here: Mapping[str, Silence],
        *,
        whole: bool,
    ) -> tuple[IrmSilence, list[SilenceChange], bool]:
        """Make sure that exactly the members are caught, until the end."""
        members = {member.fingerprint: member.labels for member in decision.members}
        catching = {one.id: of_matchers(one.matchers) for one in here.values()}
        too_wide = [
            one
            for one in here.values()
            if (conditions := catching[one.id]) is None or self._crowd.strangers(conditions, members)
        ]
        kept = [one for one in here.values() if one not in too_wide]
        changes = self._expire(silence, too_wide, "it would catch an alert of another alert group")
        until = self._until(silence)
        caught = {name for one in kept for name in self._crowd.caught(catching[one.id] or frozenset())}
        if members.keys() <= caught or until is None:
            silence = msgspec.structs.replace(silence, state=IrmSilenceState.FOLLOWED, why="")
            return silence, [*changes, *self._extend(silence, group, kept, until)], False
        found = cover(members, self._crowd)
        versions = [view.version for view in self._context.views]
        refused = found.refused or unsupported(found.silences, versions) or self._context.ledger.degraded
        integration = self._context.integrations.get(group.integration_id)
        if not whole and (not refused or (integration is not None and integration.merges)):
            # Where places are not merged, no delivery could make of a stranger a member.
            return silence, changes, True
        if refused:
            noted = msgspec.structs.replace(silence, noted=refused)
            return self._refused(noted, refused), [*changes, *self._note(silence, refused)], False
        silence = msgspec.structs.replace(silence, state=IrmSilenceState.FOLLOWED, why="", noted="")
        there = {catching[one.id] for one in kept}
        staying = [one for one in kept if catching[one.id] in found.silences]
        leaving = [one for one in kept if catching[one.id] not in found.silences]
        changes += self._extend(silence, group, staying, until)
        changes += [
            self._create(silence, group, to_matchers(one), until)
            for one in found.silences
            if one not in there
        ]
        why = "others catch its alerts now"
        replaced = self._expire(silence, leaving, why)
        changes += [msgspec.structs.replace(one, replaced=True) for one in replaced]
        return silence, changes, False

    def _until(self, silence: IrmSilence) -> datetime | None:
        """Give when (by Alertmanager's clock) ours should end; None where that is now."""
        longest = self._now + self._context.policy.max_silence
        if silence.until is None:
            return longest
        left = silence.until - self._context.irm_now
        if left < _LEAST:
            return None
        apart = self._now - self._context.irm_now
        return min(longest, silence.until if abs(apart) < SLACK else silence.until + apart)

    def _extend(
        self, silence: IrmSilence, group: AlertGroup, kept: Iterable[Silence], until: datetime | None
    ) -> list[SilenceChange]:
        if until is None:
            return []
        known = {one.id: one.ends_at for one in silence.silences}
        changes = []
        for one in kept:
            by_a_person = known.get(one.id, one.ends_at) - one.ends_at > _SAME_END
            if not by_a_person and self._is_due(one, silence, until):
                change = self._create(silence, group, one.matchers, until)
                changes.append(
                    msgspec.structs.replace(
                        change, kind=ActionKind.EXTEND_SILENCE, silence_id=one.id, starts_at=one.starts_at
                    )
                )
        return changes

    def _is_due(self, one: Silence, silence: IrmSilence, until: datetime) -> bool:
        """Tell whether the end of ours is to be changed: it is renewed when half of it is used up."""
        if one.ends_at > until + SLACK:
            return True
        longest = self._context.policy.max_silence
        capped = silence.until is None or until < silence.until - SLACK
        if capped:
            return one.ends_at < self._now + longest / 2
        return one.ends_at < until - SLACK

    def renewal(self, silence: IrmSilence) -> datetime | None:
        """Give when (by our clock) it is to be renewed next; None if it is not."""
        longest = self._context.policy.max_silence
        ends = [one.ends_at for one in silence.silences]
        left = None if silence.until is None else silence.until - self._context.irm_now
        if (
            silence.state is not IrmSilenceState.FOLLOWED
            or not ends
            or (left is not None and left <= longest)
        ):
            return None
        return self._context.now + max(min(ends) - longest / 2 - self._now, SLACK) + SLACK

    def _create(
        self, silence: IrmSilence, group: AlertGroup, matchers: tuple[Matcher, ...], until: datetime
    ) -> SilenceChange:
        who = (silence.username or silence.user_email)[:_MAX_TITLE]
        title = silence.title[:_MAX_TITLE]
        link = f" {silence.url[:_MAX_LINK]}" if silence.url else ""
        return SilenceChange(
            ActionKind.CREATE_SILENCE,
            silence.alert_group_id,
            silence.title,
            f"{silence.user_email} silenced its alert group in IRM",
            matchers=matchers,
            starts_at=None,
            ends_at=until,
            created_by=silence.user_email,
            comment=f"{title}: silenced in Grafana IRM by {who}.{link} {markers.marker(group, silence, matchers)}",
            silenced_at=silence.silenced_at,
        )

    def _expire(self, silence: IrmSilence, gone: Iterable[Silence], why: str) -> list[SilenceChange]:
        return [
            SilenceChange(
                ActionKind.EXPIRE_SILENCE,
                silence.alert_group_id,
                silence.title,
                why,
                silence_id=one.id,
                ends_at=one.ends_at,
                silenced_at=silence.silenced_at,
            )
            for one in sorted(gone, key=lambda one: one.id)
        ]

    def _note(self, silence: IrmSilence, why: str) -> list[SilenceChange]:
        """Tell the person once that Alertmanager goes on, and why."""
        if silence.noted == why:
            return []
        text = f"alertsync cannot silence this in Alertmanager, where other receivers go on: {why}."
        return [
            SilenceChange(
                ActionKind.NOTE,
                silence.alert_group_id,
                silence.title,
                why,
                silenced_at=silence.silenced_at,
                text=text,
            )
        ]

    def _refused(self, silence: IrmSilence, why: str) -> IrmSilence:
        return msgspec.structs.replace(silence, state=IrmSilenceState.REFUSED, why=why)

    def _ended_by_hand(self, silence: IrmSilence) -> bool:
        """Tell whether one of ours is over in Alertmanager before the end that we gave it."""
        return any(
            (gone := self._ended.get(one.id)) is not None and gone.ends_at < one.ends_at - _SAME_END
            for one in silence.silences
        )


def _held(silence: IrmSilence, here: Mapping[str, Silence]) -> tuple[OurSilence, ...]:
    """Give those of ours that are there; with the end that we gave them, as far as we know."""
    known = {one.id: one for one in silence.silences}
    return tuple(
        known.get(one.id) or OurSilence(one.id, one.matchers, one.ends_at)
        for one in sorted(here.values(), key=lambda one: one.id)
    )


def _why_over(silence: IrmSilence, group: AlertGroup | None, context: Context) -> str:
    if group is None:
        return "its alert group is not open in IRM any more"
    if group.state != "silenced":
        ran_out = silence.until is not None and context.irm_now >= silence.until - SLACK
        return (
            "it ran out in IRM"
            if ran_out and group.state == "firing"
            else f"its alert group is {group.state} in IRM"
        )
    return "its alert group was silenced anew in IRM, by somebody whom Alertmanager does not follow"


def adopted(
    marked: Iterable[Silence], groups: Mapping[str, AlertGroup], context: Context
) -> list[IrmSilence]:
    """Give silences of IRM that the ledger does not know, as the markers of ours tell of them."""
    found: dict[str, IrmSilence] = {}
    for silence in marked:
        said = markers.read(silence)
        if said is None:
            continue
        group = groups.get(said.alert_group_id)
        newest = found.get(said.alert_group_id)
        if newest is not None and newest.silenced_at >= said.silenced_at:
            continue
        found[said.alert_group_id] = IrmSilence(
            alert_group_id=said.alert_group_id,
            title=group.title.strip() if group else said.alert_group_id,
            user_id="",
            user_email=silence.created_by,
            silenced_at=said.silenced_at,
            made_at=context.now,
            until=said.until,
            url=group.url if group else None,
        )
    return list(found.values())


def asked_about(members: Iterable[Mapping[str, str]], silences: Iterable[Silence]) -> Pairs:
    """Give all labels and values that members have, or that silences are told by."""
    found: set[tuple[str, str]] = set()
    for labels in members:
        found |= pairs(labels)
    for silence in silences:
        found |= of_matchers(silence.matchers) or frozenset()
    return frozenset(found)
