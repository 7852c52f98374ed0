"""The application of wsgi.py, for gunicorn, in workers of which the first ones do not survive their boot.

CRASHES_AT_BOOT names a directory: as long as a file is in it, a worker takes one away, dawdles for so many seconds
as the file holds, as an import may, and dies as the file's name says.
"""

import os
import signal
import time
from pathlib import Path


def _crash() -> None:
    for path in sorted(Path(os.environ["CRASHES_AT_BOOT"]).iterdir()):
        seconds = float(path.read_text())
        try:
            path.unlink()
        except FileNotFoundError:  # another worker was faster
            continue
        time.sleep(seconds)
        if path.name.endswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("this worker crashes at boot")


_crash()

from wsgi import app  # noqa: E402  it crashes before

__all__ = ["app"]
