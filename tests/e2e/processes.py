"""What tests of gunicorn's processes need: which of them answered, what they count, and whether two ran at once."""

import contextlib
import itertools
import json
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from prometheus_client.parser import text_string_to_metric_families

from alertsync.simulator.wire import Server
from tests.e2e.worlds import World, expect
from tests.servers import poll_until
from tests.service import Service, run_records

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LEADS = "this worker leads the reconciliation loop"
PATIENCE = 40
"""Seconds within which anything happens, on a machine that has more to do than this test."""

OURS = ("alertmanager_", "alertsync_")
"""How the names of our own metrics begin; they outlive every process, those of HTTP requests the workers only."""

_numbers = itertools.count()
_ROUNDING = 1e-6
"""By how much a sum of seconds may differ that was added up in another order."""
_COUNTING = ("counter", "histogram")
_HOLD_AT_MOST_SECONDS = 30

Sample = tuple[str, frozenset[tuple[str, str]]]


def service_of(tmp_path: Path, world: World, **settings: str) -> Service:
    """Give the service for this world, not yet started."""
    return Service(tmp_path, world.settings(**settings))


def runs_begun(world: World) -> list[float]:
    """Give the times at which runs began, as IRM saw it: each reads the integrations once, and first."""
    return [one.at for one in world.irm.asked("GET", "/integrations/")]


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> int:
    """Send a signal to a process, and give its pid."""
    assert pid is not None
    os.kill(pid, number)
    return pid


def until_workers(service: Service, number: int, *, without: Iterable[int] = ()) -> set[int]:
    """Wait until so many workers live, none of `without` among them, and give them."""
    gone = set(without)
    expect(
        f"{number} workers live, {gone or 'none'} of old",
        lambda: len(service.workers()) == number and not service.workers() & gone,
        within=PATIENCE,
    )
    return service.workers()


def until_leader(service: Service, *, other_than: int | None = None) -> int:
    """Wait until a living worker leads, and it is another one, and give it."""

    def leads() -> int | None:
        leader = service.leader()
        return leader if leader in service.workers() and leader != other_than else None

    leader = poll_until(leads, within=PATIENCE, what="a worker leads")
    assert leader is not None
    return leader


# Who answered


class Answer(NamedTuple):
    """What was answered, and the process that did."""

    pid: int
    response: requests.Response


def ask(service: Service, path: str, method: str = "GET", **options: Any) -> Answer:
    """Ask, and find in the access log who answered."""
    name = f"asking-{next(_numbers)}"
    headers = {"User-Agent": name, **options.pop("headers", {})}
    response = service.ask(method, path, headers=headers, **options)

    def logged() -> list[str]:
        return [line for line in service.log.split("\n")[:-1] if f'"{name}"' in line]

    (line,) = poll_until(logged, within=PATIENCE, what="the access log has the request")
    return Answer(json.loads(line)["pid"], response)


def answers_of(
    service: Service, path: str, pids: Iterable[int], method: str = "GET", **options: Any
) -> dict[int, requests.Response]:
    """Ask until each of these processes has answered, and give the last answer of each."""
    wanted, found = set(pids), dict[int, requests.Response]()
    # Whoever is idle answers first, so that it takes several requests at a time to meet the others soon.
    with ThreadPoolExecutor(2 * len(wanted)) as pool:

        def everyone() -> bool:
            asked = [pool.submit(ask, service, path, method, **options) for _ in wanted]
            found.update(one.result() for one in asked)
            return found.keys() >= wanted

        poll_until(everyone, within=PATIENCE, what=f"each of {wanted} answers {path}")
    return {pid: found[pid] for pid in wanted}


# What is counted


def samples(page: str, *, kinds: Iterable[str] = ("counter", "histogram", "gauge")) -> dict[Sample, float]:
    """Give the samples of a metrics page, those of these types."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        if family.type in kinds
        for sample in family.samples
    }


def counted(page: str, *, prefix: str = "") -> dict[Sample, float]:
    """Give the samples of a metrics page that may only grow, those of names that begin so."""
    return {
        key: number for key, number in samples(page, kinds=_COUNTING).items() if key[0].startswith(prefix)
    }


def total(page: str, name: str, **labels: str) -> float:
    """Add up all samples of a name with at least these labels."""
    return sum(
        number
        for (found, has), number in samples(page).items()
        if found == name and labels.items() <= dict(has).items()
    )


def counting_directory(pid: int) -> Path:
    """Find the directory in which a worker counts its requests: it keeps a lock there, once it has begun to serve."""

    def found() -> Path | None:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(link.readlink())
                if re.fullmatch(r".*/alertsync-[^/]+/\d+\.lock", target):
                    return Path(target).parent
        return None

    directory = poll_until(found, within=20, what=f"process {pid} counts its requests")
    assert directory is not None
    return directory


class Rising:
    """Sees to it that no counter falls, and that none vanishes, from one scrape to the next."""

    def __init__(self, *prefixes: str) -> None:
        self._prefixes = prefixes or ("",)
        self._seen: dict[Sample, float] = {}
        self.scrapes = 0

    def look(self, page: str) -> None:
        """Compare with what was seen before; AssertionError if something fell."""
        now = counted(page)
        fell = {
            key: (before, now.get(key))
            for key, before in self._seen.items()
            if key[0].startswith(self._prefixes) and now.get(key, -1.0) < before - _ROUNDING
        }
        assert not fell, f"counters fell: {fell}"
        self._seen |= now
        self.scrapes += 1


# What happened


def spans(records: Iterable[Mapping[str, Any]]) -> list[tuple[datetime, datetime]]:
    """Give begin and end of every run that ended, in order of their begin."""
    return sorted(
        (datetime.fromisoformat(one["started_at"]), datetime.fromisoformat(one["ended_at"]))
        for one in records
        if one["ended_at"] is not None
    )


def assert_no_overlap(state_dir: Path) -> None:
    """See that no two runs that ended went on at the same time."""
    lasted = spans(run_records(state_dir))
    assert lasted
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(lasted)), lasted


def assert_counters_tell_the_history(service: Service) -> None:
    """See that the counters on the page are what the records of the runs add up to; no run may be going on."""
    page, records = service.metrics(), run_records(service.state_dir)
    ended = [one for one in records if one["status"] in ("success", "partial", "failed")]
    assert total(page, "alertmanager_reconciliation_total") == len(ended)
    done = [action for one in ended for action in one["actions"]]
    assert total(page, "alertsync_actions_total") == len(done)
    resolved = sum(one["inconsistencies_resolved"] for one in ended)
    assert total(page, "alertmanager_inconsistencies_resolved_total") == resolved


# How a server keeps somebody waiting


class Hold:
    """Keeps back the answers to some requests to a server, which has done what it was asked by then.

    `done` is set once such a request was carried out; the answer goes out when the block ends. Those to the first
    `after` of them are let go.
    """

    def __init__(
        self, app: "WSGIApplication", holds: Callable[[str, str], bool], times: int, after: int
    ) -> None:
        self._app = app
        self._holds = holds
        self._left = times
        self._let_go = after
        self.done = Event()
        self.release = Event()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = self._app(environ, start_response)
        if self._left > 0 and self._holds(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            if self._let_go > 0:
                self._let_go -= 1
                return answer
            self._left -= 1
            self.done.set()
            self.release.wait(_HOLD_AT_MOST_SECONDS)
        return answer


@contextmanager
def held(server: Server, method: str, path: str, *, times: int = 1, after: int = 0) -> Iterator[Hold]:
    """Keep back the answers to the next requests with this method and this text in their path, `after` so many."""
    app = server._app
    hold = Hold(app, lambda its_method, its_path: its_method == method and path in its_path, times, after)
    server._app = hold
    try:
        yield hold
    finally:
        hold.release.set()
        server._app = app
