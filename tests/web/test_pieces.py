"""Long lists are written and read entry by entry: in one piece they would let no other thread run, probes included."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import AlertGroup, AlertStatus, Decision, DecisionKind, Member, Run, RunStatus
from alertsync.store.published import PublishedFiles
from alertsync.web import lists, views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MANY = 20_000


def a_run(decisions: int) -> Run:
    labels = {"alertname": "Disk", "service": 'größe \u2028 "quoted"', "severity": "page"}
    group = AlertGroup("G", "I", "firing", 1, NOW, "Disk")
    return Run(
        run_id="20260301T000000-abcdef",
        trigger="loop",
        dry_run=False,
        status=RunStatus.SUCCESS,
        message="done",
        started_at=NOW,
        decisions=tuple(
            Decision(
                group,
                DecisionKind.CONSISTENT,
                "it fires",
                members=tuple(Member(f"{one}-{two}", AlertStatus.ACTIVE, labels) for two in range(5)),
            )
            for one in range(decisions)
        ),
    )


def turns_of_another_thread(work: Callable[[], object]) -> int:
    """Count how often another thread gets its turn while something is done."""
    begun, done, turns = threading.Event(), threading.Event(), 0

    def count() -> None:
        nonlocal turns
        begun.set()
        while not done.is_set():
            turns += 1
            time.sleep(0)

    other = threading.Thread(target=count)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        other.start()
        begun.wait(10)
        turns = 0
        work()
        found = turns
    finally:
        sys.setswitchinterval(before)
        done.set()
        other.join(10)
    return found


def test_a_run_is_answered_as_it_is_shown() -> None:
    for decisions in (0, 1, 3):
        run = a_run(decisions)
        answer = lists.run(run)
        assert answer.mimetype == "application/json"
        assert list(answer.get_json()) == list(views.run(run))
        assert answer.get_json() == json.loads(json.dumps(views.run(run)))


def test_other_threads_run_while_a_long_answer_is_written() -> None:
    run = a_run(MANY)
    assert turns_of_another_thread(lambda: lists.run(run)) > 10


def test_other_threads_run_while_decisions_are_published_and_read(tmp_path: Path) -> None:
    files, run = PublishedFiles(tmp_path), a_run(MANY)
    in_one_piece = turns_of_another_thread(lambda: msgspec.json.encode(run))
    assert turns_of_another_thread(lambda: files.publish_decisions(run, b"")) > 10 + in_one_piece
    assert turns_of_another_thread(files.last_run) > 10
    assert files.last_run() == run
