"""The tables, in words that SQLite and PostgreSQL share.

What is filtered or sorted by has a column; the rest of a value stands as JSON in `body`, so that a new field of
a value needs no migration and an unknown one disturbs nobody. Bodies are bytes: damage to them is then found by
whoever decodes them, and never makes the driver refuse a whole answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Give an aware time as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """Give back the time; raise `OverflowError` if there is none."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as microseconds since 1970 in UTC.

    SQLite has no type for times and PostgreSQL one with rules of its own; a whole number is exact, sorts rightly
    and means the same in both.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  SQLAlchemy's signature
        """Give what is stored."""
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Give what was meant."""
        return None if value is None else moment(value)


def _id(length: int | None = None) -> TypeEngine[str]:
    """Give the type of what lists are sorted by: in the order of codes, as Python and SQLite sort it too.

    PostgreSQL sorts text by the rules of a language, and pages that end at a row would miss some.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

identity = Table(
    "identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", String(32), nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("fresh", Boolean, nullable=False),
)
"""One row: which database this is, how many commits its ledger has seen, and whether adoption is still to come."""

facts = Table(
    "facts",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""What is known one at a time, by its name in `Ledger`, and "standing"."""

debts = Table(
    "debts",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("alert_group_id", String, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("body", LargeBinary, nullable=False),
    Index(None, "closed_at"),
    Index(None, "made_at", "id"),
    Index(None, "alert_group_id"),
)
"""One row a debt; `closed_at` is empty exactly while something of it is owed."""

leases = Table(
    "leases",
    metadata,
    Column("alert_group_id", String, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("until", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "state", "until"),
)

irm_silences = Table(
    "irm_silences",
    metadata,
    Column("alert_group_id", String, primary_key=True),
    Column("ended_at", Moment),
    Column("body", LargeBinary, nullable=False),
    Index(None, "ended_at"),
)
"""The last silence of a person in IRM, an alert group each; `ended_at` is empty exactly while it is looked after."""

hand_silences = Table(
    "hand_silences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("ended_at", Moment),
    Column("body", LargeBinary, nullable=False),
    Index(None, "ended_at"),
)
"""Silences that were made by hand here; `ended_at` is empty exactly while they may hold."""

events = Table(
    "events",
    metadata,
    Column("id", _id(64), primary_key=True),
    Column("received_at", Moment, nullable=False),
    Column("handled_at", Moment),
    Column("body", LargeBinary, nullable=False),
    Index(None, "handled_at"),
    Index(None, "received_at", "id"),
)
"""What IRM's outgoing webhooks told; `handled_at` is empty while it waits for a run."""

sightings = Table(
    "sightings",
    metadata,
    Column("alert_group_id", String, primary_key=True),
    Column("changed_at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "changed_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", _id(64), primary_key=True),
    Column("trigger", String, nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("decided", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "started_at", "run_id"),
)
"""One row a run; its body lacks its decisions (`decided` many) and its actions, which have tables of their own."""

decisions = Table(
    "decisions",
    metadata,
    Column("run_id", _id(64), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""The decisions of the newest runs, all those of a run in one body: they are large, and soon of no interest."""

actions = Table(
    "actions",
    metadata,
    Column("run_id", _id(64), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("alert_group_id", String, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "at", "run_id", "position"),
    Index(None, "alert_group_id"),
)
