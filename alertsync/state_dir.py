"""Finds out whether the directory that is to hold locks and state can be used.

gunicorn's master asks before it forks, so this needs nothing that is large to import.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from alertsync.errors import StateDirError

if TYPE_CHECKING:
    from pathlib import Path

RUNTIME_DIR = "ALERTSYNC_RUNTIME_DIR"
"""Set by the gunicorn master for its workers when STATE_DIR is unusable; not a setting."""


def prepare(directory: Path) -> None:
    """Make the state directory and prove that it can be written; raise `StateDirError` if not."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise StateDirError(
            f"STATE_DIR ({directory}) cannot be written ({error.strerror}): "
            "wants a directory on a local disk that alertsync may write"
        ) from None
