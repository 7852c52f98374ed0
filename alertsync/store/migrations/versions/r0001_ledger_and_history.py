"""Make the tables of the ledger and of the history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; `schema` says what each is for."""
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("generation", sa.String(32), nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("fresh", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )
    _ledger()
    _history()


def _ledger() -> None:
    op.create_table(
        "debts",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("alert_group_id", sa.String, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_debts"),
    )
    op.create_index("ix_debts_closed_at", "debts", ["closed_at"])
    op.create_index("ix_debts_made_at_id", "debts", ["made_at", "id"])
    op.create_index("ix_debts_alert_group_id", "debts", ["alert_group_id"])
    op.create_table(
        "leases",
        sa.Column("alert_group_id", sa.String, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("alert_group_id", name="pk_leases"),
    )
    op.create_index("ix_leases_state_until", "leases", ["state", "until"])
    op.create_table(
        "sightings",
        sa.Column("alert_group_id", sa.String, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("alert_group_id", name="pk_sightings"),
    )
    op.create_index("ix_sightings_changed_at", "sightings", ["changed_at"])


def _history() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("trigger", sa.String, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("decided", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_started_at_run_id", "runs", ["started_at", "run_id"])
    op.create_table(
        "decisions",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name="fk_decisions_run_id_runs", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "actions",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("alert_group_id", sa.String, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_actions"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name="fk_actions_run_id_runs", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_actions_at_run_id_position", "actions", ["at", "run_id", "position"])
    op.create_index("ix_actions_alert_group_id", "actions", ["alert_group_id"])
