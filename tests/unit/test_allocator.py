"""The C library is told once, and learns nothing from what is freed afterwards."""

import subprocess
import sys

import pytest

_WHERE_THE_SECOND_LIES = """
import ctypes, pathlib, sys
from alertsync.allocator import map_large_buffers
if sys.argv[1] == "told":
    assert map_large_buffers()
first = bytearray(20 << 20)
del first
second = bytearray(1 << 20)
at = ctypes.addressof(ctypes.c_char.from_buffer(second))
heap = next(line for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
begin, end = (int(bound, 16) for bound in heap.split()[0].split("-"))
print("heap" if begin <= at < end else "mapping")
"""


@pytest.mark.parametrize(("how", "lies_in"), [("told", "mapping"), ("not told", "heap")])
def test_a_large_buffer_is_mapped_though_a_larger_one_was_freed_before(how: str, lies_in: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WHERE_THE_SECOND_LIES, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (lies_in, "")


_WHAT_IS_HELD_ONCE_MOST_IS_FREE = """
import contextlib, pathlib, resource, sys
from alertsync.allocator import giving_back
def held():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
def most_is_free():
    many = [bytes(1000) for _ in range(100_000)]
    return many[::500]
before = held()
with giving_back() if sys.argv[1] == "given back" else contextlib.nullcontext():
    few = most_is_free()
print("much" if held() - before > 50_000_000 else "little")
"""


@pytest.mark.parametrize(("how", "held"), [("given back", "little"), ("kept", "much")])
def test_what_is_free_between_small_things_that_stay_is_given_back(how: str, held: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WHAT_IS_HELD_ONCE_MOST_IS_FREE, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (held, "")
