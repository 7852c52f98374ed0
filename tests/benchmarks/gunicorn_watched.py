"""The repository's own configuration of gunicorn, and a thread in each worker that watches for stalls."""

import os
import runpy
from pathlib import Path
from typing import Any

from tests.benchmarks import stalls

# Found without the tests' own modules: what the master imports counts as its memory.
_ROOT = Path(__file__).parents[2]
_settings: dict[str, Any] = runpy.run_path(str(_ROOT / "gunicorn.conf.py"))
globals().update({name: value for name, value in _settings.items() if not name.startswith("_")})


def post_fork(server: object, worker: Any) -> None:
    """Start the thread that the repository's configuration starts, and the one that watches."""
    _settings["post_fork"](server, worker)
    stalls.watch(Path(os.environ[stalls.ASKED]))
