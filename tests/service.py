"""The real service under gunicorn, as a container runs it, with its log read like a machine would read it.

What only goes wrong in the real process (forks, signals, locks, the log's shape, what a client sees on the
wire) cannot be tested in-process. So each test that needs it starts gunicorn with the repository's own
configuration, on a free loopback port, with nothing of the developer's environment, and ends it by its pid.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
import requests
from prometheus_client.parser import text_string_to_metric_families

from alertsync.clock import Clock
from alertsync.store import Store
from tests.servers import free_port, poll_until

ROOT = Path(__file__).resolve().parent.parent

_READY_WITHIN_SECONDS = 30
_STOPPED_WITHIN_SECONDS = 45
_HTTP_TIMEOUT_SECONDS = 40
_PORT_ATTEMPTS = 5
_PORT_TAKEN = "in use"

Json = Any
Event = dict[str, Any]


def environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Give an environment that holds these settings and nothing else that could steer the service."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")
        if name in os.environ
    }
    return {**kept, "HOME": str(home), **settings}


def command(
    *arguments: str, home: Path, settings: Mapping[str, str], within: float = 50
) -> subprocess.CompletedProcess[str]:
    """Run `python -m alertsync …` to its end, and give its exit status and what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "alertsync", *arguments],
        cwd=ROOT,
        env=environment(home, {"STATE_DIR": str(home / "state"), **settings}),
        capture_output=True,
        text=True,
        check=False,
        timeout=within,
    )


class Service:
    """gunicorn serving alertsync with these settings, as a context manager.

    `directory` holds its log and, unless STATE_DIR is among the settings, its state. Its port is chosen.
    `app` names another application to serve than the one in gunicorn.conf.py.
    """

    configuration = "gunicorn.conf.py"

    def __init__(self, directory: Path, settings: Mapping[str, str], *, app: str | None = None) -> None:
        self.directory = directory
        self._app = [] if app is None else [app]
        self.settings = {"STATE_DIR": str(directory / "state"), "LOG_LEVEL": "info", **settings}
        self.state_dir = Path(self.settings["STATE_DIR"])
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    # Its life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it lives; AssertionError with its log if it does not."""
        for _ in range(_PORT_ATTEMPTS):
            self._port = free_port()
            self.spawn()
            if self._lives():
                return
            self.stop()
        raise AssertionError(f"the service found no free port:\n{self.log}")

    def spawn(self) -> None:
        """Start it and do not wait."""
        settings = {**self.settings, "PORT": str(self._port or free_port())}
        # Appended to, so that the lines of several processes never overwrite each other.
        with (self.directory / "stdout").open("ab") as out, (self.directory / "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", self.configuration, *self._app],
                cwd=ROOT,
                env=environment(self.directory, settings),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def _lives(self) -> bool:
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while time.monotonic() < deadline and self.exit_status is None:
            try:
                if requests.get(f"{self.url}/healthz", timeout=5).ok and self.exit_status is None:
                    return True
            except requests.RequestException:
                time.sleep(0.05)
        if _PORT_TAKEN in self.log:
            return False
        raise AssertionError(f"the service did not start (exit status {self.exit_status}):\n{self.log}")

    def stop(self) -> None:
        """Ask it to end, and insist if it does not; its log can still be read."""
        if self._process is None:
            return
        if self.exit_status is None:
            self.signal(signal.SIGTERM)
            try:
                self._process.wait(_STOPPED_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)  # the session that was started above
                self._process.wait()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to gunicorn's master."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait_for_exit(self, within: float) -> int:
        """Wait until it has ended, and give its exit status."""
        assert self._process is not None
        return self._process.wait(within)

    @property
    def exit_status(self) -> int | None:
        """Its exit status, None while it lives."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """The pid of gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> set[int]:
        """Give the pids of the processes that the master has forked and that still live."""
        return {pid for pid, parent in _parents().items() if parent == self.pid}

    def leader(self) -> int | None:
        """Give the pid of the process that holds the leader lock, None if none does."""
        lock = self.state_dir / "leader.lock"
        if not lock.exists():
            return None
        inode = str(lock.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return int(fields[4])
        return None

    # What it says

    @property
    def url(self) -> str:
        """Its base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """Its port."""
        return self._port

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return self._printed("stdout") + self._printed("stderr")

    def _printed(self, stream: str) -> str:
        path = self.directory / stream
        return path.read_text(encoding="utf-8", errors="strict") if path.exists() else ""

    def events(self, event: str | None = None, **fields: object) -> list[Event]:
        """Give the log as objects, oldest first, those of this event and with these fields.

        AssertionError if a line is not one JSON object with time, level and event.
        """
        found = []
        for stream in ("stdout", "stderr"):
            # A line that is being written has no end yet.
            for line in self._printed(stream).split("\n")[:-1]:
                one = _event(line)
                if event in (None, one["event"]) and all(one.get(key) == fields[key] for key in fields):
                    found.append(one)
        return found

    def wait_for(self, event: str, *, within: float = 15, **fields: object) -> Event:
        """Wait until the log tells of this, and give the newest event of that kind."""
        what = f"the log tells {event!r} {fields or ''}"
        return poll_until(lambda: self.events(event, **fields), within=within, what=what)[-1]

    def runs(self, **fields: object) -> list[Event]:
        """Give the runs that have ended, as logged, oldest first."""
        return self.events("run ended", **fields)

    def observe_runs(self, number: int, *, within: float = 20) -> list[Event]:
        """Wait until so many more runs have begun and ended, and give them.

        The run that goes on when this is called is not counted: it may have read what is no longer true.
        """
        before = len(self.runs()) + 1
        poll_until(lambda: len(self.runs()) >= before + number, within=within, what=f"{number} more runs end")
        return self.runs()[before : before + number]

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path."""
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request and give the answer, whatever it is; no redirect is followed."""
        timeout = options.pop("timeout", _HTTP_TIMEOUT_SECONDS)
        return requests.request(method, self.url + path, timeout=timeout, allow_redirects=False, **options)

    def post_reconcile(self, query: str = "", **options: Any) -> requests.Response:
        """Trigger a run."""
        return self.ask("POST", f"/reconcile{query}", **options)

    def reconcile(self, query: str = "") -> Json:
        """Trigger a run that is expected to be done, and give its answer."""
        answer = self.post_reconcile(query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def decisions(self) -> dict[str, Json]:
        """Give the decisions of the last run, by the title of the alert group."""
        groups = self.get("/grafana-alerts").json()["alert_groups"]
        return {group["title"]: group for group in groups}

    def metrics(self) -> str:
        """Give the metrics page."""
        answer = self.get("/metrics")
        assert answer.status_code == 200, answer.text
        return answer.text

    def metric(self, name: str, **labels: str) -> float | None:
        """Give the value of the one sample of this name with at least these labels; None if there is none."""
        return value(self.metrics(), name, **labels)


def value(page: str, name: str, **labels: str) -> float | None:
    """Give the value of the one sample on a metrics page; None if there is none."""
    found = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1, f"{len(found)} samples of {name} {labels}"
    return found[0] if found else None


def reconciliation(page: str) -> list[str]:
    """Give the lines of a metrics page that speak of reconciliation and of alerts, not of HTTP or Python."""
    return [line for line in page.splitlines() if line.startswith("alertmanager_")]


def files_below(directory: Path) -> dict[Path, bytes]:
    """Give the content of every file below a directory, those being replaced left out."""
    found: dict[Path, bytes] = {}
    for path in sorted(directory.rglob("*")):
        try:
            if path.is_file():
                found[path] = path.read_bytes()
        except FileNotFoundError:
            continue
    return found


def run_records(state_dir: Path) -> list[Json]:
    """Give the records of the runs that the state directory holds, oldest first."""
    store = Store(state_dir, state_dir, Clock(), retention=timedelta(days=30))
    listed = [store.run(one.run_id) for one in reversed(store.runs(limit=500).items)]
    return [msgspec.to_builtins(run) for run in listed if run is not None]


def titles(decisions: Sequence[Json]) -> list[str]:
    """Give the titles of the alert groups decided about, sorted."""
    return sorted(decision["title"] for decision in decisions)


def _event(line: str) -> Event:
    try:
        one = json.loads(line)
    except ValueError:
        raise AssertionError(f"a line of the log is not JSON: {line!r}") from None
    assert isinstance(one, dict), f"a line of the log is not an object: {line!r}"
    assert {"time", "level", "event"} <= one.keys(), f"a line of the log lacks time, level or event: {line!r}"
    return one


def _parents() -> dict[int, int]:
    """Give the parent of every living process; zombies do not live."""
    parents = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                state, parent = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state != "Z":
                parents[int(directory.name)] = int(parent)
    return parents
