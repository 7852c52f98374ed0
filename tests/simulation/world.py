"""The whole world of the simulation: the servers, and the real services between them.

Nothing of the product is replaced: services are made by `bootstrap.build` from settings in the environment, keep
their own database, and speak through their own clients. Only time, the transport below `requests`, and the
servers behind it are the simulation's.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from alertsync import bootstrap, config
from alertsync.errors import RunBusyError
from alertsync.store.database import Database
from tests.simulation.servers import IRM_HOST, TOKEN, Servers
from tests.simulation.wire import CrashError, Plan
from tests.unit.clocks import START

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from alertsync.models import Ledger, Run
    from alertsync.services import Services

INTERVAL = 300.0
"""Seconds between two runs of the loop: RECONCILE_INTERVAL."""
SETTINGS = {
    "ALERTMANAGER_TIMEOUT": "10",
    "IRM_TIMEOUT": "10",
    "IRM_RATE_LIMIT": "100000/second",
    "RECONCILE_INTERVAL": str(int(INTERVAL)),
    "ABSENCE_AFTER": "600",
    "ADOPT_WITHIN": "3600",
    "MIN_SILENCE_REMAINING": "60",
    "SILENCE_LEASE": "900",
    "LOG_LEVEL": "error",
}

_RUN = Database.run


@dataclass
class Instance:
    """Our service: its settings, its state directory, and the process that lives now.

    `other` is another process with the same settings and database, which waits for its turn.
    """

    name: str
    directory: Path
    settings: dict[str, str]
    services: Services
    next_run: float
    other: Services | None = None
    runs: list[Run] = field(default_factory=list)


class World(Servers):
    """The servers and our instances; `runner` runs one of them when its time has come.

    `peers` is 1 or 2, `merging` whether an integration groups by severity rather than by groupKey, `page_size` how
    many entries of a list of IRM come at once.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        peers: int = 1,
        merging: bool = False,
        page_size: int = 100,
    ) -> None:
        self._page_size = page_size
        super().__init__(monkeypatch, peers=peers, merging=merging)
        self._monkeypatch = monkeypatch
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  each commit is synced
        self._root = Path(tempfile.mkdtemp(prefix="alertsync-", dir=memory))
        self._made = 0
        self._remains: Path | None = None
        self.wire.crashing = self._keep_what_is_on_disk
        # The jitter of retries is chance, and a life must be the same when it is played again.
        monkeypatch.setattr(bootstrap, "random", SimpleNamespace(Random=lambda: random.Random(0)))
        self._watch_commits()
        self.running: Instance | None = None
        self.runner: Callable[[Instance], object] = self.run
        self.instances = [self.start("one", SETTINGS)]

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._root, ignore_errors=True)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with every instance running when its loop would."""
        until = self.time.passed + seconds
        while due := [one for one in self.instances if one.next_run <= until]:
            first = min(due, key=lambda one: one.next_run)
            self.time.sleep(max(first.next_run - self.time.passed, 0))
            self.runner(first)
        self.time.sleep(max(until - self.time.passed, 0))

    def start(self, name: str, settings: Mapping[str, str], directory: Path | None = None) -> Instance:
        """Start a process of ours; without a directory, with an empty one."""
        self._made += 1
        directory = directory or self._root / f"{name}-{self._made}"
        hosts = ",".join(f"http://am{number}.example" for number in range(len(self.peers)))
        variables = {
            "ALERTMANAGER_HOST": hosts,
            "GRAFANA_IRM_URL": f"http://{IRM_HOST}",
            "GRAFANA_IRM_TOKEN": TOKEN,
            "IRM_PAGE_SIZE": str(self._page_size),
            "STATE_DIR": str(directory),
            **settings,
        }
        with self._monkeypatch.context() as patch:
            for variable, value in variables.items():
                patch.setenv(variable, value)
            services = bootstrap.build(config.load(), self.time.clock)
        assert services.reconciler is not None
        return Instance(name, directory, dict(settings), services, self.time.passed)

    def restart_us(
        self, instance: Instance, settings: Mapping[str, str] | None = None, *, empty: bool = False
    ) -> None:
        """Start a process anew, with other settings, or without what it remembered."""
        instance.settings |= settings or {}
        new = self.start(instance.name, instance.settings, None if empty else instance.directory)
        instance.services, instance.directory, instance.other = new.services, new.directory, None
        instance.next_run = self.time.passed

    def run(self, instance: Instance, *plans: Plan) -> Run | None:
        """Run once, with faults or events at some requests; None if the process died, and was started anew."""
        assert instance.services.reconciler is not None
        self.wire.arm(*plans)
        self.running = instance
        try:
            run = instance.services.reconciler.run_once("simulation")
        except CrashError:
            self._bury(instance)
            return None
        finally:
            self.running = None
            self.wire.disarm()
        instance.runs.append(run)
        instance.next_run = self.time.passed + INTERVAL
        if run.wake_at is not None:
            wake = (run.wake_at - START).total_seconds()
            instance.next_run = max(min(instance.next_run, wake), self.time.passed + 1)
        return run

    def run_meanwhile(self, instance: Instance) -> Run:
        """Run an instance from its first request to its last, in the middle of another's run."""
        interrupted = self.running
        assert instance.services.reconciler is not None
        with self.wire.without_plans():
            self.running = instance
            try:
                run = instance.services.reconciler.run_once("simulation")
            finally:
                self.running = interrupted
        instance.runs.append(run)
        return run

    def other_of(self, instance: Instance) -> Services:
        """Give another process of an instance, which shares its database; start it if there is none."""
        if instance.other is None:
            instance.other = self.start(instance.name, instance.settings, instance.directory).services
        return instance.other

    def other_takes_over(self, instance: Instance) -> None:
        """Let another process of an instance run from now on, with what it remembers; the one so far waits."""
        instance.other, instance.services = instance.services, self.other_of(instance)

    def other_is_refused(self, instance: Instance) -> bool:
        """Let another process of an instance try to run now; tell whether it was refused."""
        other = self.other_of(instance)
        assert other.reconciler is not None
        try:
            other.reconciler.run_once("simulation")
        except RunBusyError:
            return True
        return False

    def ledger(self, instance: Instance) -> Ledger:
        """Give what an instance says that it owes."""
        return instance.services.store.ledger()

    def _watch_commits(self) -> None:
        wire = self.wire

        def run(database: Database, *arguments: Any, **options: Any) -> Any:
            done = _RUN(database, *arguments, **options)
            if options.get("write"):
                wire.committed()
            return done

        self._monkeypatch.setattr(Database, "run", run)

    def _keep_what_is_on_disk(self) -> None:
        """Copy what a dead process left behind, before its `finally` blocks write what the dead do not."""
        assert self.running is not None
        self._remains = self._root / f"{self.running.name}-{self._made}-remains"
        shutil.copytree(self.running.directory, self._remains)

    def _bury(self, instance: Instance) -> None:
        assert self._remains is not None
        instance.directory = self._remains
        self.wire.disarm()
        self.restart_us(instance)


def quiet_logs() -> None:
    """Say nothing of what the simulated faults make the product complain about."""
    logging.getLogger("alertsync").setLevel(logging.CRITICAL)
