"""Real servers on loopback ports, and the simulator dressed like one of them.

A simulator is worth nothing unless the same test passes against the real program, so both are started with
the same values and steered by the same methods. A missing program is an error and never a skipped test: a
suite that quietly tests less is worse than one that fails.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import requests
import yaml

from alertsync.simulator.alertmanager_api import create_app
from alertsync.simulator.alertmanager_config import InhibitRule, Route
from alertsync.simulator.alertmanager_model import Alertmanager, Matcher
from alertsync.simulator.real_alertmanager import (
    RealAlertmanager,
    ServerProcess,
    duration,
    find_binary,
    free_port,
)
from alertsync.simulator.wire import Server

__all__ = [
    "AlertmanagerUnderTest",
    "RealAlertmanager",
    "RealPrometheus",
    "SimulatedAlertmanager",
    "duration",
    "free_port",
    "poll_until",
    "promtool_check_metrics",
]

_READY_WITHIN_SECONDS = 20
_STOPPED_WITHIN_SECONDS = 10
_HTTP_TIMEOUT_SECONDS = 10
_PORT_ATTEMPTS = 5
_TICK_SECONDS = 0.05
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class AlertmanagerUnderTest(Protocol):
    """What a test may do with an Alertmanager, be it real or simulated."""

    @property
    def url(self) -> str:
        """The base URL, with the route prefix and without a trailing slash."""

    def fire(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> str:
        """Let an alert fire until it is ended; return its fingerprint."""

    def end(self, labels: Mapping[str, str]) -> None:
        """Let the alert with exactly these labels resolve now."""

    def silence(
        self,
        matchers: Mapping[str, str] | Sequence[Matcher],
        *,
        duration: timedelta,
        created_by: str,
        comment: str,
    ) -> str:
        """Create a silence that begins now; return its id."""

    def expire(self, silence_id: str) -> None:
        """End a silence now."""

    def restart(self) -> None:
        """Stop and start again, the storage kept: alerts are forgotten."""


T = TypeVar("T")


def poll_until(probe: Callable[[], T], *, within: float = 10, what: str) -> T:
    """Ask until the answer is truthy, and return it; AssertionError after so many seconds.

    This is how a test waits for a fact: never by sleeping for as long as it usually takes.
    """
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}; last answer: {answer!r}")
        time.sleep(0.02)


class SimulatedAlertmanager:
    """The simulator with the methods and the settings of `RealAlertmanager`, its dispatcher in a thread.

    ``model`` and ``server`` may be used directly: for the clock, faults, and what a real one cannot be told.
    """

    def __init__(  # noqa: PLR0913 - the settings of RealAlertmanager
        self,
        *,
        routes: Sequence[Route],
        inhibit_rules: Sequence[InhibitRule] = (),
        webhooks: Mapping[str, str] | None = None,
        group_wait: str = "1s",
        group_interval: str = "1s",
        repeat_interval: str = "4h",
        route_prefix: str = "",
        external_url: str = "http://alertmanager.example:9093",
        max_alerts: Mapping[str, int] | None = None,
        version: str = "0.28.1",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.model = Alertmanager(
            clock=clock,
            routes=routes,
            webhooks=webhooks or {},
            external_url=external_url,
            group_wait=duration(group_wait),
            group_interval=duration(group_interval),
            repeat_interval=duration(repeat_interval),
            inhibit_rules=inhibit_rules,
            max_alerts=max_alerts,
            version=version,
        )
        self.server = Server(create_app(self.model, prefix=route_prefix), name="simulated-alertmanager")
        self._route_prefix = route_prefix
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self.model.run, args=(self._stop, _TICK_SECONDS), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, with the route prefix and without a trailing slash."""
        return self.server.url + self._route_prefix

    def __enter__(self) -> Self:
        self.server.start()
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()
        self.server.close()

    def restart(self) -> None:
        """Forget all alerts, as a restart does."""
        self.model.restart()

    def fire(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> str:
        """Let an alert fire until it is ended; return its fingerprint."""
        return self.model.fire(labels, annotations)

    def end(self, labels: Mapping[str, str]) -> None:
        """Let the alert with exactly these labels resolve now."""
        self.model.end(labels)

    def silence(
        self,
        matchers: Mapping[str, str] | Sequence[Matcher],
        *,
        duration: timedelta,
        created_by: str,
        comment: str,
    ) -> str:
        """Create a silence that begins now; return its id."""
        return self.model.silence(matchers, duration=duration, created_by=created_by, comment=comment)

    def expire(self, silence_id: str) -> None:
        """End a silence now."""
        self.model.expire(silence_id)


class RealPrometheus:
    """The real Prometheus, scraping the given targets (``127.0.0.1:8080``) every second, as a context manager.

    The rules in the files ``rules`` are evaluated as often.
    """

    def __init__(
        self,
        tmp_path: Path,
        targets: Sequence[str],
        *,
        metrics_path: str = "/metrics",
        job: str = "test",
        rules: Sequence[Path] = (),
    ) -> None:
        self._binary = find_binary(("prometheus",), "prometheus")
        self._directory = tmp_path
        self._targets = list(targets)
        self._metrics_path = metrics_path
        self._job = job
        self._rules = [str(path) for path in rules]
        self._process = ServerProcess(tmp_path, "prometheus")

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._process.port}"

    def __enter__(self) -> Self:
        scrape = {
            "job_name": self._job,
            "metrics_path": self._metrics_path,
            "static_configs": [{"targets": self._targets}],
        }
        document = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [scrape],
            "rule_files": self._rules,
        }
        (self._directory / "prometheus.yml").write_text(yaml.safe_dump(document))
        self._process.start(self._command, lambda port: f"http://127.0.0.1:{port}/-/ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the instant vector that a PromQL expression has now: ``[{metric: {…}, value: [t, "v"]}]``."""
        answer = requests.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=_HTTP_TIMEOUT_SECONDS
        )
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def _command(self, port: int) -> list[str]:
        return [
            self._binary,
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'prometheus-data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]


def promtool_check_metrics(text: str) -> str:
    """Return what ``promtool check metrics`` says about an exposition; RuntimeError if it finds fault."""
    checked = subprocess.run(
        [find_binary(("promtool",), "prometheus"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    output = checked.stdout + checked.stderr
    if checked.returncode:
        raise RuntimeError(f"promtool check metrics: {output}")
    return output
