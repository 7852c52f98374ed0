"""Asks `/healthz`, or another path, again and again, as impatiently as no kubelet would, and tells how long it ever took.

It is a process of its own, so that a benchmark that is busy is not taken for a service that is. Each probe makes a
connection, as kubelet does. It ends when its standard input does, and then prints what it saw.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from typing import Self
from urllib.parse import urlsplit

from tests.service import ROOT

_PAUSE_SECONDS = 0.005
_TIMEOUT_SECONDS = 60
_REQUEST = "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Prober:
    """Probes a service from another process while the context lasts; `times` are in seconds, in order."""

    def __init__(self, url: str, path: str = "/healthz", *, pause: float = _PAUSE_SECONDS) -> None:
        self._command = [sys.executable, "-m", "tests.benchmarks.prober", url + path, str(pause)]
        self.times: list[float] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            answer = self._process.communicate(timeout=_TIMEOUT_SECONDS)[0]
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self.times = json.loads(answer) if answer else []

    @property
    def longest(self) -> float:
        """How long the slowest probe took; infinite if one failed or none was answered."""
        return max(self.times, default=float("inf"))


def main() -> None:
    """Probe until standard input ends."""
    address, pause = urlsplit(sys.argv[1]), float(sys.argv[2])
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    times = []
    _say("probing")
    while not ended.is_set():
        times.append(_probe((address.hostname or "", address.port or 80), address.path))
        time.sleep(pause)
    _say(json.dumps(times))


def _probe(address: tuple[str, int], path: str) -> float:
    began = time.monotonic()
    try:
        with socket.create_connection(address, timeout=_TIMEOUT_SECONDS) as connection:
            connection.sendall(_REQUEST.format(path).encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
    except OSError:
        return float("inf")
    return time.monotonic() - began if answer.startswith(b"HTTP/1.1 200 ") else float("inf")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
