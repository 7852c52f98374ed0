"""Runs the services of the compose file as processes: the same commands, configuration files and environment.

Only addresses are rewritten. In Docker's network each service has a name and a port of its own; here all have the loopback
and a free port. A name that stands before the port of another service is an error, as nobody would answer there.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import yaml

from alertsync.simulator.real_alertmanager import find_binary
from tests.deploy.dockerfile import ROOT, exec_form, image_environment, last_stage
from tests.servers import free_port, poll_until

DEMO = ROOT / "deploy" / "demo"
FILE = DEMO / "compose.yaml"

_PORTS = {"prometheus": 9090, "alertmanager": 9093, "irm": 8081, "alertsync": 8080}
"""The port of each service in Docker's network: each its own, so that a port alone says whose it is."""
_HERE = "127.0.0.1"
_ANYBODY = {"localhost", "0.0.0.0"}  # noqa: S104  as it stands in the file
_STOPPED_WITHIN_SECONDS = 45


def read() -> dict[str, Any]:
    """Read the compose file."""
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


def programs() -> dict[str, str]:
    """Give what each image starts, if its service names no program itself."""
    return {
        "prom/prometheus": find_binary(("prometheus",), "prometheus"),
        "prom/alertmanager": find_binary(
            ("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager", "ALERTMANAGER_BIN"
        ),
    }


class Demo:
    """The services as processes, as a context manager; `directory` holds what their containers would hold."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._services: dict[str, Any] = read()["services"]
        assert self._services.keys() == _PORTS.keys()
        self._ports = {name: free_port() for name in _PORTS}
        self._stack = contextlib.ExitStack()

    def url(self, service: str) -> str:
        """Give the address of a service."""
        return f"http://{_HERE}:{self._ports[service]}"

    def log(self, service: str) -> str:
        """Give what a service has said."""
        return (self._directory / f"{service}.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            waiting = dict(self._services)
            while waiting:
                name = next(
                    it for it in waiting if not waiting.keys() & waiting[it].get("depends_on", {}).keys()
                )
                stack.enter_context(self._running(name, waiting.pop(name)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, service: str, words: list[str]) -> str:
        """Run a command in the container of a service, and give what it printed; AssertionError if it failed."""
        command = [self._rewritten(service, word) for word in words]
        done = subprocess.run(
            command,
            env=self._environment(service),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    # One service

    @contextlib.contextmanager
    def _running(self, name: str, service: dict[str, Any]) -> Iterator[None]:
        self._mount(name, service)
        with (self._directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self._command(name, service),
                cwd=ROOT,  # which is what lies in /app
                env=self._environment(name),
                stdout=log,
                stderr=log,
            )
            try:
                if check := service.get("healthcheck"):
                    self._until_healthy(name, check["test"])
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(_STOPPED_WITHIN_SECONDS)

    def _until_healthy(self, name: str, check: list[str]) -> None:
        assert check[0] == "CMD"

        def healthy() -> bool:
            with contextlib.suppress(AssertionError):
                self.run(name, [sys.executable if word == "python" else word for word in check[1:]])
                return True
            return False

        poll_until(healthy, within=30, what=f"{name} is healthy; it says: {self.log(name)}")

    def _command(self, name: str, service: dict[str, Any]) -> list[str]:
        image = service["image"].partition(":")[0]
        words = service.get("command") or exec_form(last_stage()["CMD"])
        if image in programs():
            words = [programs()[image], *words]
        return [self._rewritten(name, word) for word in words]

    def _environment(self, name: str) -> dict[str, str]:
        """Give what a container sees; of this machine it has the programs alone."""
        service = self._services[name]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ours = image_environment() if "build" in service else {}
        values = {**ours, **service.get("environment", {}), "PORT": str(self._ports[name])}
        return {
            **{key: self._rewritten(name, value) for key, value in values.items()},
            "PATH": path,
            "HOME": "/nonexistent",
        }

    # What lies where, and who is where

    def _mount(self, name: str, service: dict[str, Any]) -> None:
        root = self._root(name)
        for volume in service.get("volumes", ()):
            source, target, *options = volume.split(":")
            place = root / target.removeprefix("/")
            if not source.startswith("."):
                assert source in read()["volumes"]
                place.mkdir(parents=True)
                continue
            assert options == ["ro"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self._rewritten(name, (DEMO / source).read_text()))

    def _root(self, name: str) -> Path:
        return self._directory / name

    def _rewritten(self, name: str, text: str) -> str:
        """Give a text with addresses of Docker's network, and paths of the container, led here."""
        if text == str(_PORTS[name]):
            return str(self._ports[name])
        if text in _ANYBODY:
            return _HERE
        ports = "|".join(map(str, _PORTS.values()))
        led = re.sub(rf"(?<![\w.-])([a-z0-9.-]+):({ports})\b", self._address, text)
        return re.sub(
            r"(?<![\w./:-])/(etc|prometheus|alertmanager|var/lib)\b", rf"{self._root(name)}/\1", led
        )

    def _address(self, found: re.Match[str]) -> str:
        (service,) = (name for name, port in _PORTS.items() if str(port) == found[2])
        assert found[1] in {service, *_ANYBODY, _HERE}, f"{found[0]}: {service} listens on {found[2]}"
        return f"{_HERE}:{self._ports[service]}"
