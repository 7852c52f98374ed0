"""Tells the C library to give large buffers back to the system as soon as they are free.

A run reads answers of many megabytes. glibc maps the first of them by themselves, and learns from their being
freed to take the next ones from its heap, between small things that stay: so each run leaves more of it in pieces,
and memory grows by a fifth that nobody uses. Said once how large a buffer has a mapping of its own, it learns no
more. Facts: mallopt(3), M_MMAP_THRESHOLD.
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 17
"""glibc's own value to begin with."""


def map_large_buffers() -> bool:
    """Fix, for this process and those it forks, from what size on a buffer is mapped; False where nobody can be told."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        # Other C libraries have other habits.
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES))
