"""Why there is no run, as problems: nothing is set, another one goes on, or nothing would keep two apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.errors import NotReadyError, RunBusyError, SharedLockError, StateDirError, StoppedError
from alertsync.web import problems

if TYPE_CHECKING:
    from flask import Blueprint, Response

_RETRY_SECONDS = 5


def not_ready(error: NotReadyError) -> Response:
    """Answer that settings are missing."""
    hint = "set what is missing and restart alertsync; GET /readyz tells when it is ready"
    return problems.response(503, "Not ready", str(error), hint)


def busy(error: RunBusyError) -> Response:
    """Answer that another run goes on."""
    hint = "try again after the seconds of Retry-After"
    headers = {"Retry-After": str(error.retry_after)}
    return problems.response(409, "A run is going on", str(error), hint, headers=headers)


def no_lock(error: StateDirError) -> Response:
    """Answer that nothing would keep two runs apart."""
    hint = "without its locks alertsync starts no run, as two at once could not be told apart"
    return problems.response(500, "STATE_DIR cannot be used", str(error), hint)


def no_shared_lock(error: SharedLockError) -> Response:
    """Answer that nothing would keep our runs and those of other hosts apart."""
    hint = (
        "without its lock in PostgreSQL alertsync starts no run, as another host could run at the same time"
    )
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return problems.response(503, "PostgreSQL cannot be used", str(error), hint, headers=headers)


def stopping(error: StoppedError) -> Response:
    """Answer that this process ends."""
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return problems.response(503, "Stopping", str(error), "try again in a moment", headers=headers)


def register(routes: Blueprint) -> None:
    """Answer so for all addresses of `routes`."""
    routes.register_error_handler(NotReadyError, not_ready)
    routes.register_error_handler(RunBusyError, busy)
    routes.register_error_handler(StateDirError, no_lock)
    routes.register_error_handler(SharedLockError, no_shared_lock)
    routes.register_error_handler(StoppedError, stopping)
