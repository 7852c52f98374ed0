"""Opens both ends of a move, of which one is PostgreSQL: its driver need not be there for anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.clock import Clock
    from alertsync.store.moving import Moved


def move_store(state_dir: Path, url: str, clock: Clock, *, back: bool) -> Moved:
    """Move all from the file in `state_dir` to the database at `url`, or `back`; raise `MovingError` if that fails."""
    from alertsync.store.moving import move  # noqa: PLC0415  see the docstring of the module
    from alertsync.store.postgresql import PostgresDatabase  # noqa: PLC0415  the same

    file = Database(state_dir, clock, lambda: None)
    shared = PostgresDatabase(url, clock)
    try:
        return move(shared, file, file, url, clock) if back else move(file, shared, file, url, clock)
    finally:
        shared.close()
