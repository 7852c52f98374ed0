"""The one place where settings become objects.

Everything that the web pages, the loop and the command line share is made here, once a process, and handed to
them as `Services`. Under gunicorn, `follow_worker` runs in every worker and lends the process its thread.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import requests.auth

from alertsync import config
from alertsync.attempt import AlertMetrics, Limits
from alertsync.clients.alertmanager import AlertmanagerClient
from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clients.irm import IrmClient
from alertsync.clients.limiter import Limiter
from alertsync.clients.peers import Peers
from alertsync.clients.tally import Tally
from alertsync.clock import Clock
from alertsync.errors import StateDirError
from alertsync.heartbeat import SHARED
from alertsync.locks import FileLock
from alertsync.progress import Board
from alertsync.reconciler import Reconciler
from alertsync.scheduler import Scheduler
from alertsync.services import Services, StopSignal
from alertsync.state_dir import RUNTIME_DIR, prepare
from alertsync.store import Store
from alertsync.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.heartbeat import Heartbeat
    from alertsync.models import Run
    from alertsync.settings import AlertmanagerSettings, IrmSettings, Settings

log = logging.getLogger(__name__)

_BOOT_POLL_SECONDS = 0.1
_STUMBLE_SECONDS = 1.0


def build(
    settings: Settings,
    clock: Clock | None = None,
    *,
    stay_up: bool = False,
    heartbeat: Heartbeat = SHARED,
) -> Services:
    """Make the services; reaches no upstream.

    Raise `NewerStoreError` if a later version made the store: a service that stayed up would look well to whoever
    rolls an old image out, and pay nothing of what is owed.
    Raise `StateDirError` if there is nowhere to keep state; with `stay_up`, be not ready and say so instead:
    without the locks that all workers share there may be no run, but the pages that explain it stay.
    """
    if stay_up:
        for warning in filter(None, (*config.warnings(settings), config.openness(settings))):
            log.warning("%s", warning)
    clock = clock or Clock()
    directory = Path(os.environ.get(RUNTIME_DIR) or settings.state_dir)
    missing = dict(settings.irm.problems)
    try:
        prepare(directory)
    except StateDirError as error:
        if not stay_up:
            raise
        log.error("%s", error)  # noqa: TRY400  the traceback says nothing more
        missing["STATE_DIR"] = "cannot be used: wants a directory on a local disk that alertsync may write"
    # Where STATE_DIR is unusable, the locks are elsewhere, and the store says that it is degraded.
    store = Store(
        settings.state_dir,
        directory,
        clock,
        retention=settings.history_retention,
        url=settings.database_url.value if settings.database_url else None,
    )
    store.refuse_newer()
    tally = Tally()
    alertmanager = Peers(
        [
            AlertmanagerClient(
                Http(endpoint, clock, jitter=random.Random()),  # noqa: S311  jitter needs no cryptography
                # Only with each of its annotations can an alert be shown with some of them.
                detailed=bool(settings.alert_annotations),
            )
            for endpoint in _alertmanager_endpoints(settings.alertmanager, tally)
        ]
    )
    stop = StopSignal()
    board = Board(directory, clock)
    irm = None if missing else _irm_client(settings.irm, clock, tally)
    reconciler = None
    if irm is not None:
        reconciler = Reconciler(
            irm=irm,
            alertmanager=alertmanager,
            store=store,
            policy=msgspec.structs.replace(settings.policy, max_deliveries=settings.irm.max_deliveries),
            limits=Limits(
                run_timeout=settings.run_timeout,
                confirm_after=settings.confirm_after,
                max_deliveries=settings.irm.max_deliveries,
                max_delivery_pages=max(settings.irm.rate_limit.requests // 2, 1),
                adopt_within=settings.adopt_within,
            ),
            alert_metrics=AlertMetrics(settings.alert_labels, settings.alert_annotations),
            lock_path=directory / "run.lock",
            board=board,
            # STATE_DIR may be mended while we run, and the command line uses it then.
            other_lock_path=settings.state_dir / "run.lock" if directory != settings.state_dir else None,
            clock=clock,
            should_stop=stop,
            started_at=clock.now(),
            tally=tally,
            heartbeat_integration_id=settings.irm.heartbeat_integration_id,
        )
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        alertmanager=alertmanager,
        reconciler=reconciler,
        irm=irm,
        directory=directory,
        heartbeat=heartbeat,
        tally=tally,
        board=board,
        missing=missing,
        stop=stop,
    )


def _alertmanager_endpoints(settings: AlertmanagerSettings, tally: Tally) -> list[Endpoint]:
    auth: requests.auth.AuthBase = HeaderAuth(None)
    if settings.username is not None and settings.password is not None:
        # requests encodes text as Latin-1; servers that read Basic auth expect UTF-8.
        auth = requests.auth.HTTPBasicAuth(settings.username.encode(), settings.password.value.encode())
    elif settings.token is not None:
        auth = HeaderAuth(f"Bearer {settings.token.value}")
    cert = (
        (settings.cert_file, settings.key_file)
        if settings.cert_file and settings.key_file
        else settings.cert_file
    )
    return [
        Endpoint(
            upstream="alertmanager",
            base_url=url,
            auth=auth,
            headers={"X-Scope-OrgID": settings.tenant} if settings.tenant else {},
            timeout=settings.timeout,
            secrets=settings.secrets,
            verify=settings.ca_file or True,
            cert=cert,
            tally=tally,
        )
        for url in settings.urls
    ]


def _irm_client(settings: IrmSettings, clock: Clock, tally: Tally) -> IrmClient:
    endpoint = Endpoint(
        upstream="irm",
        base_url=settings.url or "",
        # IRM takes the bare token: "Bearer" before it is refused.
        auth=HeaderAuth(settings.token.value if settings.token else None),
        headers={"X-Grafana-URL": settings.stack_url} if settings.stack_url else {},
        timeout=settings.timeout,
        secrets=settings.secrets,
        verify=settings.ca_file or True,
        tally=tally,
    )
    limiter = Limiter(settings.rate_limit, clock)
    http = Http(endpoint, clock, limiter=limiter, jitter=random.Random())  # noqa: S311  jitter needs no cryptography
    return IrmClient(http, page_size=settings.page_size)


class Worker(Protocol):
    """What is used of a gunicorn worker."""

    alive: bool
    booted: bool
    wsgi: object


def follow_worker(worker: Worker, services_of: Callable[[object], Services]) -> threading.Thread:
    """Start the one reconciliation thread of a gunicorn worker, right after its fork.

    It waits until the worker has booted, so that a worker that crashes at boot never leads. It ends when the
    worker is told to stop: gunicorn calls no hook for that, so it watches `worker.alive`.
    """

    def stopping() -> bool:
        # A worker that dies at boot never clears `alive`; its main thread is over all the same.
        return not (worker.alive and threading.main_thread().is_alive())

    def serve() -> None:
        clock = Clock()
        while not worker.booted:
            if stopping():
                return
            clock.sleep(_BOOT_POLL_SECONDS)
        services = services_of(worker.wsgi)
        services.stop.attach(stopping)
        while not stopping():
            try:
                loop(services)
            except Exception:
                log.exception("the reconciliation loop met an unexpected error, and begins anew")
                clock.sleep(_STUMBLE_SECONDS)
            else:
                return

    thread = threading.Thread(target=serve, name="reconciliation-loop")
    thread.start()
    return thread


def loop(services: Services) -> None:
    """Run the loop in this thread until the process is asked to stop; return at once if it is off."""
    settings, reconciler = services.settings, services.reconciler
    if reconciler is None or not settings.interval:
        return

    def run(trigger: str) -> Run:
        return reconciler.run_once(
            trigger,
            wait=settings.reconcile_wait,
            started=lambda: services.heartbeat.beat(services.clock),
        )

    Scheduler(
        run=run,
        lock=services.store.leadership(FileLock(services.directory / "leader.lock")),
        interval=settings.interval,
        clock=services.clock,
        should_stop=services.stop,
        heartbeat=services.heartbeat,
        watch=_watch(services, reconciler) if settings.watch_interval else None,
        wanted=lambda: services.store.standing().wake_at,
        stand_by=reconciler.hand_in,
    ).serve()


def _watch(services: Services, reconciler: Reconciler) -> Watch:
    return Watch(
        services.alertmanager.active_silences,
        reconciler.irm.has_room,
        services.clock,
        services.stop,
        interval=services.settings.watch_interval,
        min_gap=services.settings.watch_min_gap,
        waiting=lambda: frozenset(event.id for event in services.store.waiting_events()),
    )
