"""Has the C library give memory back to the system that a run needed and nobody uses any more.

A run reads answers of many megabytes. glibc maps the first of them by themselves, and learns from their being
freed to take the next ones from its heap, between small things that stay: so each run leaves more of it in pieces,
and memory grows by a fifth that nobody uses. Said once how large a buffer has a mapping of its own, it learns no
more. Smaller things, as the labels of alerts, leave pages free in the middle of the heap, which it gives back when it is
asked to. Facts: mallopt(3), M_MMAP_THRESHOLD; malloc_trim(3).
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextlib.contextmanager
def giving_back() -> Iterator[None]:
    """Give back after the block what is free then, or nothing where nobody can be told to."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
