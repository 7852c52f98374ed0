"""Where tests write, and which of them begin first: what `make test` takes is decided by waiting and by what ends last.

Each commit of the product waits for the disk, and most tests only wait. So they write to memory where there is room:
the product asks for every sync as it does anywhere, and what it asks is done at once. Where memory is scarce, as in a
container with 64 MB of it, tests write where pytest lets them.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_MEMORY = "/dev/shm"  # noqa: S108  pytest makes a directory of its own there, which only its user may enter
_ROOM = 2 << 30
"""Bytes that must be free: what passes is removed at once, so that all tests together need far less."""
_HERE = Path(__file__).parent
_LONGEST = (
    "simulation/test_simulation.py",
    "simulation/test_simulation_on.py",
    "simulation/test_simulation_peers.py",
    "simulation/test_simulation_peers_on.py",
    "e2e/test_process.py",
    "e2e/test_one_truth.py",
    "e2e/test_reconcile.py",
    "e2e/test_dying.py",
    "e2e/test_hosts.py",
    "soak/test_endure.py",
    "e2e/test_liveness.py",
    "faults/test_upstreams.py",
    "contract/test_alertmanager_client.py",
)
"""Files that take long by themselves: they begin first, so that nobody waits for one of them in the end."""


def pytest_configure() -> None:
    """Choose the place before the first directory is made; whoever names one is obeyed.

    And let what tests start be interrupted: a shell that runs them in the background ignores that for all of them.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first, and all others in the order in which they were found."""
    first = {_HERE / file: number for number, file in enumerate(_LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))
