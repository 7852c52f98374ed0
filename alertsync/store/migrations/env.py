"""Runs the steps on the connection that `migrate` hands over, within the transaction that is already begun.

Only Alembic runs this file. Alembic itself begins no transaction on SQLite; ours is around all of it, and the driver
does not end it on its own, as `sqlite.engine` sees to: the steps are taken whole or not at all.
"""

from __future__ import annotations

from alembic import context

from alertsync.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
)
with context.begin_transaction():
    context.run_migrations()
