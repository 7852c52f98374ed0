"""The history of the tables, as steps that Alembic takes; a step, once released, is never changed."""
