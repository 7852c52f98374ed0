"""The stream of events: what it says, when it breathes, and that it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alertsync import bootstrap
from alertsync.models import Standing, Summary
from alertsync.progress import Phase
from alertsync.web import create_app
from alertsync.web.events import STREAM_SECONDS
from tests.docs import settings
from tests.unit.clocks import START, FakeTime
from tests.unit.ledgers import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from alertsync.services import Services

EVENTS = "/api/v1/events"


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def services(tmp_path: Path, time: FakeTime) -> Services:
    return bootstrap.build(settings.load({"STATE_DIR": str(tmp_path), "WEB_THREADS": "8"}), time.clock)


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


def opened(client: FlaskClient) -> TestResponse:
    answer = client.get(EVENTS, buffered=False)
    assert answer.status_code == 200, answer.text
    return answer


def said(chunks: Iterator[bytes]) -> list[tuple[str, Any]]:
    """Give the events of the next piece of a stream."""
    events = [block.splitlines() for block in next(chunks).decode().split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]


def ended(services: Services, number: int) -> dict[str, Any]:
    """Let a run end; give its summary."""
    one = run(number)
    last = Summary(one.run_id, one.trigger, one.status, one.message, one.started_at, one.ended_at)
    services.store.end_run(one, Standing(last=last), services.tally.take())
    shown: dict[str, Any] = msgspec.to_builtins(last)
    return shown


def test_it_begins_with_how_things_stand_and_says_what_changes(
    client: FlaskClient, services: Services
) -> None:
    first = ended(services, 1)
    with opened(client) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-store"
        chunks = answer.iter_encoded()
        assert next(chunks) == b"retry: 5000\n\n"
        assert said(chunks) == [("run", first), ("progress", None)]
        with services.board.reporting("r2", "loop", START, dry_run=True) as report:
            report.enter(Phase.READING_IRM)
            [(name, told)] = said(chunks)
            assert name == "progress"
            assert told["phase"] == "reading_irm"
            assert told["started_at"] == "2026-11-23T12:00:00Z"
            assert (told["run_id"], told["dry_run"], told["pages_total"]) == ("r2", True, None)
        second = ended(services, 2)
        assert said(chunks) == [("run", second), ("progress", None)]


def test_it_breathes_while_there_is_nothing_to_say_and_ends_after_some_minutes(
    client: FlaskClient, time: FakeTime
) -> None:
    with opened(client) as answer:
        chunks = answer.iter_encoded()
        next(chunks)
        next(chunks)
        began, times = time.passed, []
        for chunk in chunks:
            assert chunk == b": still here\n\n"
            times.append(time.passed)
    assert time.passed - began == pytest.approx(STREAM_SECONDS, abs=1)
    assert len(times) == STREAM_SECONDS // 15 - 1
    assert all(15 <= later - earlier < 15.5 for earlier, later in zip([began, *times], times, strict=False))


def test_it_ends_within_half_a_second_of_the_wish_to_stop(
    client: FlaskClient, services: Services, time: FakeTime
) -> None:
    stopping = False
    services.stop.attach(lambda: stopping)
    with opened(client) as answer:
        chunks = answer.iter_encoded()
        next(chunks)
        next(chunks)
        stopping, asked = True, time.passed
        assert list(chunks) == []
        assert time.passed - asked <= 0.5


def test_a_quarter_of_the_threads_may_stream_and_others_are_told_to_poll(client: FlaskClient) -> None:
    streams = [opened(client) for _ in range(2)]
    refused = client.get(EVENTS)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert refused.content_type == "application/problem+json"
    assert "poll" in refused.get_json()["hint"]
    streams.pop().close()
    # Nothing was sent on this one yet.
    streams.append(opened(client))
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(("threads", "most"), [("6", 0), ("7", 1), ("8", 2), ("9", 2), ("16", 4)])
def test_streams_leave_enough_threads_to_triggers_readings_and_pages(
    tmp_path: Path, time: FakeTime, threads: str, most: int
) -> None:
    read = settings.load({"STATE_DIR": str(tmp_path), "WEB_THREADS": threads})
    client = create_app(bootstrap.build(read, time.clock)).test_client()
    streams = [opened(client) for _ in range(most)]
    assert client.get(EVENTS).status_code == 503
    for stream in streams:
        stream.close()


def test_a_question_about_its_headers_takes_no_place(client: FlaskClient) -> None:
    for _ in range(5):
        answer = client.head(EVENTS)
        assert (answer.status_code, answer.headers["X-Accel-Buffering"]) == (200, "no")
    opened(client).close()


def test_streams_are_not_measured_and_refusals_are(client: FlaskClient) -> None:
    streams = [opened(client) for _ in range(2)]
    client.get(EVENTS)
    measured = [line for line in client.get("/metrics").text.splitlines() if "/api/v1/events" in line]
    assert {line.partition('status="')[2][:3] for line in measured} == {"503"}
    for stream in streams:
        stream.close()


def test_it_knows_no_parameters(client: FlaskClient) -> None:
    assert client.get(f"{EVENTS}?since=1").status_code == 400


def test_nothing_is_told_of_a_run_that_has_been_told_to_be_over(
    client: FlaskClient, services: Services
) -> None:
    with (
        services.board.reporting(run(1).run_id, "loop", START, dry_run=False) as report,
        opened(client) as answer,
    ):
        report.enter(Phase.RECORDING)
        last = ended(services, 1)
        chunks = answer.iter_encoded()
        next(chunks)
        assert said(chunks) == [("run", last), ("progress", None)]
