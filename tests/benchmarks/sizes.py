"""How large the worlds are that are measured, and what is wanted of each."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Targets:
    """What must hold: times in seconds, memory in bytes. Each bound is the largest value that is still good."""

    above_floor: float
    memory: int
    scrape: float
    healthz: float


@dataclass(frozen=True)
class Size:
    """A world: so many alerts in Alertmanager, in so many alert groups, all of them open in IRM at first.

    `actions` is how many alert groups each run has to resolve. `repeat` is how often a run and its floor are
    measured; where a single run takes long, fewer must do.
    """

    name: str
    alerts: int
    groups: int
    actions: int
    repeat: int
    targets: Targets


SIZES = {
    size.name: size
    for size in (
        Size("1k", 1_000, 500, 10, 5, Targets(0.3, 120 * MEGABYTE, 0.005, 0.05)),
        Size("10k", 10_000, 5_000, 50, 3, Targets(1.0, 180 * MEGABYTE, 0.015, 0.15)),
        Size("50k", 50_000, 20_000, 100, 2, Targets(4.0, 400 * MEGABYTE, 0.06, 1.0)),
    )
}
"""The table of the design. 100 actions are as many as MAX_ACTIONS_PER_RUN allows by default."""
