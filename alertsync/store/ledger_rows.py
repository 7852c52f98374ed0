"""Reads the ledger from its tables, and writes changes of it, within a transaction of the caller.

A row that cannot be decoded is never taken for one that is not there: a debt that nobody can read is still owed.
It is named, so that the store can say so, and the rest is read.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Integer, Table, bindparam, delete, insert, select, update

from alertsync.models import (
    Address,
    Credentials,
    Debt,
    HandSilence,
    IrmSilence,
    Lease,
    LeaseState,
    Ledger,
    LedgerChange,
    Sighting,
)
from alertsync.store.memory import (
    HOLDING,
    KEPT,
    closed_at,
    ended_at,
    sorted_debts,
    sorted_leases,
    sorted_silences,
)
from alertsync.store.schema import (
    Moment,
    debts,
    facts,
    hand_silences,
    identity,
    irm_silences,
    leases,
    sightings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_debt = msgspec.json.Decoder(Debt)
_lease = msgspec.json.Decoder(Lease)
_irm_silence = msgspec.json.Decoder(IrmSilence)
_hand_silence = msgspec.json.Decoder(HandSilence)
_sighting = msgspec.json.Decoder(Sighting)
_facts: dict[str, msgspec.json.Decoder[Any]] = {
    "addresses": msgspec.json.Decoder(dict[str, Address]),
    "attached": msgspec.json.Decoder(dict[str, datetime]),
    "peers": msgspec.json.Decoder(dict[str, datetime]),
    "open_before": msgspec.json.Decoder(tuple[str, ...]),
    "credentials": msgspec.json.Decoder(Credentials),
}
_holding = sorted(state.value for state in HOLDING)

# Made once: SQLAlchemy takes longer to make a statement than SQLite to answer it.
_OLDEST = bindparam("oldest", type_=Moment)
_MOST = bindparam("most", type_=Integer)
_DEBTS = select(debts.c.id, debts.c.body)
_OPEN_DEBTS = _DEBTS.where(debts.c.closed_at.is_(None))
_CLOSED_DEBTS = _DEBTS.where(debts.c.closed_at >= _OLDEST).order_by(debts.c.closed_at.desc()).limit(_MOST)
_LEASES = select(leases.c.alert_group_id, leases.c.body)
_HELD_LEASES = _LEASES.where(leases.c.state.in_(_holding))
_ENDED_LEASES = (
    _LEASES.where(leases.c.state.not_in(_holding), leases.c.until >= _OLDEST)
    .order_by(leases.c.until.desc())
    .limit(_MOST)
)
_IRM_SILENCES = select(irm_silences.c.alert_group_id, irm_silences.c.body)
_HAND_SILENCES = select(hand_silences.c.id, hand_silences.c.body)
_SIGHTINGS = select(sightings.c.alert_group_id, sightings.c.body)
_FACTS = select(facts.c.name, facts.c.body).where(facts.c.name.in_(sorted(_facts)))
_STAMP = update(identity).values(serial=bindparam("serial"), fresh=bindparam("fresh"))


class Found(NamedTuple):
    """The ledger as read, and the names of what could not be decoded."""

    ledger: Ledger
    unreadable: tuple[str, ...] = ()


class _Reader:
    """Decodes bodies, and collects the names of those that cannot be."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def each(self, rows: Sequence[Any], decoder: msgspec.json.Decoder[T], what: str) -> dict[str, T]:
        """Decode rows of an id and a body."""
        found = {}
        for name, body in rows:
            try:
                found[str(name)] = decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.unreadable.append(f"{what} {name}")
        return found


def read(connection: Connection, oldest: datetime, *, fresh: bool) -> Found:
    """Read the ledger: all that is open, and what was over since `oldest`, up to 5,000 each."""
    reader, since = _Reader(), {"oldest": oldest, "most": KEPT}
    of_debts = [*connection.execute(_OPEN_DEBTS).all(), *connection.execute(_CLOSED_DEBTS, since).all()]
    of_leases = [*connection.execute(_HELD_LEASES).all(), *connection.execute(_ENDED_LEASES, since).all()]
    of_irm = _read_silences(connection, irm_silences, _IRM_SILENCES, since)
    by_hand = _read_silences(connection, hand_silences, _HAND_SILENCES, since)
    seen = connection.execute(_SIGHTINGS).all()
    ledger = Ledger(
        debts=sorted_debts(reader.each(of_debts, _debt, "debt").values()),
        leases=sorted_leases(reader.each(of_leases, _lease, "lease").values()),
        irm_silences=sorted_silences(reader.each(of_irm, _irm_silence, "silence of").values()),
        hand_silences=sorted_silences(reader.each(by_hand, _hand_silence, "silence").values()),
        sightings=reader.each(seen, _sighting, "sighting"),
        fresh=fresh,
        **_read_facts(connection, reader),
    )
    return Found(ledger, tuple(reader.unreadable))


def looks_after(connection: Connection, alert_group_id: str) -> bool:
    """Tell whether a silence of this alert group in IRM is not known to be over."""
    wanted = irm_silences.c.alert_group_id == alert_group_id, irm_silences.c.ended_at.is_(None)
    return connection.scalar(select(irm_silences.c.alert_group_id).where(*wanted)) is not None


def _read_silences(
    connection: Connection, table: Table, query: Select[Any], since: dict[str, Any]
) -> list[Any]:
    ended = table.c.ended_at
    over = query.where(ended >= _OLDEST).order_by(ended.desc()).limit(_MOST)
    return [*connection.execute(query.where(ended.is_(None))).all(), *connection.execute(over, since).all()]


def _read_facts(connection: Connection, reader: _Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, body in connection.execute(_FACTS):
        found |= reader.each([(name, body)], _facts[name], "the list of")
    return found


def write(connection: Connection, change: LedgerChange, now: datetime) -> None:
    """Write a change over what is there; whether adoption is done is not part of it."""
    _write_debts(connection, change.debts)
    _write_leases(connection, change.leases)
    _write_silences(connection, irm_silences, "alert_group_id", change.irm_silences)
    _write_silences(connection, hand_silences, "id", change.hand_silences)
    _replace(
        connection,
        sightings,
        "alert_group_id",
        [{"alert_group_id": name} for name in change.sightings],
        [
            {"alert_group_id": name, "changed_at": now, "body": _encode(sighting)}
            for name, sighting in change.sightings.items()
            if sighting is not None
        ],
    )
    if change.credentials_work:
        connection.execute(delete(facts).where(facts.c.name == "credentials"))
    for name in _facts:
        value = getattr(change, name)
        if value is not None:
            write_fact(connection, name, _encode(value))


def write_missing(connection: Connection, change: LedgerChange) -> None:
    """Write of a change what nobody else can know: its debts, leases and silences, unless they are over by now.

    It is for a change that could not be written in time, where another process has written later ones since.
    """
    over = set(connection.scalars(select(debts.c.id).where(debts.c.closed_at.is_not(None))))
    ended = set(connection.scalars(select(leases.c.alert_group_id).where(leases.c.state.not_in(_holding))))
    _write_debts(connection, [debt for debt in change.debts if debt.id not in over])
    _write_leases(connection, [lease for lease in change.leases if lease.alert_group_id not in ended])
    for table, key, changed in (
        (irm_silences, "alert_group_id", change.irm_silences),
        (hand_silences, "id", change.hand_silences),
    ):
        past = set(connection.scalars(select(table.c[key]).where(table.c.ended_at.is_not(None))))
        _write_silences(connection, table, key, [one for one in changed if getattr(one, key) not in past])


def write_unknown(connection: Connection, change: LedgerChange) -> None:
    """Write of a change what no other host can know: what is not there at all, or was given up too early.

    It is for a host that could not write while it held the run lock. Others have run since, and whatever they could
    find out about the debts and leases that they knew, they did.
    """
    there = dict(connection.execute(_DEBTS.where(debts.c.id.in_([debt.id for debt in change.debts]))).all())
    held = select(leases.c.alert_group_id).where(leases.c.state.in_(_holding))
    mirrored = set(
        connection.scalars(
            held.where(leases.c.alert_group_id.in_([one.alert_group_id for one in change.leases]))
        )
    )
    _write_debts(connection, [debt for debt in change.debts if _is_news(debt, there.get(debt.id))])
    ours = [lease for lease in change.leases if lease.state is LeaseState.HELD]
    _write_leases(connection, [lease for lease in ours if lease.alert_group_id not in mirrored])
    for table, key, changed in (
        (irm_silences, "alert_group_id", change.irm_silences),
        (hand_silences, "id", change.hand_silences),
    ):
        known = set(connection.scalars(select(table.c[key])))
        _write_silences(connection, table, key, [one for one in changed if getattr(one, key) not in known])


def _is_news(debt: Debt, body: bytes | None) -> bool:
    """Tell whether a debt is not there, or was taken for one of a resolve that did not happen; it may have, late."""
    if body is None or debt.void:
        return body is None
    try:
        return _debt.decode(body).void
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True


def write_fact(connection: Connection, name: str, body: bytes) -> None:
    """Write one fact over what it was."""
    _replace(connection, facts, "name", [{"name": name}], [{"name": name, "body": body}])


def write_stamp(connection: Connection, serial: int, *, fresh: bool) -> None:
    """Write how many commits the ledger has seen, and whether adoption is still to come."""
    connection.execute(_STAMP, {"serial": serial, "fresh": fresh})


def prune(connection: Connection, oldest: datetime) -> None:
    """Delete what is over, or was not seen, since `oldest`; never anything that is owed or held."""
    connection.execute(delete(debts).where(debts.c.closed_at < oldest))
    connection.execute(delete(leases).where(leases.c.state.not_in(_holding), leases.c.until < oldest))
    connection.execute(delete(sightings).where(sightings.c.changed_at < oldest))
    for table in (irm_silences, hand_silences):
        connection.execute(delete(table).where(table.c.ended_at < oldest))
    known: dict[str, Address] = _read_facts(connection, _Reader()).get("addresses", {})
    young = {url: address for url, address in known.items() if address.seen_at >= oldest}
    if len(young) < len(known):
        write_fact(connection, "addresses", _encode(young))


def _write_debts(connection: Connection, changed: Sequence[Debt]) -> None:
    rows = [
        {
            "id": debt.id,
            "alert_group_id": debt.alert_group_id,
            "made_at": debt.made_at,
            "closed_at": None if debt.is_open else closed_at(debt),
            "body": _encode(debt),
        }
        for debt in changed
    ]
    _replace(connection, debts, "id", rows, rows)


def _write_leases(connection: Connection, changed: Sequence[Lease]) -> None:
    rows = [
        {
            "alert_group_id": lease.alert_group_id,
            "state": lease.state.value,
            "until": lease.until,
            "body": _encode(lease),
        }
        for lease in changed
    ]
    _replace(connection, leases, "alert_group_id", rows, rows)


def _write_silences(
    connection: Connection, table: Table, key: str, changed: Sequence[IrmSilence | HandSilence]
) -> None:
    rows = [
        {
            key: getattr(silence, key),
            "ended_at": None if silence.is_open else ended_at(silence),
            "body": _encode(silence),
        }
        for silence in changed
    ]
    _replace(connection, table, key, rows, rows)


def _replace(
    connection: Connection,
    table: Table,
    key: str,
    gone: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
) -> None:
    """Delete the rows of `gone` and insert `rows`: what every database understands alike."""
    if gone:
        connection.execute(
            delete(table).where(table.c[key] == bindparam("gone")), [{"gone": row[key]} for row in gone]
        )
    if rows:
        connection.execute(insert(table), list(rows))
