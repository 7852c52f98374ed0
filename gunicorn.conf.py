"""gunicorn's settings, derived from alertsync's own, and the hook that starts the reconciliation thread."""

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any

# What stands here is imported by the master, which keeps it for as long as it lives: nothing large, and the heartbeat,
# which the workers share because it is there before they are forked. gunicorn takes every name of its own settings from
# this module, and `config` is one: hence the underscore.
from alertsync import allocator as _allocator
from alertsync import config as _config
from alertsync import heartbeat, logs, state_dir
from alertsync.errors import ConfigError, StateDirError
from alertsync.worker import ProblemWorker

try:
    _settings = _config.load()
except ConfigError as error:
    sys.exit(f"alertsync cannot start: {error}")

_heartbeat = heartbeat.SHARED
_allocator.map_large_buffers()

# Containers have this file system even where all others are read-only.
_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  only unguessable names are made there


def _make_directory() -> str:
    """Make a directory that lives as long as this process, the master, does; in memory, where that is possible."""
    directory, master = tempfile.mkdtemp(prefix="alertsync-", dir=_memory), os.getpid()
    # Workers inherit what is registered here, and must leave the directory alone as they exit.
    atexit.register(lambda: os.getpid() == master and shutil.rmtree(directory, ignore_errors=True))
    return directory


if _settings.workers > 1 and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    # prometheus_client looks for it while the workers import it.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _make_directory()

wsgi_app = "wsgi:app"
bind = f"0.0.0.0:{_settings.port}"
workers = _settings.workers
threads = _settings.threads
worker_class = ProblemWorker
# An action in flight must be able to end: it is bounded by the timeout of one request and of its note.
graceful_timeout = int(_settings.irm.timeout) + 20
timeout = 60
keepalive = 5
# Whom to believe about clients is said by TRUSTED_PROXIES alone: gunicorn would believe whoever is on this host.
forwarded_allow_ips = ""
# What a request may bring before anything of ours has looked at it, in bytes and in headers.
limit_request_line = 4094
limit_request_field_size = 8190
limit_request_fields = 100
# The heartbeat of workers lives in memory: a slow disk must not kill a worker.
worker_tmp_dir = _memory
control_socket_disable = True
accesslog = "-"
logconfig_dict = logs.dict_config(_settings.log_level, _settings.log_format)


def on_starting(server: Any) -> None:  # noqa: ANN401  gunicorn ships no types
    """Find a place for the locks and the published files before any worker is forked."""
    try:
        state_dir.prepare(_settings.state_dir)
    except StateDirError as error:
        directory = os.environ[state_dir.RUNTIME_DIR] = _make_directory()
        text = f"{error}. Until then, state is kept in {directory} and lost with it"
        server.log.error(text)  # noqa: TRY400  the traceback says nothing more


def post_fork(_server: object, worker: Any) -> None:  # noqa: ANN401  gunicorn ships no types
    """Start the reconciliation thread of this worker; the leader lock lets one of them run the loop."""
    from alertsync import bootstrap  # noqa: PLC0415  the master needs none of it
    from alertsync.web import services_of  # noqa: PLC0415  the same

    bootstrap.follow_worker(worker, services_of)
