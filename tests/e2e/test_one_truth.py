"""One truth: whichever worker answers, and whoever has died, the same is told and nothing counted is lost.

Which worker answered is read from the access log, which names the process of each request.
"""

import gzip
import signal
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.processes import (
    LEADS,
    OURS,
    PATIENCE,
    Rising,
    answers_of,
    assert_counters_tell_the_history,
    counted,
    counting_directory,
    kill,
    samples,
    service_of,
    total,
    until_leader,
    until_workers,
)
from tests.e2e.worlds import World, expect, simulated_world
from tests.servers import SimulatedAlertmanager
from tests.service import Service, value

WORKERS = 3

REQUESTS = "alertsync_upstream_requests_total"
HEALTH = {"url_rule": "/healthz", "status": "200"}
HTTP_REQUESTS = "flask_http_request_duration_seconds_count"
LIVE = ("alertsync_heartbeat_timestamp_seconds", "alertsync_next_run_timestamp_seconds")
"""What is read anew for each scrape, and moves meanwhile."""

pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        it.fire("DiskFull", "a", "b")
        it.fire("NodeDown")
        it.silence("NodeDown")
        yield it


def of_three(tmp_path: Path, world: World, **settings: str) -> Service:
    """Give a service of three workers."""
    return service_of(tmp_path, world, **{"WEB_CONCURRENCY": str(WORKERS), "WATCH_INTERVAL": "0", **settings})


def told(page: str) -> dict[object, float]:
    """Give what a metrics page tells that must be the same for whoever asks whomever."""
    return {
        key: number for key, number in samples(page).items() if key[0].startswith(OURS) and key[0] not in LIVE
    }


# --- The same from every worker ---------------------------------------------------------------------------


def test_every_worker_tells_the_same_metrics_one_leader_one_next_run_and_is_ready_alike(
    tmp_path: Path, world: World
) -> None:
    with of_three(tmp_path, world, RECONCILE_INTERVAL="600", ALERT_LABELS="alertname") as service:
        # The run that resolved something is followed by one that looks for what else went with it.
        expect("two runs ended", lambda: len(service.runs()) >= 2, within=PATIENCE)
        workers = until_workers(service, WORKERS)
        pages = {pid: one.text for pid, one in answers_of(service, "/metrics", workers).items()}
        first, *others = [told(page) for page in pages.values()]
        assert others == [first] * (WORKERS - 1)
        assert value(pages[min(pages)], "alertmanager_reconciliation_total") == len(service.runs())
        assert value(pages[min(pages)], "alertmanager_alert_state", alertname="NodeDown") == 0
        assert [value(page, "alertsync_leader") for page in pages.values()] == [1] * WORKERS
        due = [value(page, LIVE[1]) or 0 for page in pages.values()]
        assert max(due) - min(due) < 1
        assert all(value(page, LIVE[0]) for page in pages.values())

        ready = [one.json() for one in answers_of(service, "/readyz", workers).values()]
        times = [datetime.fromisoformat(one.pop("next_run_at")).timestamp() for one in ready]
        assert max(*times, *due) - min(*times, *due) < 1
        assert ready == [ready[0]] * WORKERS
        assert ready[0]["leader"] is True
        for path in ("/api/v1/runs", "/api/v1/actions", "/api/v1/debts", "/grafana-alerts"):
            same = {one.text for one in answers_of(service, path, workers).values()}
            assert len(same) == 1, path


def raw(service: Service, method: str, encoding: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for the metrics, and give status, headers and body as they went over the wire."""
    request = urllib.request.Request(  # noqa: S310  our own service
        f"{service.url}/metrics", method=method, headers={"Accept-Encoding": encoding}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  our own service
        return answer.status, dict(answer.headers), answer.read()


def test_metrics_as_gzip_are_those_in_plain_text_and_head_has_the_same_headers(
    tmp_path: Path, world: World
) -> None:
    with of_three(tmp_path, world) as service:
        service.reconcile()
        for encoding in ("identity", "gzip", "deflate, gzip;q=1.0, *;q=0.5", "gzip;q=0"):
            status, headers, body = raw(service, "GET", encoding)
            zipped = encoding in ("gzip", "deflate, gzip;q=1.0, *;q=0.5")
            assert status == 200
            assert headers.get("Content-Encoding") == ("gzip" if zipped else None)
            assert headers["Vary"] == "Accept-Encoding"
            assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
            page = (gzip.decompress(body) if zipped else body).decode()
            assert told(page) == told(service.metrics())
            assert value(page, "alertmanager_reconciliation_total") == 1
            status, head, nothing = raw(service, "HEAD", encoding)
            assert (status, nothing) == (200, b"")
            kept = ("Content-Type", "Content-Encoding", "Vary")
            assert [head.get(name) for name in kept] == [headers.get(name) for name in kept]
            assert int(head["Content-Length"]) > 1000


# --- What is counted stays counted ------------------------------------------------------------------------


def test_counters_survive_a_restart_and_agree_with_what_irm_was_asked(tmp_path: Path, world: World) -> None:
    rising = Rising(*OURS)
    for start in (1, 2):
        with of_three(tmp_path, world) as service:
            rising.look(service.metrics())
            for _ in range(2):
                service.reconcile()
                rising.look(service.metrics())
            page = service.metrics()
            asked = total(page, REQUESTS, operation="list integrations", status="2xx")
            assert asked == len(world.irm.asked("GET", "/integrations/")) == 2 * start
            assert total(page, REQUESTS, operation="resolve alert group") == 1
            assert value(page, "alertmanager_inconsistencies_resolved_total") == 1
            assert_counters_tell_the_history(service)


def test_counters_never_fall_while_leaders_are_killed_and_others_take_over(
    tmp_path: Path, world: World
) -> None:
    with of_three(tmp_path, world, RECONCILE_INTERVAL="0.5", WATCH_INTERVAL="1") as service:
        rising = Rising()
        for _ in range(3):
            leader = until_leader(service)
            runs = len(service.runs())
            kill(leader)

            def goes_on(runs: int = runs) -> bool:
                rising.look(service.metrics())
                return len(service.runs()) >= runs + 2

            expect("another leader runs", goes_on, within=PATIENCE)
            until_leader(service, other_than=leader)
        assert rising.scrapes > 10
        assert len(service.events(LEADS)) == 4
        until_workers(service, WORKERS)


def files(directory: Path) -> list[str]:
    """Give the names of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


def asked_by_all(service: Service) -> int:
    """Ask until every worker has answered, and give how often that was asked for since the start."""
    answers = answers_of(service, "/healthz", until_workers(service, WORKERS))
    assert {one.status_code for one in answers.values()} == {200}
    return len(service.events("request", path="/healthz", status=200))


def test_http_counters_outlive_their_workers_and_their_files_do_not_become_more(
    tmp_path: Path, world: World
) -> None:
    with of_three(tmp_path, world) as service:
        directory = counting_directory(min(until_workers(service, WORKERS)))
        asked_by_all(service)
        service.metrics()
        before = files(directory)
        assert [name for name in before if name.endswith(".lock")] == ["0.lock", "1.lock", "2.lock"]
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            old = until_workers(service, WORKERS)
            for pid in old:
                kill(pid, number)
            until_workers(service, WORKERS, without=old)
            asked = asked_by_all(service)
            assert value(service.metrics(), HTTP_REQUESTS, **HEALTH) == asked
        assert files(directory) == before
        # A reload has both generations for a moment, and no more places than that.
        for _ in range(2):
            old = until_workers(service, WORKERS)
            service.signal(signal.SIGHUP)
            until_workers(service, WORKERS, without=old)
            asked = asked_by_all(service)
            assert value(service.metrics(), HTTP_REQUESTS, **HEALTH) == asked
        places = [name for name in files(directory) if name.endswith(".lock")]
        assert len(places) <= 2 * WORKERS
        assert len(files(directory)) <= len(places) * len(before) // WORKERS
    assert not directory.exists()


def test_pages_that_read_live_in_a_worker_that_does_not_lead_are_counted_too(
    tmp_path: Path, world: World
) -> None:
    with of_three(tmp_path, world, RECONCILE_INTERVAL="600") as service:
        expect("two runs ended", lambda: len(service.runs()) >= 2, within=PATIENCE)
        followers = until_workers(service, WORKERS) - {until_leader(service)}
        answers_of(service, "/all-alerts", followers)
        # What a page asked is told after the next run.
        service.reconcile()
        page = service.metrics()
        assert isinstance(world.alertmanager, SimulatedAlertmanager)
        received = world.alertmanager.server.received
        asked = [one for one in received if one.path.endswith("/api/v2/alerts")]
        assert total(page, REQUESTS, operation="read alerts", status="2xx") == len(asked) >= 2
        took = total(page, "alertsync_upstream_request_duration_seconds_count", operation="read alerts")
        assert took == len(asked)


# --- Who leads, and who may run ---------------------------------------------------------------------------


def test_of_two_gunicorns_on_one_state_directory_exactly_one_says_that_it_leads(
    tmp_path: Path, world: World
) -> None:
    shared = {"STATE_DIR": str(tmp_path / "shared"), "RECONCILE_INTERVAL": "0.5", "WEB_CONCURRENCY": "2"}
    services = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        services.append(service_of(tmp_path / name, world, **shared))
    one, other = services

    def leading() -> list[float | None]:
        return [service.metric("alertsync_leader") for service in services]

    with one, other:
        expect("the first leads", lambda: leading() == [1, 0], within=PATIENCE)
        one.observe_runs(1, within=PATIENCE)
        for _ in range(5):
            assert leading() == [1, 0]
            assert [service.get("/readyz").json()["leader"] for service in services] == [True, False]
            assert other.get("/healthz").status_code == 200
        assert other.metric(LIVE[1]) is None
        # What the one counts, the other tells.
        shown = [counted(service.metrics(), prefix="alertmanager_") for service in services]
        assert shown[1].keys() == shown[0].keys()
        assert other.metric("alertmanager_reconciliation_total")
        kill(one.pid, signal.SIGTERM)
        assert one.wait_for_exit(PATIENCE) == 0
        expect("the other leads", lambda: other.metric("alertsync_leader") == 1, within=PATIENCE)
        other.observe_runs(1, within=PATIENCE)
        assert other.get("/readyz").json()["leader"] is True


def test_where_the_state_directory_cannot_be_used_only_the_leader_runs_and_others_answer_409(
    tmp_path: Path, world: World
) -> None:
    in_its_place = tmp_path / "a-file"
    in_its_place.write_text("not a directory")
    with of_three(tmp_path, world, STATE_DIR=str(in_its_place), RECONCILE_INTERVAL="600") as service:
        expect("a run ended", service.runs, within=PATIENCE)
        workers = until_workers(service, WORKERS)
        (led,) = service.events(LEADS)
        answers = answers_of(service, "/reconcile", workers, "POST")
        assert {pid: one.status_code for pid, one in answers.items()} == {
            pid: 200 if pid == led["pid"] else 409 for pid in workers
        }
        for pid in workers - {led["pid"]}:
            assert int(answers[pid].headers["Retry-After"]) >= 1
            assert "only the worker that leads the loop may run" in answers[pid].json()["detail"]
        assert {one["pid"] for one in service.runs()} == {led["pid"]}
        # Every worker says that it is degraded, is alive and ready, and knows the leader's counts.
        pages = answers_of(service, "/metrics", workers).values()
        assert [value(page.text, "alertsync_state_degraded") for page in pages] == [1] * WORKERS
        assert len({value(page.text, "alertmanager_reconciliation_total") for page in pages}) == 1
        assert {one.status_code for one in answers_of(service, "/healthz", workers).values()} == {200}
        assert world.irm.resolves == []
        # The one that takes over may run then.
        kill(led["pid"])
        expect("another one leads", lambda: len(service.events(LEADS)) == 2, within=PATIENCE)
        now = service.events(LEADS)[-1]["pid"]
        assert answers_of(service, "/reconcile", [now], "POST")[now].status_code == 200
