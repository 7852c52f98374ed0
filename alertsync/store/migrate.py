"""Brings a database to the tables that this version knows, forward only.

Alembic is imported only where there is something to change: a process that finds its tables in order, which is
nearly every one, is spared the time and the memory.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from alertsync.store.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "0002"
"""The revision whose tables `schema` describes."""

SCRIPTS = Path(__file__).parent / "migrations"

_VERSIONS = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""
"""As Alembic makes it."""

log = logging.getLogger(__name__)

_one_at_a_time = threading.Lock()
"""Alembic keeps what it works on in one place for the whole process."""


class NewerDatabaseError(Exception):
    """The database was made by a later version, whose tables we do not know; `revision` is its own name."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(f"its tables are of revision {revision}, and this version knows them up to {HEAD}")


def revision(connection: Connection) -> str | None:
    """Tell which revision the tables are of; None where there are none of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def tables(connection: Connection) -> frozenset[str]:
    """Name the tables that are there, whoever made them."""
    return frozenset(inspect(connection).get_table_names())


def refuse_newer(connection: Connection) -> None:
    """Raise `NewerDatabaseError` if the tables are of a revision that we do not know."""
    found = revision(connection)
    if found not in (None, HEAD) and found not in _known():
        raise NewerDatabaseError(str(found))


def create(connection: Connection) -> None:
    """Make all tables as they are today, where there are none, within the transaction of this connection.

    What the revisions would make one after the other, without Alembic, which costs a tenth of our memory.
    """
    metadata.create_all(connection)
    connection.execute(text(_VERSIONS))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring the tables to the revision `to`, within the transaction of this connection."""
    from alembic import command  # noqa: PLC0415  see the docstring of the module
    from alembic.config import Config  # noqa: PLC0415  the same

    # It tells every context that it makes, and names no database: our own line says more.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    before = revision(connection)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with _one_at_a_time:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    after = revision(connection)
    if before != after:
        log.info("the tables of the store were brought up to date", extra={"from": before, "to": after})


def _known() -> frozenset[str]:
    from alembic.script import ScriptDirectory  # noqa: PLC0415  see the docstring of the module

    return frozenset(script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions())
