"""A signal ends a program, whatever it interrupts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

_A_STORM_OF_SIGNALS = """
import os, signal
from alertsync.ending import Ending

ending, us = Ending(), os.getpid()
# Another process sends them, so that they come while this one computes.
child = os.fork()
if child == 0:
    for _ in range(100_000):
        os.kill(us, signal.SIGTERM)
    os._exit(0)
ended = 0
while ended == 0:
    ending.wait(0.0005)
    ending._asked = False
    ended, _ = os.waitpid(child, os.WNOHANG)
print("ended")
"""

_UNTIL_IT_IS_ASKED = """
from alertsync.ending import Ending

ending = Ending()
print("ready", flush=True)
while not ending.wait(60):
    pass
print(ending())
"""


def test_no_signal_comes_at_a_bad_moment() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _A_STORM_OF_SIGNALS], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_wait_at_once(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _UNTIL_IT_IS_ASKED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.stdout.read() == "True\n"
        assert time.monotonic() - began < 10
