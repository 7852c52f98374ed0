"""PostgreSQL, and hosts that share it: whoever has lost the run lock writes nothing over what others wrote since."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest
from sqlalchemy import String, text

from alertsync.clock import Clock, never_stop
from alertsync.errors import LockLostError, SharedLockError, StoreDegradedError
from alertsync.locks import FileLock
from alertsync.models import (
    ActionKind,
    Counters,
    HandledEvent,
    LeaseState,
    LedgerChange,
    Outcome,
    Owing,
    Requests,
    RunStatus,
    Standing,
)
from alertsync.store import Store, migrate, postgresql
from alertsync.store.database import Database
from alertsync.store.schema import metadata
from alertsync.store.session import Leadership, Name, Session
from tests.servers import poll_until
from tests.store import children, values
from tests.store.test_inbox import an_event
from tests.store.values import RETENTION, a_debt, a_hand_silence, a_lease, a_run, change, later, url_of
from tests.unit.clocks import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgresql import PostgresServer

pytestmark = pytest.mark.postgresql

ASKED = Requests({"read status/2xx": 3})


def a_host(directory: Path) -> Store:
    """Open the store of one of several hosts, which must ask for the run lock itself."""
    store = Store(directory, directory, Clock(now=lambda: START), retention=RETENTION, url=url_of(directory))
    values.opened.append(store)
    return store


def runs_on(store: Store, wait: float = 0.0) -> bool:
    """Tell whether a run may begin on this host now."""
    with store.reserved(wait, never_stop) as hold:
        return hold is not None


def committed(store: Store, **change: object) -> None:
    """Commit under the run lock."""
    with store.reserved(children.SECONDS, never_stop) as hold:
        assert hold is not None
        store.commit(LedgerChange(**change))  # type: ignore[arg-type]  # its fields


def debts_of(store: Store) -> dict[str, bool]:
    """Read the debts that are not void, and whether each is open."""
    return {debt.id: debt.is_open for debt in store.ledger().debts if not debt.void}


def session_of(store: Store) -> Session:
    """Give the connection that holds the run lock."""
    assert not isinstance(store._database, Database)
    assert store._database.session is not None
    return store._database.session


# --- one at a time


def test_one_host_runs_at_a_time_and_the_ledger_is_written_by_that_one_alone(tmp_path: Path) -> None:
    one, other = a_host(tmp_path), a_host(tmp_path)
    with one.reserved(0.0, never_stop) as hold:
        assert hold is not None
        assert not runs_on(other)
        one.commit(LedgerChange(debts=(a_debt(1),)))
        with pytest.raises(StoreDegradedError, match="does not hold the run lock"):
            other.commit(LedgerChange(debts=(a_debt(2),)))
        one.commit(LedgerChange(debts=(a_debt(3),)))
        hold.prove()
    assert set(debts_of(a_host(tmp_path))) == {"debt-0001", "debt-0003"}
    # What the other knows is written as soon as it may be.
    assert [other.keeps_back, runs_on(other), other.keeps_back] == [True, True, False]
    assert set(debts_of(a_host(tmp_path))) == {"debt-0001", "debt-0002", "debt-0003"}


def test_the_run_lock_is_waited_for_and_other_schemas_do_not_matter(tmp_path: Path) -> None:
    one, other, elsewhere = a_host(tmp_path), a_host(tmp_path), a_host(tmp_path / "elsewhere")
    told, over = threading.Event(), threading.Event()

    def run() -> None:
        with one.reserved(0.0, never_stop):
            told.set()
            over.wait(children.SECONDS)

    running = threading.Thread(target=run)
    running.start()
    assert told.wait(children.SECONDS)
    assert runs_on(elsewhere)
    assert not runs_on(other)
    threading.Timer(0.3, over.set).start()
    assert runs_on(other, wait=children.SECONDS)
    running.join()


def test_any_host_records_what_was_asked_for_and_counts_its_requests(tmp_path: Path) -> None:
    one, other = a_host(tmp_path), a_host(tmp_path)
    with one.reserved(0.0, never_stop):
        one.save_run(a_run(1, RunStatus.RUNNING, decided=0))
        other.save_run(a_run(2, RunStatus.RUNNING, decided=0))
        other.count(ASKED)
        one.count(ASKED)
        assert {run.run_id for run in other.runs(limit=9).items} == {a_run(1).run_id, a_run(2).run_id}
        other.forget_run(a_run(2).run_id)
        assert one.run(a_run(2).run_id) is None
    assert one.requests().answers == {"read status/2xx": 6}
    assert (one.degraded, other.degraded) == ("", "")


def test_a_leader_that_is_cut_off_leads_no_more_and_another_one_does(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = url_of(tmp_path)
    assert url is not None
    one, other = (Leadership(url, FileLock(tmp_path / name)) for name in ("one", "other"))
    assert (one.acquire(), other.acquire(), other.acquire()) == (True, False, False)
    assert (one.holds(), other.holds()) == (True, False)
    postgres.cut()
    poll_until(lambda: not one.holds(), what="the loss is noticed")
    one.release()
    poll_until(lambda: _takes(other), what="the other one leads")
    assert other.holds()
    other.release()
    assert one.acquire()
    one.release()


def _takes(lock: Leadership) -> bool:
    try:
        return lock.acquire()
    except SharedLockError:
        return False


# --- a host that has lost the run lock


@pytest.fixture
def cut_off(tmp_path: Path, postgres: PostgresServer) -> Iterator[Store]:
    """Give a host that lost the run lock in the middle of a run, with a change that it could not write."""
    store = a_host(tmp_path)
    committed(
        store, debts=(a_debt(1), a_debt(2)), leases=(a_lease("HELD"),), peers={"old": START}, fresh=False
    )
    with store.reserved(0.0, never_stop) as hold:
        assert hold is not None
        postgres.cut()
        for _ in range(2):  # the second time, nothing may have been connected anew
            with pytest.raises(StoreDegradedError):
                store.commit(
                    LedgerChange(
                        debts=(later(a_debt(1), Owing.POSTED), a_debt(9)),
                        leases=(a_lease("HELD", LeaseState.ENDED), a_lease("NEW")),
                        peers={"stale": START},
                    )
                )
        with pytest.raises(LockLostError, match="another host may act now"):
            hold.prove()
        with pytest.raises(LockLostError):
            hold.check()
        yield store


def test_what_is_lost_with_the_lock_is_written_if_nobody_wrote_since(cut_off: Store, tmp_path: Path) -> None:
    assert set(debts_of(a_host(tmp_path))) == {"debt-0001", "debt-0002"}
    assert {debt.id for debt in cut_off.ledger().debts} == {"debt-0001", "debt-0002", "debt-0009"}
    other = a_host(tmp_path)
    assert runs_on(other)
    assert runs_on(cut_off)
    ledger = a_host(tmp_path).ledger()
    assert [debt.alerts[0].state for debt in ledger.debts] == [Owing.POSTED, Owing.OWED, Owing.OWED]
    assert set(ledger.peers) == {"stale"}
    assert ledger == cut_off.ledger()


def test_a_host_that_lost_the_lock_undoes_nothing_that_another_wrote_since_and_hides_no_debt(
    cut_off: Store, tmp_path: Path
) -> None:
    other = a_host(tmp_path)
    committed(other, debts=(later(a_debt(1), Owing.PAID), later(a_debt(2), Owing.DUE)), peers={"new": START})
    assert runs_on(cut_off)
    ledger = a_host(tmp_path).ledger()
    assert [debt.alerts[0].state for debt in ledger.debts] == [Owing.PAID, Owing.DUE, Owing.OWED]
    assert {lease.alert_group_id: lease.state for lease in ledger.leases} == {
        "HELD": LeaseState.HELD,
        "NEW": LeaseState.HELD,
    }
    assert set(ledger.peers) == {"new"}
    assert ledger == cut_off.ledger()


def test_a_resolve_that_came_after_others_had_given_it_up_is_owed_again(
    cut_off: Store, tmp_path: Path
) -> None:
    other = a_host(tmp_path)
    given_up = msgspec.structs.replace(a_debt(2), void=True, closed_at=START)
    committed(other, debts=(given_up,))
    assert set(debts_of(other)) == {"debt-0001"}
    with pytest.raises(StoreDegradedError):
        cut_off.commit(LedgerChange(debts=(msgspec.structs.replace(a_debt(2), resolved_at=START),)))
    assert runs_on(cut_off)
    assert set(debts_of(other)) == {"debt-0001", "debt-0002", "debt-0009"}


def test_a_run_that_ends_without_the_lock_is_known_and_not_counted(cut_off: Store, tmp_path: Path) -> None:
    other = a_host(tmp_path)
    with other.reserved(0.0, never_stop):
        other.end_run(a_run(1), Standing(counters=Counters(runs=1)), ASKED)
        told = cut_off.end_run(a_run(2, acted=2), Standing(counters=Counters(runs=1, resolved=9)), ASKED)
        assert "does not hold the run lock" in told.degraded
        other.end_run(a_run(3), Standing(counters=Counters(runs=2)), ASKED)
    assert runs_on(cut_off)
    cut_off.save_run(a_run(4))
    for store in (cut_off, other):
        assert store.standing().counters == Counters(runs=2)
        assert store.requests().answers == {"read status/2xx": 9}
        kept = store.run(a_run(2).run_id)
        assert kept is not None
        assert (kept.status, len(kept.actions)) == (RunStatus.INTERRUPTED, 2)
        assert len(store.actions(limit=9).items) == 2


def test_what_a_run_that_was_cut_off_took_for_handled_waits_for_the_next_one(
    cut_off: Store, tmp_path: Path
) -> None:
    other = a_host(tmp_path)
    assert other.receive(an_event(1))
    assert cut_off.receive(an_event(2)), "any host takes events in at any time"
    cut_off.handle([HandledEvent(an_event(1), handled_at=START)])
    committed(other, hand_silences=(a_hand_silence(ended_at=START),))
    with pytest.raises(StoreDegradedError):
        cut_off.commit(LedgerChange(hand_silences=(a_hand_silence(), a_hand_silence("hand-2"))))
    assert runs_on(cut_off)
    assert {event.id for event in other.waiting_events()} == {an_event(1).id, an_event(2).id}
    ledger = a_host(tmp_path).ledger()
    assert {one.id: one.is_open for one in ledger.hand_silences} == {"hand-1": False, "hand-2": True}


def test_an_end_that_was_written_and_whose_answer_was_lost_stays_as_it_was_written(tmp_path: Path) -> None:
    store = a_host(tmp_path)
    with store.reserved(0.0, never_stop):
        store.end_run(a_run(1), Standing(counters=Counters(runs=1)), ASKED)
    store.save_run(msgspec.structs.replace(a_run(1), status=RunStatus.INTERRUPTED))
    kept = a_host(tmp_path).run(a_run(1).run_id)
    assert kept is not None
    assert kept.status is RunStatus.SUCCESS


def test_pages_are_published_under_the_run_lock_and_shown_by_every_host(tmp_path: Path) -> None:
    one, other = a_host(tmp_path), a_host(tmp_path)
    stamp = other.last_run_stamp()
    one.publish(b"of nobody\n")
    assert one.metrics() == ()
    with one.reserved(0.0, never_stop):
        one.publish(b"page\n")
        one.publish_decisions(a_run(1, decided=3), b"alerts\n")
    poll_until(lambda: other.last_run_stamp() != stamp, what="the other host sees that it is published")
    assert [page.plain for page in other.metrics()] == [b"page\n", b"alerts\n"]
    assert other.metrics() == one.metrics()
    assert other.last_run() == one.last_run() == a_run(1, decided=3)


# --- a server that is away, slow or in the way


def test_while_the_server_is_away_memory_serves_and_no_run_begins(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    store, other = a_host(tmp_path), a_host(tmp_path)
    committed(store, debts=(a_debt(1),))
    with store.reserved(0.0, never_stop):
        store.publish(b"page\n")
        postgres.stop()
        with pytest.raises(StoreDegradedError):
            store.commit(LedgerChange(debts=(a_debt(2),)))
        assert [debt.id for debt in store.ledger().debts] == ["debt-0001", "debt-0002"]
    for one in (store, other):
        with pytest.raises(SharedLockError, match="cannot be reached"):
            runs_on(one)
    assert "cannot be reached" in store.degraded
    assert values.server is not None
    assert "s3cret" not in store.degraded
    assert [page.plain for page in store.metrics()] == [b"page\n"]
    began = time.monotonic()
    assert (other.standing(), other.metrics(), other.runs(limit=3).items) == (Standing(), (), ())
    assert time.monotonic() - began < 5
    postgres.start()
    poll_until(lambda: _may_run(other), what="runs are possible again")
    assert runs_on(store)
    assert set(debts_of(other)) == {"debt-0001", "debt-0002"}
    assert (store.degraded, other.degraded) == ("", "")


def _may_run(store: Store) -> bool:
    try:
        return runs_on(store)
    except SharedLockError:
        return False


def test_a_process_that_stands_still_loses_the_lock_and_notices_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgresql._HOLDING, "idle_session_timeout", "2s")
    monkeypatch.setattr("alertsync.store.session._SURE_SECONDS", 1.0)
    store = a_host(tmp_path)
    committed(store, debts=(a_debt(1),))
    ours, theirs = children.forked.Pipe()
    child = children.start(_hold, tmp_path, theirs)
    assert ours.poll(children.SECONDS)
    ours.recv()
    assert not runs_on(store, wait=2.5), "a silent thread keeps the lock"
    os.kill(child.pid or 0, signal.SIGSTOP)
    assert runs_on(store, wait=10)
    committed(store, debts=(later(a_debt(1), Owing.PAID),))
    os.kill(child.pid or 0, signal.SIGCONT)
    ours.send("go on")
    assert ours.poll(children.SECONDS)
    assert ours.recv() == "lost"
    children.finish(child)
    assert debts_of(a_host(tmp_path)) == {"debt-0001": False}


def _hold(directory: Path, connection: object) -> None:
    store = a_host(directory)
    with store.reserved(0.0, never_stop) as hold:
        assert hold is not None
        connection.send("held")  # type: ignore[attr-defined]  # a pipe
        connection.recv()  # type: ignore[attr-defined]  # a pipe
        try:
            hold.check()
        except LockLostError:
            with pytest.raises(StoreDegradedError):
                store.commit(LedgerChange(debts=(a_debt(1),)))
            connection.send("lost")  # type: ignore[attr-defined]  # a pipe


def test_a_writer_that_stops_in_the_middle_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgresql._SERVER, "idle_in_transaction_session_timeout", "1s")
    store = a_host(tmp_path)
    committed(store, debts=(a_debt(1),))
    url = url_of(tmp_path)
    assert url is not None
    stuck = postgresql.connect(url)
    stuck.execute("SELECT * FROM identity FOR UPDATE")
    began = time.monotonic()
    committed(store, debts=(a_debt(2),))
    assert 0.5 < time.monotonic() - began < 5
    with pytest.raises(psycopg.Error, match="idle-in-transaction timeout"):
        stuck.execute("SELECT 1")
    stuck.close()


def test_a_connection_that_a_pooler_gave_to_somebody_else_holds_nothing(tmp_path: Path) -> None:
    store = a_host(tmp_path)
    committed(store, debts=(a_debt(1),))
    with store.reserved(0.0, never_stop) as hold:
        assert hold is not None
        session_of(store)._ask("SELECT set_config('alertsync.session', 'another', false)")
        with pytest.raises(StoreDegradedError):
            store.commit(LedgerChange(debts=(a_debt(2),)))
        with pytest.raises(LockLostError, match="somebody else was given this connection"):
            hold.prove()
    assert set(debts_of(store)) == {"debt-0001", "debt-0002"}
    assert set(debts_of(a_host(tmp_path))) == {"debt-0001"}


def test_a_schema_in_which_nothing_may_be_made_is_told_with_what_to_do(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    store = a_host(tmp_path)
    schema = values.schemas[tmp_path]
    postgres.execute(f"ALTER SCHEMA {schema} OWNER TO postgres")
    postgres.execute(f"GRANT USAGE ON SCHEMA {schema} TO alertsync")
    with pytest.raises(SharedLockError, match="grant CREATE"):
        runs_on(store)
    postgres.execute(f"GRANT CREATE ON SCHEMA {schema} TO alertsync")
    assert runs_on(store)
    assert store.degraded == ""


def test_a_database_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    store = a_host(tmp_path)
    committed(store, debts=(a_debt(1),))
    change(tmp_path, text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SharedLockError, match="a later version"):
        runs_on(store)
    assert "a later version" in store.degraded
    change(tmp_path, text("UPDATE alembic_version SET version_num = :head").bindparams(head=migrate.HEAD))
    assert set(debts_of(store)) == {"debt-0001"}


def test_the_server_is_asked_to_wait_for_its_disk_and_to_give_up_those_who_vanish(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    assert url is not None
    asked = ("synchronous_commit", "tcp_keepalives_idle", "tcp_user_timeout", "idle_session_timeout")
    with postgresql.connect(f"{url}%20-csynchronous_commit%3Doff", holding=True) as connection:
        found = {name: (connection.execute(f"SHOW {name}".encode()).fetchone() or ("",))[0] for name in asked}
    assert found == dict(zip(asked, ("on", "5", "10000", "10s"), strict=True))


def test_a_session_frees_its_lock_when_it_is_closed_however_often(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    assert url is not None
    one, other = Session(url, Name.RUN), Session(url, Name.RUN)
    assert (one.take(), other.take()) == (True, False)
    for _ in range(2):
        one.close()
    poll_until(other.take, what="it is free")
    other.close()


def test_every_word_that_is_written_fits_its_column() -> None:
    words = {
        "status": RunStatus,
        "kind": ActionKind,
        "outcome": Outcome,
        "state": LeaseState,
    }
    for table in metadata.tables.values():
        for name, kind in words.items():
            column = table.c[name].type if name in table.c else None
            if isinstance(column, String) and column.length is not None:
                assert max(len(word) for word in kind) <= column.length, f"{table.name}.{name}"
