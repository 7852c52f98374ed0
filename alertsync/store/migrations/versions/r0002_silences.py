"""Make the tables of what IRM's webhooks told, and of the silences in Alertmanager that are ours."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; `schema` says what each is for."""
    op.create_table(
        "irm_silences",
        sa.Column("alert_group_id", sa.String, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("alert_group_id", name="pk_irm_silences"),
    )
    op.create_index("ix_irm_silences_ended_at", "irm_silences", ["ended_at"])
    op.create_table(
        "hand_silences",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hand_silences"),
    )
    op.create_index("ix_hand_silences_ended_at", "hand_silences", ["ended_at"])
    op.create_table(
        "events",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("handled_at", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_handled_at", "events", ["handled_at"])
    op.create_index("ix_events_received_at_id", "events", ["received_at", "id"])
