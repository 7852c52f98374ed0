"""`migrate-store`: moves the state from the file in STATE_DIR to PostgreSQL, or back."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from alertsync.clock import Clock
from alertsync.errors import MovingError
from alertsync.store import move_store

if TYPE_CHECKING:
    from alertsync.settings import Settings

TO = ("postgresql", "sqlite")


def move(settings: Settings, *, to: str, as_json: bool) -> int:
    """Move the state, say what was moved, and give the exit status; raise `MovingError` if that is impossible."""
    if settings.database_url is None:
        raise MovingError("DATABASE_URL is not set: it names the PostgreSQL database, for moving back too")
    moved = move_store(settings.state_dir, settings.database_url.value, Clock(), back=to == "sqlite")
    if as_json:
        json.dump({"rows": moved.rows, "kept_as": moved.kept_as}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    told = ", ".join(f"{number} {name}" for name, number in moved.rows.items() if number)
    then = "start alertsync" if to == "postgresql" else "unset DATABASE_URL, and start alertsync"
    sys.stdout.write(
        f"moved {told}\nwhat was moved is kept as {moved.kept_as}; delete it when all is well\nnow {then}\n"
    )
    return 0
