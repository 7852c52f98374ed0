"""The real service under gunicorn, with what the kernel knows of its processes, and what a scrape costs."""

import http.client
import os
import statistics
import time
from pathlib import Path
from typing import Self

import requests

from tests.benchmarks import stalls
from tests.servers import free_port
from tests.service import Service

TOKEN = "token-of-the-benchmark"
_SETTINGS = {
    "GRAFANA_IRM_TOKEN": TOKEN,
    "IRM_RATE_LIMIT": "999999/1 second",
    "ALERT_LABELS": "alertname,service,severity",
}
_ALIVE_WITHIN_SECONDS = 60
_RUN_WITHIN_SECONDS = 600
_POLL_SECONDS = 0.002
_KIB = 1024


class MeasuredService(Service):
    """The service between these two addresses, as a context manager; `startup` is how long its last start took."""

    configuration = "tests/benchmarks/gunicorn_watched.py"

    def __init__(self, directory: Path, *, irm: str, alertmanager: str, **settings: str) -> None:
        self.stalls = directory / "stalls"
        addresses = {
            "GRAFANA_IRM_URL": irm,
            "ALERTMANAGER_HOST": alertmanager,
            stalls.ASKED: str(self.stalls),
        }
        super().__init__(directory, {**_SETTINGS, **addresses, **settings})
        self.startup = 0.0

    def __enter__(self) -> Self:
        directory = self.directory
        directory.mkdir(exist_ok=True)
        self.start()
        return self

    def start(self) -> None:
        """Start it, and measure the time until `/healthz` answers."""
        self._port = free_port()
        began = time.monotonic()
        self.spawn()
        while not self._alive():
            if self.exit_status is not None or time.monotonic() - began > _ALIVE_WITHIN_SECONDS:
                self.stop()
                raise RuntimeError(f"the service did not start:\n{self.log}")
            time.sleep(_POLL_SECONDS)
        self.startup = time.monotonic() - began

    def _alive(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def run(self, *, accept: str = "text/plain") -> tuple[float, requests.Response]:
        """Trigger a run and wait for its end; give the seconds that took, and the answer."""
        began = time.monotonic()
        answer = self.post_reconcile(headers={"Accept": accept}, timeout=_RUN_WITHIN_SECONDS)
        took = time.monotonic() - began
        if answer.status_code != http.HTTPStatus.OK:
            raise RuntimeError(f"a run failed: {answer.text[:500]}")
        return took, answer

    def scrape(self, times: int, *, gzip: bool = False) -> tuple[float, int, bool]:
        """Scrape so many times; give the median in seconds, the bytes received, and whether they were gzipped."""
        headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ALIVE_WITHIN_SECONDS)
        took, size, encoded = [], 0, False
        for _ in range(times):
            began = time.monotonic()
            connection.request("GET", "/metrics", headers=headers)
            answer = connection.getresponse()
            size = len(answer.read())
            took.append(time.monotonic() - began)
            encoded = answer.headers.get("Content-Encoding") == "gzip"
        connection.close()
        return statistics.median(took), size, encoded

    def peak_memory(self) -> int:
        """Give the most bytes that the master and each worker ever held in memory, added up.

        What both have mapped, files and what workers have not changed since they were forked, is there once, and
        counts once.
        """
        workers = self.workers()
        twice = sum(_held_by_both(self.pid, worker) for worker in workers)
        return sum(_peak(pid) for pid in (self.pid, *workers)) - twice

    def cpu_seconds(self) -> float:
        """Give the time that its processes have computed for so far."""
        return sum(_cpu(pid) for pid in (self.pid, *self.workers()))


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * _KIB
    raise RuntimeError(f"the kernel does not tell how much memory process {pid} had")


def _held_by_both(master: int, worker: int) -> int:
    """Give the bytes that are in memory once for the master and a worker that it has forked, at least."""
    (files, shared), (there, _) = _mapped(master), _mapped(worker)
    return shared + sum(min(size, there.get(mapping, 0)) for mapping, size in files.items())


def _mapped(pid: int) -> tuple[dict[tuple[str, ...], int], int]:
    """Give what a process holds of each part of a file that it only reads, and what of the rest others hold too."""
    files: dict[tuple[str, ...], int] = {}
    shared = 0
    mapping: tuple[str, ...] = ()
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        fields = line.split()
        if not fields[0].endswith(":"):
            _, access, offset, device, inode, *_ = fields
            mapping = (device, inode, offset) if inode != "0" and "w" not in access else ()
        elif fields[0] == "Rss:" and mapping:
            files[mapping] = int(fields[1]) * _KIB
        elif fields[0] in ("Shared_Clean:", "Shared_Dirty:") and not mapping:
            shared += int(fields[1]) * _KIB
    return files, shared


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
