"""The planner alone: how long it thinks about an alert group, as there are more and more of them.

Everything grows together, as it does in life: alerts, alert groups, silences that hold, silences that are to come,
what is remembered of each alert group, and debts. If any of them were looked through for each of another, the time
for one alert group would grow with their number.
"""

import gc
import statistics
import time
from datetime import UTC, datetime, timedelta

import msgspec

from alertsync.models import (
    AggregationGroup,
    Alert,
    AlertGroup,
    AlertmanagerSnapshot,
    AlertStatus,
    Delivery,
    Integration,
    IrmSnapshot,
    Ledger,
    Matcher,
    Policy,
    Silence,
    Snapshots,
    Webhook,
)
from alertsync.planner.plan import plan
from alertsync.simulator.alertmanager_text import label_set_text
from alertsync.store import memory
from tests.benchmarks import table
from tests.benchmarks.table import Row
from tests.benchmarks.world import EXTERNAL_URL, RECEIVER, Group, World

SMALLEST, DOUBLINGS = 640, 5
MOST_GROWTH = 2.0
"""So many times longer may an alert group take when there are 32 times as many: caches get no larger."""

_REPEAT = 5
_SILENCED_EVERY, _PENDING_EVERY = 20, 200
_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_INTEGRATION = Integration(id="C1", name="production", type="alertmanager", in_maintenance=False)


def measure(smallest: int = SMALLEST, doublings: int = DOUBLINGS) -> list[Row]:
    """Plan for more and more alert groups; a row for each number, and one that says whether it is linear."""
    worlds = [_World(smallest << doubling) for doubling in range(doublings + 1)]
    # As in a run, which Python's collector does not disturb.
    gc.collect()
    gc.disable()
    # All sizes in turn: a machine that is slow for seconds is slow for each of them.
    rounds = [[world.plan() for world in worlds] for _ in range(_REPEAT)]
    gc.enable()
    usual = [statistics.median(times) for times in zip(*rounds, strict=True)]
    each = [took / world.groups for took, world in zip(usual, worlds, strict=True)]
    rows = [
        table.seconds(
            "",
            "planner alone, for one alert group",
            one,
            note=f"{world.groups} alert groups in {took * 1e3:.0f} ms",
        )
        for one, took, world in zip(each, usual, worlds, strict=True)
    ]
    growth = each[-1] / each[0]
    what = f"growth of that over {doublings} doublings"
    rows.append(Row("", what, f"{growth:.2f}", growth, f"≤ {MOST_GROWTH:g}", growth <= MOST_GROWTH))
    return rows


class _World:
    """So many alert groups, and what a second run or later knows of them: what was resolved is owed."""

    def __init__(self, groups: int) -> None:
        self.groups = groups
        self._snapshots, self._policy = _snapshots(groups), Policy()
        first = plan(self._snapshots, Ledger(), self._policy, _NOW)
        owed = tuple(debt for debts in first.obligations.values() for debt in debts)
        self._ledger = memory.apply(Ledger(), msgspec.structs.replace(first.change, debts=owed))

    def plan(self) -> float:
        """Plan once, and give the seconds that were computed, not those that passed: others use the machine, too."""
        began = time.process_time()
        planned = plan(self._snapshots, self._ledger, self._policy, _NOW + timedelta(seconds=60))
        took = time.process_time() - began
        if len(planned.decisions) != self.groups:
            raise RuntimeError(
                f"the planner decided about {len(planned.decisions)} of {self.groups} alert groups"
            )
        return took


def _snapshots(groups: int) -> Snapshots:
    world = World(
        groups=groups, alerts=groups * 5 // 2, actions=0, batches=0, epoch=_NOW - timedelta(hours=1)
    )
    all_groups = list(world)
    silenced, pending = all_groups[::_SILENCED_EVERY], all_groups[::_PENDING_EVERY]
    alertmanager = AlertmanagerSnapshot(
        groups=tuple(map(_aggregation_group, all_groups)),
        silences=(
            *(_silence(group, "active", hours=1) for group in silenced),
            *(_silence(group, "pending", hours=2) for group in pending),
        ),
        started_at=_NOW - timedelta(days=1),
        settled=True,
        version="0.25.0",
        clock=_NOW,
        read_at=_NOW,
    )
    irm = IrmSnapshot(
        alert_groups=tuple(_alert_group(group, world.began(group)) for group in all_groups),
        integrations=(_INTEGRATION,),
        clock=_NOW,
        read_at=_NOW,
    )
    return Snapshots(irm, (alertmanager,))


def _aggregation_group(group: Group) -> AggregationGroup:
    held = group.index % _SILENCED_EVERY == 0
    return AggregationGroup(
        receiver=RECEIVER,
        labels=group.labels,
        alerts=tuple(
            Alert(
                fingerprint=_fingerprint(group, nth),
                labels=labels,
                status=AlertStatus.SILENCED if held else AlertStatus.ACTIVE,
                silenced_by=(f"active-{group.index}",) if held else (),
            )
            for nth, labels in enumerate(group.alerts)
        ),
    )


def _silence(group: Group, state: str, *, hours: float) -> Silence:
    return Silence(
        id=f"{state}-{group.index}",
        state=state,
        matchers=(Matcher("service", group.labels["service"]), Matcher("pod", ".+", is_regex=True)),
        starts_at=_NOW - timedelta(hours=1) if state == "active" else _NOW + timedelta(minutes=30),
        ends_at=_NOW + timedelta(hours=hours),
    )


def _alert_group(group: Group, began: datetime) -> AlertGroup:
    content = Webhook(
        receiver=RECEIVER,
        group_labels=group.labels,
        external_url=EXTERNAL_URL,
        group_key=f"{{}}:{label_set_text(group.labels)}",
        firing=frozenset(_fingerprint(group, nth) for nth in range(len(group.alerts))),
        resolved=frozenset(),
    )
    return AlertGroup(
        id=group.id,
        integration_id=_INTEGRATION.id,
        state=group.state,
        alerts_count=1,
        created_at=began,
        title=group.labels["alertname"],
        last_delivery=Delivery(id=f"A{group.index}", created_at=began, content=content),
    )


def _fingerprint(group: Group, nth: int) -> str:
    """Name an alert of a group: any name will do that no other has."""
    return f"{group.index:08x}{nth:08x}"
