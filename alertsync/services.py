"""What a process works with, made by `bootstrap` and handed to the pages, the loop and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alertsync.clients.irm import IrmClient
    from alertsync.clients.peers import Peers
    from alertsync.clients.tally import Tally
    from alertsync.clock import Clock
    from alertsync.heartbeat import Heartbeat
    from alertsync.progress import Board, Progress
    from alertsync.reconciler import Reconciler
    from alertsync.settings import Settings
    from alertsync.store import Store


class StopSignal:
    """Tells whether this process is asked to stop; false until something that knows is attached."""

    def __init__(self) -> None:
        self._asked: Callable[[], bool] | None = None

    def attach(self, asked: Callable[[], bool]) -> None:
        """Ask `asked` from now on."""
        self._asked = asked

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self._asked is not None and self._asked()


@dataclass(frozen=True)
class Services:
    """What a process works with. `reconciler` is None, and `missing` says why, where IRM is not usable."""

    settings: Settings
    clock: Clock
    store: Store
    alertmanager: Peers
    reconciler: Reconciler | None
    irm: IrmClient | None
    directory: Path
    heartbeat: Heartbeat
    tally: Tally
    board: Board
    missing: dict[str, str] = field(default_factory=dict)
    stop: StopSignal = field(default_factory=StopSignal)

    @property
    def state_is_lent(self) -> bool:
        """Whether STATE_DIR is unusable, so that locks and published pages are in a directory that gunicorn lent."""
        return self.directory != self.settings.state_dir

    def progress(self) -> Progress | None:
        """Tell how far the run is that goes on, whichever process of this host runs it; None if none does."""
        return self.board.read(self.settings.run_timeout + self.settings.reconcile_wait)

    @property
    def leads(self) -> bool:
        """Whether a worker of this gunicorn leads the loop."""
        return self.heartbeat.leader is not None

    @property
    def led_elsewhere(self) -> bool:
        """Whether another host leads it, as far as is known."""
        return not self.leads and self.store.is_led()

    def count_requests(self) -> None:
        """Write down what this process asked of the upstreams beside a run."""
        self.store.count(self.tally.take())
