"""A flood of triggers by wrk on 64 connections: probes and metrics stay quick, and no more runs begin than should."""

from __future__ import annotations

import math
import subprocess
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from alertsync.simulator.real_alertmanager import find_binary
from tests.benchmarks.prober import Prober
from tests.e2e.worlds import World, simulated_world
from tests.servers import poll_until
from tests.service import Service, run_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECTIONS = 64
SECONDS = 4
WITHIN = 0.1
"""Seconds in which 99 of 100 probes and scrapes are answered."""
PAUSE = 0.02
FEWEST = 50
_ATTEMPTS = 5
"""The machine has other tests to run, and a flood takes whatever it leaves: the best of so many counts."""


pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        for number in range(10):
            it.fire(f"Disk{number}")
        yield it


def flood(
    service: Service, query: str = "", *, seconds: int = SECONDS, token: str = ""
) -> dict[str, list[float]]:
    """POST from all connections without a pause; give how long probes and scrapes took meanwhile, in order of time."""
    script = service.directory / "flood.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.headers["Authorization"] = "Bearer {token}"\n')
    wrk = find_binary(("wrk",), "wrk")
    options = [f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s", "-s", str(script)]
    with ExitStack() as stack:
        probers = {path: Prober(service.url, path, pause=PAUSE) for path in ("/healthz", "/metrics")}
        for prober in probers.values():
            stack.enter_context(prober)
        subprocess.run(
            [wrk, *options, f"{service.url}/reconcile{query}"],
            check=True,
            capture_output=True,
            timeout=seconds + 30,
        )
    return {path: sorted(prober.times) for path, prober in probers.items()}


def percentile99(times: list[float]) -> float:
    """Give the time within which 99 of 100 were answered; endless if too few were to tell."""
    return times[math.ceil(len(times) * 0.99) - 1] if len(times) >= FEWEST else math.inf


def statuses(service: Service) -> Counter[int]:
    """Count the answers to triggers."""
    return Counter(int(one["status"]) for one in service.events("request", path="/reconcile"))


def refused(service: Service) -> float | None:
    return service.metric("alertsync_auth_failures_total", reason="wrong_token")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_probes_and_metrics_are_quick_while_runs_and_refusals_go_on(
    tmp_path: Path, world: World, workers: str
) -> None:
    with Service(tmp_path, world.settings(WEB_WORKERS=workers)) as service:
        worst = []
        for _ in range(_ATTEMPTS):
            worst.append({path: percentile99(times) for path, times in flood(service).items()})
            if max(worst[-1].values()) < WITHIN:
                break
        else:
            pytest.fail(f"99 of 100 took up to {worst} s")
        answers = statuses(service)
        assert answers.keys() == {200, 409}
        assert answers[409] > 10 * answers[200]
        assert answers[200] == len(service.runs())
    records = run_records(service.state_dir)
    assert len(records) == answers[200]
    # One ended before the next began.
    ended = [one["ended_at"] for one in records]
    begun = [one["started_at"] for one in records]
    assert all(end <= begin for end, begin in zip(ended, begun[1:], strict=False))


def test_a_flood_leaves_half_of_what_irm_allows_to_the_loop(tmp_path: Path, world: World) -> None:
    with Service(tmp_path, world.settings(IRM_RATE_LIMIT="60/5 minutes")) as service:
        world.irm.server.clear()
        service.reconcile()
        one_run = len(world.irm.server.received)
        flood(service, "?dry_run=true", seconds=2)
        assert statuses(service).keys() == {200, 409}
        # Two had been let in when the half was used up: one that ran, and one that waited.
        assert len(world.irm.server.received) <= 30 + 2 * one_run
        assert len(service.runs()) >= 2


def test_a_flood_of_wrong_tokens_is_refused_and_starts_nothing(tmp_path: Path, world: World) -> None:
    token = "trigger-token-of-a-script"
    with Service(tmp_path, world.settings(TRIGGER_TOKEN=token)) as service:
        took = flood(service, seconds=2, token="guessed")
        assert percentile99(took["/healthz"]) < 1
        poll_until(lambda: refused(service) == statuses(service).total(), what="each refusal is counted")
        answers = statuses(service)
        assert answers.keys() == {401, 429}
        assert answers[401] < 30 < answers[429]
        assert service.runs() == []
        right = {"Authorization": f"Bearer {token}"}
        assert service.post_reconcile(headers=right).status_code == 200
        assert len(service.events("somebody was not let in", reason="wrong_token", client="127.0.0.1")) < 30
        assert "guessed" not in service.log
