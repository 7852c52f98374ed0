"""A real PostgreSQL on a free loopback port, in memory, for as long as a test or a session of tests needs it.

PostgreSQL refuses to run as root, so it runs as the user that Debian's package makes, or as nobody. It sorts text by
the rules of a language, as most do, and not by codes: whoever relies on an order has to ask for it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
import pytest

from tests.servers import free_port, poll_until

USER, PASSWORD, DATABASE = "alertsync", "s3cret/of:postgres", "alertsync"
_BINARIES = Path("/usr/lib/postgresql")
_MEMORY = "/dev/shm"  # noqa: S108  mkdtemp makes a name of its own there
_ROOM = 1 << 30
_READY_WITHIN_SECONDS = 30
_STOPPED_WITHIN_SECONDS = 20
_PORT_ATTEMPTS = 5
_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
}
"""Nothing here is worth a wait for the disk; the product asks for every sync as it does anywhere."""


class PostgresServer:
    """A server with one database and its owner, as a context manager."""

    def __init__(self) -> None:
        has_room = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
        self._directory = Path(tempfile.mkdtemp(prefix="postgresql-", dir=_MEMORY if has_room else None))
        self._user = _unprivileged() if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._maker = os.getpid()
        self.port = 0

    def __enter__(self) -> Self:
        (self._directory / "password").write_text(PASSWORD)
        if self._user is not None:
            for path in (self._directory, self._directory / "password"):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb",
            *("--pgdata", str(self._data), "--username", "postgres", "--auth", "scram-sha-256"),
            *("--pwfile", str(self._directory / "password"), "--no-sync", "--encoding", "UTF8"),
            *("--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en"),
        )
        for _ in range(_PORT_ATTEMPTS):
            self.port = free_port()
            self.start()
            if self._answers():
                break
        self.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", database="postgres")
        self.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}", database="postgres")
        return self

    def __exit__(self, *_: object) -> None:
        if self._maker == os.getpid():
            self.stop(signal.SIGQUIT)
            shutil.rmtree(self._directory, ignore_errors=True)

    # Its life

    def start(self) -> None:
        """Start it, and do not wait."""
        options = [word for name, value in _QUICK.items() for word in ("-c", f"{name}={value}")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binary("postgres"), "-D", str(self._data), "-p", str(self.port), "-k", "", *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: every connection is closed. SIGQUIT ends it as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(_STOPPED_WITHIN_SECONDS)
            self._process = None

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it and start it again, and wait until it answers."""
        self.stop(number)
        self.start()
        assert self._answers(), self.log

    def _answers(self) -> bool:
        def connects() -> bool:
            try:
                self.execute("SELECT 1", database="postgres")
            except psycopg.OperationalError:
                return self._process is None or self._process.poll() is not None
            return True

        poll_until(connects, within=_READY_WITHIN_SECONDS, what="PostgreSQL answers")
        return self._process is not None and self._process.poll() is None

    # What a test does with it

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return (self._directory / "log").read_text(errors="replace")

    def url(self, schema: str, *, port: int = 0) -> str:
        """Give DATABASE_URL for a schema; at another port, for whoever stands between."""
        at = f"127.0.0.1:{port or self.port}/{DATABASE}?options={quote(f'-csearch_path={schema}')}"
        return f"postgresql+psycopg://{USER}:{quote(PASSWORD, safe='')}@{at}"

    def make_schema(self, schema: str) -> None:
        """Make a schema, empty."""
        self.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {USER}")

    def execute(self, statement: str, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, and give what it answers."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def sessions(self, *, like: str = "alertsync") -> int:
        """Tell how many connections of the product there are."""
        names = self.execute("SELECT application_name FROM pg_stat_activity")
        return sum(name.startswith(like) for (name,) in names)

    def cut(self) -> None:
        """End every connection of the product."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'alertsync%'"
        )

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [_binary(program), *arguments], capture_output=True, text=True, check=False, **self._as_user()
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self) -> dict[str, Any]:
        place = {"cwd": self._directory, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
        if self._user is None:
            return place
        return {**place, "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": ()}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give one server for all tests of this process that want one; each makes a schema of its own."""
    with PostgresServer() as server:
        yield server


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _binary(name: str) -> str:
    found = sorted(_BINARIES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError(f"there is no {_BINARIES}/*/bin/{name}: apt-get install postgresql")
    return str(found[-1])
