"""The two servers of a soak in a process of their own, the alerts that live in them, and what they see of the service.

Alerts fire, are silenced, are heard again and end, by chance from a seed. Meanwhile it is watched from the servers'
side what the service must not do: run twice at once, close what is alive, resolve anything twice, or leave somebody
uncalled who should have been called.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.e2e.worlds import World, simulated_world

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from alertsync.simulator.irm_model import Group

NAMES = tuple(f"Alert{number}" for number in range(10))
INSTANCES = ("a", "b")
CALLED_WITHIN = 30.0
"""Seconds for which an alert may be active before somebody must have been called: a few kills and a run."""
CONFIRMED_WITHIN = 20.0
"""Seconds for which an alert may be active and be closed all the same: it was confirmed to be silenced before."""
_API = "/api/v1/"
_TICK_SECONDS = 0.1
_CHANGES_A_SECOND = 2.0
_SLOWEST_SECONDS = 0.03
_REPLY_WITHIN_SECONDS = 60
_END_WITHIN_SECONDS = 20


@dataclass
class Report:
    """What the servers saw: when runs began (monotonic), and what is wrong, in sentences.

    `overlaps` are the times at which a run began while a request to the API was still being answered.
    """

    begun: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    resolves: int = 0
    pages: int = 0
    changes: int = 0


class _Watcher:
    """Stands between IRM's server and its application, answers as late as chance wants, and keeps count."""

    def __init__(self, app: WSGIApplication, life: Life, rng: random.Random) -> None:
        self._app = app
        self._life = life
        self._rng = rng
        self._lock = threading.Lock()
        self._going_on = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if not path.startswith(_API):
            return self._app(environ, start_response)
        with self._lock:
            if (method, path) == ("GET", f"{_API}integrations/"):
                now = time.monotonic()
                self._life.report.begun.append(now)
                if self._going_on:
                    self._life.report.overlaps.append(now)
            self._going_on += 1
            late = self._rng.uniform(0, _SLOWEST_SECONDS)
        try:
            time.sleep(late)
            if method == "POST" and path.endswith("/resolve/"):
                self._life.resolving(path.split("/")[-3])
            return self._app(environ, start_response)
        finally:
            with self._lock:
                self._going_on -= 1


class Life:
    """The alerts and silences of a world, as chance wants them."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._fingerprints: dict[tuple[str, str], str] = {}
        self._silences: dict[str, str] = {}
        self._active_since: dict[tuple[str, str], float] = {}
        self._resolved = Counter[str]()
        self._blamed: set[object] = set()
        self.report = Report()
        server = world.irm.server
        server._app = _Watcher(server._app, self, random.Random(seed + 1))

    # What happens

    def change(self) -> None:
        """Let something happen to one alert, or to all of one name."""
        name, instance = self._rng.choice(NAMES), self._rng.choice(INSTANCES)
        with self._lock:
            self.report.changes += 1
            if name in self._silences and self._rng.random() < 0.5:
                self._world.alertmanager.expire(self._silences.pop(name))
            elif (name, instance) not in self._fingerprints:
                self._fire(name, instance)
            elif name not in self._silences and self._rng.random() < 0.7:
                self._silences[name] = self._world.silence(name)
            elif self._rng.random() < 0.5:
                self._world.alertmanager.end({"alertname": name, "instance": instance})
                del self._fingerprints[name, instance]
            self._note()

    def settle(self) -> None:
        """Let every alert fire, and every other name be silenced: that is how it stays."""
        with self._lock:
            for number, name in enumerate(NAMES):
                for instance in INSTANCES:
                    if (name, instance) not in self._fingerprints:
                        self._fire(name, instance)
                if number % 2 and name not in self._silences:
                    self._silences[name] = self._world.silence(name)
                elif not number % 2 and name in self._silences:
                    self._world.alertmanager.expire(self._silences.pop(name))
            self._note()

    def _fire(self, name: str, instance: str) -> None:
        labels = {"alertname": name, "instance": instance}
        self._fingerprints[name, instance] = self._world.alertmanager.fire(labels)

    def _note(self) -> None:
        now = time.monotonic()
        active = {one for one in self._fingerprints if one[0] not in self._silences}
        self._active_since = {one: self._active_since.get(one, now) for one in active}

    # What must not happen

    def resolving(self, group_id: str) -> None:
        """Check a resolve that was asked for, before it is done."""
        with self._lock:
            title = self._title(self._world.irm.model.group(group_id))
            self._resolved[group_id] += 1
            self.report.resolves += 1
            if self._resolved[group_id] > 1:
                self._blame(group_id, f"{title} ({group_id}) was resolved twice")
            for (name, instance), since in self._active_since.items():
                if name == title and time.monotonic() - since > CONFIRMED_WITHIN:
                    self._blame(group_id, f"{title} was resolved although {instance} is active for long")

    def check(self) -> None:
        """Check that somebody was called for whatever is active for long enough."""
        for one in self.uncalled(CALLED_WITHIN):
            self._blame(one, f"nobody was called for {one}, which is active for over {CALLED_WITHIN} s")

    def uncalled(self, within: float = 0.0) -> list[str]:
        """Give the names of what is active for so long, and nobody was called for it."""
        with self._lock:
            return [
                f"{name} {instance}"
                for (name, instance), since in self._active_since.items()
                if time.monotonic() - since > within and not self._is_told(name, instance)
            ]

    def open_though_silenced(self) -> list[str]:
        """Give the names of which all alerts are silenced and an alert group is open."""
        with self._lock:
            groups = self._world.irm.model.groups()
            still_open = {self._title(group) for group in groups if group.state != "resolved"}
            return sorted(still_open & self._silences.keys())

    def _is_told(self, name: str, instance: str) -> bool:
        """Tell whether an open alert group has a last delivery about this alert, in which it fires."""
        fingerprint = self._fingerprints[name, instance]
        for group in reversed(self._world.irm.model.groups()):
            if self._title(group) == name and group.state != "resolved":
                for delivery in reversed(group.deliveries):
                    payload: Any = delivery.payload
                    said = [one for one in payload["alerts"] if one["fingerprint"] == fingerprint]
                    if said:
                        return bool(said[0]["status"] == "firing")
        return False

    @staticmethod
    def _title(group: Group) -> str:
        return (group.title or "").strip()

    def _blame(self, key: object, sentence: str) -> None:
        if key not in self._blamed:
            self._blamed.add(key)
            self.report.wrong.append(sentence)


def _host(connection: Connection, seed: int) -> None:
    """Run a world until told to end; answer the questions of `Hosted`."""
    rng = random.Random(seed + 2)
    with simulated_world() as world:
        life, alive = Life(world, seed), True
        connection.send(world.settings())
        while True:
            if connection.poll(_TICK_SECONDS):
                asked = connection.recv()
                if asked == "end":
                    return
                if asked == "settle":
                    alive = False
                    life.settle()
                    connection.send(None)
                elif asked == "unsettled":
                    connection.send(life.uncalled() + life.open_though_silenced())
                elif asked == "report":
                    life.report.pages = len(world.irm.model.pages)
                    connection.send(life.report)
            elif alive and rng.random() < _CHANGES_A_SECOND * _TICK_SECONDS:
                life.change()
            life.check()


class Hosted:
    """A world in another process, as a context manager."""

    def __init__(self, seed: int) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._connection, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_host, args=(theirs, seed), daemon=True)
        self.settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._process.start()
        self.settings = self._reply()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.send("end")
        self._process.join(_END_WITHIN_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def settle(self) -> None:
        """Let nothing happen any more, but for what makes the end telling."""
        self._ask("settle")

    def unsettled(self) -> list[str]:
        """Give what IRM is to be told yet: alerts that are active, and names that are silenced as a whole."""
        found: list[str] = self._ask("unsettled")
        return found

    def report(self) -> Report:
        """Give what the servers saw so far."""
        report: Report = self._ask("report")
        return report

    def _ask(self, question: str) -> Any:
        self._connection.send(question)
        return self._reply()

    def _reply(self) -> Any:
        if not self._connection.poll(_REPLY_WITHIN_SECONDS):
            raise AssertionError("the servers do not answer")
        return self._connection.recv()
