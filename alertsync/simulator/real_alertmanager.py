"""The real Alertmanager, started here on a loopback port: for the demo, and for tests that trust no simulator.

It gets the same routes and the same methods as the simulated one, so that whoever uses either need not care
which it is. It is stopped by its own process id, and no other is.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import requests

from alertsync.simulator.alertmanager_config import Configuration, InhibitRule, Route
from alertsync.simulator.alertmanager_model import GENERATOR_URL, KEEPS_FIRING, Matcher
from alertsync.simulator.alertmanager_model import fingerprint as fingerprint_of
from alertsync.simulator.alertmanager_silences import equality

_READY_WITHIN_SECONDS = 20
_STOPPED_WITHIN_SECONDS = 10
_HTTP_TIMEOUT_SECONDS = 10
_PORT_ATTEMPTS = 5
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def duration(text: str) -> timedelta:
    """Read a duration of one unit as Alertmanager's configuration spells it: `1s`, `4h`."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def find_binary(names: Sequence[str], package: str, variable: str = "") -> str:
    """Find a program on PATH, or the one that the environment names; RuntimeError names the package that has it."""
    chosen = os.environ.get(variable) if variable else None
    found = chosen or next((path for path in map(shutil.which, names) if path), None)
    if not found:
        raise RuntimeError(f"no {' or '.join(names)} on PATH: install the Debian package {package}")
    return found


class ServerProcess:
    """A program with a port, a log file, and an address that tells when it is ready."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def log(self) -> str:
        """What the program has said so far."""
        return (self._directory / f"{self._name}.log").read_text(errors="replace")

    def start(self, command: Callable[[int], list[str]], ready: Callable[[int], str]) -> None:
        """Start the program, on another port if somebody else took the chosen one first."""
        for _ in range(_PORT_ATTEMPTS):
            self.port = self.port or free_port()
            if self._start_once(command(self.port), ready(self.port)):
                return
            self.port = 0
        raise RuntimeError(f"{self._name} found no free port:\n{self.log}")

    def _start_once(self, command: list[str], ready: str) -> bool:
        with (self._directory / f"{self._name}.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  the program that the caller named
                command, cwd=self._directory, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        # Another server on the same port would answer as well, so the program must say itself that it listens.
        while "Listening on" not in self.log or not _answers(ready):
            if self._process.poll() is not None and "address already in use" in self.log:
                return False
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._name} did not start:\n{self.log}")
            time.sleep(0.05)
        return True

    def stop(self) -> None:
        """End the program that was started here, and no other."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=_HTTP_TIMEOUT_SECONDS).ok
    except requests.RequestException:
        return False


class RealAlertmanager:
    """The real program (``ALERTMANAGER_BIN``, or the one on PATH), alone in its cluster, as a context manager.

    Durations are spelled as in its configuration file. ``external_url`` is its own URL if not given.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of the program, and named at the call
        self,
        tmp_path: Path,
        *,
        routes: Sequence[Route],
        inhibit_rules: Sequence[InhibitRule] = (),
        webhooks: Mapping[str, str] | None = None,
        group_wait: str = "1s",
        group_interval: str = "1s",
        repeat_interval: str = "4h",
        route_prefix: str = "",
        external_url: str = "",
        max_alerts: Mapping[str, int] | None = None,
    ) -> None:
        self.configuration = Configuration(
            routes,
            webhooks or {},
            duration(group_wait),
            duration(group_interval),
            duration(repeat_interval),
            inhibit_rules,
            max_alerts or {},
        )
        names = ("prometheus-alertmanager", "alertmanager")
        self._binary = find_binary(names, "prometheus-alertmanager", "ALERTMANAGER_BIN")
        self._directory = tmp_path
        self._route_prefix = route_prefix
        self._external_url = external_url
        self._process = ServerProcess(tmp_path, "alertmanager")
        self._annotations: dict[str, Mapping[str, str]] = {}

    @property
    def url(self) -> str:
        """The base URL, with the route prefix and without a trailing slash."""
        return f"http://127.0.0.1:{self._process.port}{self._route_prefix}"

    @property
    def log(self) -> str:
        """What the program has said since its last start."""
        return self._process.log

    def __enter__(self) -> Self:
        (self._directory / "alertmanager.yml").write_text(self.configuration.yaml())
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def restart(self) -> None:
        """Stop it by SIGTERM and start it again on the same port and storage."""
        self._process.stop()
        self._start()

    def fire(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> str:
        """Let an alert fire until it is ended; return its fingerprint."""
        now = datetime.now(UTC)
        self._annotations[fingerprint_of(labels)] = annotations or {}
        self._post_alert(labels, startsAt=now.isoformat(), endsAt=(now + KEEPS_FIRING).isoformat())
        return fingerprint_of(labels)

    def end(self, labels: Mapping[str, str]) -> None:
        """Let the alert with exactly these labels resolve now."""
        self._post_alert(labels, endsAt=datetime.now(UTC).isoformat())

    def silence(
        self,
        matchers: Mapping[str, str] | Sequence[Matcher],
        *,
        duration: timedelta,
        created_by: str,
        comment: str,
    ) -> str:
        """Create a silence that begins now; return its id."""
        now = datetime.now(UTC)
        body = {
            "matchers": [
                {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
                for one in equality(matchers)
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + duration).isoformat(),
            "createdBy": created_by,
            "comment": comment,
        }
        silence_id: str = self._ask("POST", "/api/v2/silences", body).json()["silenceID"]
        return silence_id

    def expire(self, silence_id: str) -> None:
        """End a silence now."""
        self._ask("DELETE", f"/api/v2/silence/{silence_id}")

    def _post_alert(self, labels: Mapping[str, str], **times: str) -> None:
        annotations = self._annotations.get(fingerprint_of(labels), {})
        alert = {"labels": dict(labels), "annotations": dict(annotations), "generatorURL": GENERATOR_URL}
        self._ask("POST", "/api/v2/alerts", [{**alert, **times}])

    def _ask(self, method: str, path: str, body: object = None) -> requests.Response:
        answer = requests.request(method, self.url + path, json=body, timeout=_HTTP_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer

    def _start(self) -> None:
        self._process.start(
            self._command, lambda port: f"http://127.0.0.1:{port}{self._route_prefix}/-/ready"
        )

    def _command(self, port: int) -> list[str]:
        own_url = f"http://127.0.0.1:{port}{self._route_prefix}"
        return [
            self._binary,
            f"--config.file={self._directory / 'alertmanager.yml'}",
            f"--storage.path={self._directory / 'alertmanager-data'}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url={self._external_url or own_url}",
            f"--web.route-prefix={self._route_prefix or '/'}",
        ]
