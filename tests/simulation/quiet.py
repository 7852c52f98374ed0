"""What must hold once everything is quiet: no alert group stays open for which no alert lives.

Quiet means that nothing happens, every peer hears the others, and the operator lets us close what is gone. Left
open may stay what is a person's, and what we cannot prove to be gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.evidence import is_alive
from tests.simulation.world import INTERVAL

if TYPE_CHECKING:
    from alertsync.simulator.irm_model import Group
    from tests.simulation.judge import Judge
    from tests.simulation.world import World

ABSENCE_AFTER = 600.0
RUNS_UNTIL_QUIET = int(4 * ABSENCE_AFTER / INTERVAL) + 8
"""Runs within which all that is gone is closed: the brake on many lasts four times ABSENCE_AFTER, and a lease,
or an alert that Prometheus has yet to send again, a few runs more."""
QUIET = {"ON_GONE": "resolve", "ON_SILENCED": "resolve", "REPAGE": "true", "DRY_RUN": "false"}


def until_quiet(world: World, judge: Judge) -> None:
    """Let everything become quiet, and blame what is left open without a live alert."""
    one = world.instances[0]
    world.let_gossip_take(0)
    for integration in world.integrations.values():
        if integration.maintenance_mode:
            world.irm.set_maintenance(integration, None)
    world.restart_us(one, QUIET)
    judge.excuse()
    world.pass_time(RUNS_UNTIL_QUIET * INTERVAL)
    for group in world.irm.groups():
        if group.id in judge.seen_alive and may_be_closed(group) and not is_alive(group, world):
            judge.blame(f"(c) {group.title}{group.id} is open, and none of its alerts lives")


def may_be_closed(group: Group) -> bool:
    """Tell whether an open alert group is ours to close: firing, not attached, with deliveries to judge by."""
    return (
        group.state == "firing"
        and group.root_id is None
        and not group.is_maintenance
        and not group.wiped
        and bool(group.deliveries)
    )
