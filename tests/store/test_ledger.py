"""The ledger: what is committed is what any process reads, and what is owed stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from alertsync.models import (
    Address,
    Credentials,
    Debt,
    HandSilence,
    IrmSilence,
    IrmSilenceState,
    Lease,
    LeaseState,
    Ledger,
    LedgerChange,
    Matcher,
    OurSilence,
    OwedAlert,
    Owing,
    RunStatus,
    Sighting,
)
from alertsync.store import memory
from alertsync.store.schema import debts
from tests.store.values import (
    a_debt,
    a_hand_silence,
    a_lease,
    a_run,
    a_sighting,
    a_store,
    an_address,
    an_irm_silence,
    change,
    close_all,
    later,
)
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = Credentials(START, "no right to write")


def test_a_new_ledger_is_empty_and_fresh_until_adoption_is_done(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert store.ledger() == Ledger(fresh=True)
    store.commit(LedgerChange(debts=(a_debt(),)))
    assert a_store(tmp_path).ledger().fresh
    store.commit(LedgerChange(fresh=False))
    assert not store.ledger().fresh
    assert a_store(tmp_path).ledger() == Ledger(debts=(a_debt(),))


def test_a_change_is_read_back_by_any_process(tmp_path: Path) -> None:
    change = LedgerChange(
        debts=(a_debt(2), a_debt(1)),
        leases=(a_lease(),),
        irm_silences=(an_irm_silence(),),
        hand_silences=(a_hand_silence(),),
        sightings={"GROUP1": a_sighting(), "GROUP2": Sighting()},
        addresses={"http://alertmanager": an_address()},
        attached={"GROUP3": START},
        peers={"http://peer": START},
        open_before=("GROUP1", "GROUP2"),
        credentials=REFUSED,
    )
    ours = a_store(tmp_path)
    ours.commit(change)
    expected = memory.apply(Ledger(fresh=True), change)
    assert a_store(tmp_path).ledger() == ours.ledger() == expected
    assert [debt.id for debt in expected.debts] == ["debt-0001", "debt-0002"]


def test_a_part_that_does_not_change_stays(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(),), sightings={"A": a_sighting()}, credentials=REFUSED))
    store.commit(LedgerChange(sightings={"B": a_sighting(1)}, peers={"p": START}))
    ledger = a_store(tmp_path).ledger()
    assert set(ledger.sightings) == {"A", "B"}
    assert ledger.credentials == REFUSED
    store.commit(LedgerChange(sightings={"A": None}, credentials_work=True, peers={}))
    ledger = a_store(tmp_path).ledger()
    assert set(ledger.sightings) == {"B"}
    assert (ledger.credentials, ledger.peers, ledger.debts) == (None, {}, (a_debt(),))


def test_a_change_by_a_process_that_has_not_looked_yet_is_written_whole(tmp_path: Path) -> None:
    a_store(tmp_path).commit(LedgerChange(debts=(a_debt(1),), peers={"old": START}, fresh=False))
    ours = a_store(tmp_path)
    ours.commit(LedgerChange(debts=(a_debt(2),), peers={"new": START}))
    ledger = a_store(tmp_path).ledger()
    assert ledger == ours.ledger() == Ledger(debts=(a_debt(1), a_debt(2)), peers={"new": START})


def test_times_come_back_exactly_whatever_their_zone(tmp_path: Path) -> None:
    odd = datetime(2026, 3, 29, 1, 30, 0, 123457, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    a_store(tmp_path).commit(LedgerChange(debts=(a_debt(made_at=odd),)))
    assert a_store(tmp_path).ledger().debts[0].made_at == odd


def test_a_closed_debt_is_told_within_retention_and_then_goes(tmp_path: Path) -> None:
    time = FakeTime()
    store = a_store(tmp_path, time.clock)
    old, young = START - timedelta(days=31), START - timedelta(days=29)
    ancient = START - timedelta(days=900)
    owed, held = a_debt(3, made_at=ancient), a_lease("HELD", until=ancient)
    store.commit(
        LedgerChange(
            debts=(a_debt(1, paid=old), a_debt(2, paid=young), owed),
            leases=(
                held,
                a_lease("INTENDED", LeaseState.INTENDED, ancient),
                a_lease("ENDED", LeaseState.ENDED, old),
                a_lease("TAKEN", LeaseState.TAKEN, young),
            ),
            sightings={"A": a_sighting()},
            addresses={"old": an_address(31), "young": an_address(29)},
        )
    )
    ledger = store.ledger()
    assert [debt.id for debt in ledger.debts] == [owed.id, "debt-0002"]
    assert {lease.alert_group_id for lease in ledger.leases} == {"HELD", "INTENDED", "TAKEN"}
    assert len(store.debts(limit=10).items) == 3
    store.save_run(a_run())
    assert [debt.id for debt in store.debts(limit=10).items] == ["debt-0002", owed.id]
    assert set(store.ledger().addresses) == {"young"}
    time.sleep(31 * 86400)
    store.save_run(a_run(1))
    ledger = store.ledger()
    assert ledger.debts == (owed,)
    assert {lease.alert_group_id for lease in ledger.leases} == {"HELD", "INTENDED"}
    assert ledger.sightings == {}
    assert store.run(a_run().run_id) is None


def test_a_resolve_that_did_not_happen_owes_nothing(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1), a_debt(2))))
    store.commit(LedgerChange(debts=(msgspec.structs.replace(a_debt(1), void=True),)))
    assert [debt.id for debt in store.debts(limit=9, open_only=True).items] == ["debt-0002"]


def test_no_more_than_five_thousand_closed_debts_are_told_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alertsync.store.ledger_rows.KEPT", 5)
    paid = [a_debt(number, paid=START - timedelta(minutes=number)) for number in range(8)]
    a_store(tmp_path).commit(LedgerChange(debts=(*paid, a_debt(100))))
    told = a_store(tmp_path).ledger().debts
    assert {debt.id for debt in told} == {debt.id for debt in (*paid[:5], a_debt(100))}


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    knows = a_store(tmp_path)
    knows.commit(LedgerChange(debts=(a_debt(1), a_debt(2)), fresh=False))
    change(tmp_path, update(debts).where(debts.c.id == "debt-0001").values(body=b"\xff\x00"))
    learns = a_store(tmp_path)
    for _ in range(2):
        ledger = learns.ledger()
        assert ledger.debts == (a_debt(2),)
        assert "debt debt-0001" in ledger.degraded
        assert learns.degraded == ledger.degraded
        # Who wrote it forgets nothing that it owes.
        assert knows.ledger() == Ledger(debts=(a_debt(1), a_debt(2)))
    knows.commit(LedgerChange(debts=(a_debt(1),)))
    for one in (knows, learns):
        assert one.ledger() == Ledger(debts=(a_debt(1), a_debt(2)))


def test_what_another_process_commits_is_read(tmp_path: Path) -> None:
    ours, theirs = a_store(tmp_path), a_store(tmp_path)
    for number in range(3):
        ours.commit(LedgerChange(debts=(a_debt(number),)))
        assert theirs.ledger() == ours.ledger()
        theirs.commit(LedgerChange(sightings={f"GROUP{number}": a_sighting()}))
        assert ours.ledger() == theirs.ledger()
    assert len(ours.ledger().debts) == len(ours.ledger().sightings) == 3


def test_a_run_begins_with_what_the_database_holds_whatever_its_stamp_says(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1),)))
    before = store.ledger()
    restored = msgspec.structs.replace(
        a_debt(1), reason="as another host wrote it, whose commits were as many"
    )
    change(tmp_path, update(debts).values(body=msgspec.json.encode(restored)))
    store.save_run(a_run(status=RunStatus.RUNNING))
    assert store.ledger() == msgspec.structs.replace(before, debts=(restored,))


def test_the_ledger_is_decoded_once_while_nobody_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1),)))
    before = store.ledger()
    monkeypatch.setattr("alertsync.store.ledger_rows.read", None)
    assert store.ledger() == before


def test_what_a_later_version_adds_to_a_value_disturbs_nobody(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(),)))
    change(tmp_path, update(debts).values(body=b'{"novel":[1],' + msgspec.json.encode(a_debt())[1:]))
    ledger = a_store(tmp_path).ledger()
    assert (ledger.debts, ledger.degraded) == ((a_debt(),), "")


@pytest.mark.sqlite
def test_a_process_that_missed_commits_of_another_undoes_none_of_them(tmp_path: Path) -> None:
    ours, theirs = a_store(tmp_path), a_store(tmp_path)
    ours.commit(LedgerChange(debts=(a_debt(1),), peers={"old": START}))
    theirs.ledger()
    state = tmp_path.with_name("moved")
    tmp_path.rename(state)
    tmp_path.write_text("a file where the directory should be")
    with pytest.raises(Exception, match="cannot be written"):
        ours.commit(LedgerChange(debts=(later(a_debt(1), Owing.POSTED), a_debt(2)), peers={"ours": START}))
    tmp_path.unlink()
    state.rename(tmp_path)
    theirs.commit(LedgerChange(debts=(later(a_debt(1), Owing.PAID),), peers={"theirs": START}))
    ledger = ours.ledger()
    assert [debt.is_open for debt in ledger.debts] == [False, True]
    assert set(ledger.peers) == {"theirs"}
    assert ledger == a_store(tmp_path).ledger()


# --- any value

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
"""PostgreSQL has no text with a NUL in it; the names that IRM gives have none."""
TIME = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  the strategy adds the zone
ALERT = st.builds(OwedAlert, TEXT, st.dictionaries(TEXT, TEXT, max_size=2), st.sampled_from(Owing))
DEBT = st.builds(
    Debt,
    id=st.sampled_from("abcd"),
    alert_group_id=TEXT,
    title=TEXT,
    integration_id=TEXT,
    receiver=st.none() | TEXT,
    group_labels=st.dictionaries(TEXT, TEXT, max_size=2),
    external_url=TEXT,
    group_key=TEXT,
    alerts=st.lists(ALERT, max_size=2).map(tuple),
    silences=st.lists(TEXT, max_size=2).map(tuple),
    reason=TEXT,
    run_id=TEXT,
    made_at=TIME,
    last_delivery_at=TIME,
    resolved_at=st.none() | TIME,
    void=st.booleans(),
)
LEASE = st.builds(
    Lease,
    st.sampled_from("abcd"),
    TEXT,
    TEXT,
    TIME,
    TIME,
    st.just(()),
    st.sampled_from(LeaseState),
)
OURS = st.lists(st.builds(OurSilence, TEXT, st.just((Matcher("a", "b"),)), TIME), max_size=2).map(tuple)
IRM_SILENCE = st.builds(
    IrmSilence,
    st.sampled_from("abcd"),
    TEXT,
    TEXT,
    TEXT,
    TIME,
    TIME,
    state=st.sampled_from(IrmSilenceState),
    silences=OURS,
)
HAND_SILENCE = st.builds(
    HandSilence,
    st.sampled_from("abcd"),
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TIME,
    TIME,
    silences=OURS,
    ended_at=st.none() | TIME,
)
SIGHTING = st.builds(Sighting, st.none() | TIME, st.none() | TIME, st.integers(0, 9))
REFUSAL = st.none() | st.builds(Credentials, TIME, TEXT)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def by_name(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from("abcd"), strategy, max_size=3)


CHANGE = st.builds(
    LedgerChange,
    debts=st.lists(DEBT, max_size=3, unique_by=lambda debt: debt.id).map(tuple),
    leases=st.lists(LEASE, max_size=3, unique_by=lambda lease: lease.alert_group_id).map(tuple),
    irm_silences=st.lists(IRM_SILENCE, max_size=2, unique_by=lambda one: one.alert_group_id).map(tuple),
    hand_silences=st.lists(HAND_SILENCE, max_size=2, unique_by=lambda one: one.id).map(tuple),
    sightings=by_name(st.none() | SIGHTING),
    addresses=maybe(by_name(st.builds(Address, TIME, st.booleans(), st.booleans()))),
    attached=maybe(by_name(TIME)),
    peers=maybe(by_name(TIME)),
    open_before=maybe(st.lists(TEXT, max_size=3).map(tuple)),
    credentials=REFUSAL,
    credentials_work=st.booleans(),
    fresh=maybe(st.booleans()),
)


@pytest.mark.sqlite  # no database at all
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=CHANGE, then=CHANGE, start=CHANGE)
def test_two_changes_merged_do_what_they_do_one_by_one(
    first: LedgerChange, then: LedgerChange, start: LedgerChange
) -> None:
    ledger = memory.apply(Ledger(), start)
    one_by_one = memory.apply(memory.apply(ledger, first), then)
    assert memory.apply(ledger, memory.merge(first, then)) == one_by_one
    assert memory.apply(Ledger(), memory.everything(ledger)) == ledger


@pytest.mark.sqlite
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(CHANGE, min_size=1, max_size=3))
def test_memory_and_database_agree_on_any_changes(
    changes: list[LedgerChange], tmp_path_factory: pytest.TempPathFactory
) -> None:
    agree(changes, tmp_path_factory)


@pytest.mark.postgresql
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(CHANGE, min_size=1, max_size=3))
def test_memory_and_postgresql_agree_on_any_changes(
    changes: list[LedgerChange], tmp_path_factory: pytest.TempPathFactory
) -> None:
    agree(changes, tmp_path_factory)


def agree(changes: list[LedgerChange], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("state")
    store, expected = a_store(directory), Ledger(fresh=True)
    for one in changes:
        store.commit(one)
        expected = memory.apply(expected, one)
    oldest = START - timedelta(days=30)
    assert memory.trim(a_store(directory).ledger(), oldest) == memory.trim(expected, oldest)
    assert store.ledger() == a_store(directory).ledger()
    close_all()
