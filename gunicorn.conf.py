"""gunicorn's settings, derived from alertsync's own, and the hook that starts the reconciliation thread."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

# gunicorn takes every name of its own settings from this module, and `config` is one: hence the underscore.
from alertsync import bootstrap, logs
from alertsync import config as _config
from alertsync.errors import ConfigError, StateDirError
from alertsync.web import services_of
from alertsync.web.worker import ProblemWorker

try:
    _settings = _config.load()
except ConfigError as error:
    sys.exit(f"alertsync cannot start: {error}")

wsgi_app = "wsgi:app"
bind = f"0.0.0.0:{_settings.port}"
workers = _settings.workers
threads = _settings.threads
worker_class = ProblemWorker
# An action in flight must be able to end: it is bounded by the timeout of one request and of its note.
graceful_timeout = int(_settings.irm.timeout) + 20
timeout = 60
keepalive = 5
# The heartbeat of workers lives in memory, where there is such a place: a slow disk must not kill a worker.
_memory = Path("/dev/shm")  # noqa: S108  gunicorn makes its own unlinked files there
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
control_socket_disable = True
accesslog = "-"
logconfig_dict = logs.dict_config(_settings.log_level, _settings.log_format, _settings.secrets)


def on_starting(server: Any) -> None:  # noqa: ANN401  gunicorn ships no types
    """Find a place for the locks and the published files before any worker is forked."""
    try:
        bootstrap.prepare(_settings.state_dir)
    except StateDirError as error:
        directory = os.environ[bootstrap.RUNTIME_DIR] = tempfile.mkdtemp(prefix="alertsync-")
        text = f"{error}. Until then, state is kept in {directory} and lost with it"
        server.log.error(text)  # noqa: TRY400  the traceback says nothing more


def on_exit(_server: object) -> None:
    """Remove the place that was made because there was no other."""
    if directory := os.environ.get(bootstrap.RUNTIME_DIR):
        shutil.rmtree(directory, ignore_errors=True)


def post_fork(_server: object, worker: bootstrap.Worker) -> None:
    """Start the reconciliation thread of this worker; the leader lock lets one of them run the loop."""
    bootstrap.follow_worker(worker, services_of)
