"""The simulation judged: its faults are what they say, and its invariants can fail.

An invariant that has never been seen to fail proves nothing. Here our service is made to do wrong on purpose, in the
ways that the judge is there to notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from alertsync.simulator.alertmanager_model import fingerprint
from tests.simulation.judge import Judge
from tests.simulation.quiet import until_quiet
from tests.simulation.servers import GROUP_INTERVAL, IRM_HOST, TOKEN
from tests.simulation.wire import (
    COMMIT,
    CRASH_AFTER,
    CRASH_BEFORE,
    CUT,
    LOST,
    REFUSED,
    THROTTLED,
    TIMED_OUT,
    TIMED_OUT_AFTER,
    CrashError,
    Plan,
)
from tests.simulation.world import INTERVAL, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.simulator.irm_model import Group

ONE = {"alertname": "One", "instance": "a", "team": "a", "severity": "critical"}


class Bench:
    """A world, its judge, and us."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, peers: int = 1) -> None:
        self.world = World(monkeypatch, peers=peers)
        self.judge = Judge(self.world)
        self.world.runner = self.run
        self.world.pass_time(30)

    def run(self, *_: object) -> None:
        """Run once, in peace."""
        self.judge.run_began, self.judge.run_faults = self.world.now, self.world.wire.faults
        run = self.world.run(self.world.instances[0])
        self.judge.note_run(self.world.instances[0], run, disturbed=False)

    def fire(self) -> Group:
        """Let an alert fire and be delivered; give its alert group."""
        self.world.fire(ONE)
        self.world.pass_time(GROUP_INTERVAL.total_seconds() + 30)
        return self.world.irm.groups()[-1]

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request of ours, as if the product did."""
        url = f"http://{IRM_HOST}{path}"
        return requests.request(method, url, headers={"Authorization": TOKEN}, timeout=10, **options)

    def blamed(self) -> str:
        """Give what the judge found."""
        self.judge.check_due()
        self.judge.check_leases()
        return "\n".join(self.judge.violations)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    it = Bench(monkeypatch)
    yield it
    it.world.close()


@pytest.mark.parametrize(
    ("fault", "error", "acted"),
    [
        (LOST, requests.ConnectionError, True),
        (REFUSED, requests.ConnectionError, False),
        (TIMED_OUT, requests.Timeout, False),
        (TIMED_OUT_AFTER, requests.Timeout, True),
        (CUT, None, True),
        (THROTTLED, None, False),
        (CRASH_BEFORE, CrashError, False),
        (CRASH_AFTER, CrashError, True),
    ],
)
def test_a_fault_hits_the_request_it_is_meant_for_before_or_after_the_act(
    bench: Bench, fault: str, error: type[BaseException] | None, acted: bool
) -> None:
    group = bench.fire()
    bench.world.running = bench.world.instances[0]
    bench.world.wire.arm(Plan(1, fault))
    bench.ask("GET", "/api/v1/integrations/")
    if error is None:
        assert bench.ask("POST", f"/api/v1/alert_groups/{group.id}/resolve/").ok is acted
    else:
        with pytest.raises(error):
            bench.ask("POST", f"/api/v1/alert_groups/{group.id}/resolve/")

    assert (group.state == "resolved") is acted


def test_the_dead_send_nothing_more(bench: Bench) -> None:
    bench.world.running = bench.world.instances[0]
    bench.world.wire.arm(Plan(0, CRASH_BEFORE))
    for _ in range(2):
        with pytest.raises(CrashError):
            bench.ask("GET", "/api/v1/integrations/")

    bench.world.wire.disarm()
    assert bench.ask("GET", "/api/v1/integrations/").ok


def test_a_process_that_died_begins_anew_with_what_it_had_written_down(bench: Bench) -> None:
    group = bench.fire()
    bench.world.silence({"alertname": "One"}, 1500)
    one = bench.world.instances[0]
    requests_of_a_run = 30
    deaths = 0
    for after in range(requests_of_a_run):
        deaths += bench.world.run(one, Plan(after, CRASH_AFTER)) is None

    assert deaths > 0
    assert group.state == "resolved"
    assert [debt.alert_group_id for debt in bench.world.ledger(one).debts if debt.is_open] == [group.id]


def test_a_process_that_died_between_two_commits_begins_anew_with_those_it_made(bench: Bench) -> None:
    group = bench.fire()
    bench.world.silence({"alertname": "One"}, 1500)
    one = bench.world.instances[0]
    commits_of_a_run = 9
    deaths = 0
    for after in range(commits_of_a_run):
        deaths += bench.world.run(one, Plan(after, CRASH_AFTER, path=COMMIT)) is None

    assert deaths > 0
    assert group.state == "resolved"
    assert {debt.alert_group_id for debt in bench.world.ledger(one).debts if debt.is_open} == {group.id}


def test_a_world_of_ours_in_which_nothing_goes_wrong_blames_nobody(bench: Bench) -> None:
    group = bench.fire()
    silence_id = bench.world.silence({"alertname": "One"}, 1500)
    bench.run()
    assert group.state == "resolved"
    bench.world.peers[0].expire(silence_id)
    bench.world.pass_time(2 * INTERVAL)

    assert [one.state for one in bench.world.irm.groups()] == ["resolved", "firing"]
    assert bench.blamed() == ""


def test_closing_what_is_active_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    bench.judge.run_began = bench.world.now
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/resolve/")

    assert "(a) resolve of One" in bench.blamed()


def test_silencing_what_is_active_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/silence/", json={"delay": 600})

    assert "(a) silence of One" in bench.blamed()


def test_closing_what_alertmanager_forgot_in_a_restart_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    bench.world.restart(0)
    bench.world.time.sleep(20)
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/resolve/")

    assert "(a) resolve of One" in bench.blamed()


def test_a_page_that_is_lost_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    silence_id = bench.world.silence({"alertname": "One"}, 1500)
    bench.world.running = bench.world.instances[0]
    # A resolve without a debt: nobody knows of it, and so nobody pays.
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/resolve/")
    bench.world.running = None
    bench.world.peers[0].expire(silence_id)
    bench.world.pass_time(2 * INTERVAL)

    assert "(b) One/a is active" in bench.blamed()


def test_an_alert_group_that_stays_silenced_by_us_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    silence_id = bench.world.silence({"alertname": "One"}, 1500)
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/silence/", json={"delay": 86400})
    bench.world.peers[0].expire(silence_id)
    bench.world.pass_time(2 * INTERVAL)

    assert f"{group.id} silenced by us" in bench.blamed()


def test_an_alert_group_that_stays_open_without_a_live_alert_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    bench.run()
    # It may not be closed: the token has lost its role.
    bench.world.us.role = "viewer"
    bench.world.silence({"alertname": "One"}, 1500)
    bench.world.end(ONE)
    bench.world.pass_time(1800)
    until_quiet(bench.world, bench.judge)

    assert f"(c) One {group.id} is open" in bench.blamed()


def test_a_page_that_was_not_due_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    payload = group.deliveries[-1].payload
    bench.world.irm.resolve(group.id, by=bench.world.person)
    bench.world.pass_time(10)
    bench.judge.run_began = bench.world.now
    bench.ask("POST", bench.world.integrations["payments"].path, json=payload)

    assert "(d) One/a paged again" in bench.blamed()


def test_a_silence_of_ours_that_runs_out_too_early_is_noticed(bench: Bench) -> None:
    group = bench.fire()
    bench.world.silence({"alertname": "One"}, 5400)
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/silence/", json={"delay": 300})
    bench.world.pass_time(60)
    bench.judge.clean_runs.append((bench.world.now, "one"))
    bench.world.instances[0].next_run += 3600
    bench.world.pass_time(300)

    assert f"(d) our silence of One {group.id} ran out" in bench.blamed()


def test_a_silence_that_a_person_set_later_may_run_out(bench: Bench) -> None:
    group = bench.fire()
    bench.world.silence({"alertname": "One"}, 5400)
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/silence/", json={"delay": 900})
    bench.world.pass_time(10)
    bench.world.irm.silence(group.id, by=bench.world.person, delay=200)
    bench.judge.follow_leases()
    bench.judge.clean_runs.append((bench.world.now, "one"))
    bench.world.instances[0].next_run += 3600
    bench.world.pass_time(300)

    assert "ran out" not in bench.blamed()


@pytest.mark.parametrize("action", ["unsilence", "unresolve"])
def test_letting_speak_what_is_silenced_is_noticed(bench: Bench, action: str) -> None:
    group = bench.fire()
    bench.world.silence({"alertname": "One"}, 5400)
    bench.world.irm.act(group.id, action.removeprefix("un"), by=bench.world.us, delay=3600)
    bench.world.time.sleep(60)
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/{action}/")

    assert f"(d) {action} of {group.id}" in bench.blamed()


def test_letting_speak_what_was_silenced_a_moment_ago_is_not_blamed(bench: Bench) -> None:
    group = bench.fire()
    bench.world.irm.silence(group.id, by=bench.world.us, delay=3600)
    bench.world.silence({"alertname": "One"}, 5400)
    bench.world.time.sleep(1)
    bench.ask("POST", f"/api/v1/alert_groups/{group.id}/unsilence/")

    assert bench.blamed() == ""


def test_two_that_share_a_database_never_run_at_once(bench: Bench) -> None:
    refused = []
    one = bench.world.instances[0]
    bench.world.run(one, Plan(2, event=lambda: refused.append(bench.world.other_is_refused(one))))

    assert refused == [True]


def test_what_is_paged_twice_by_two_of_us_is_excused_and_nothing_else(bench: Bench) -> None:
    group = bench.fire()
    bench.world.silence({"alertname": "One"}, 5400)
    bench.run()
    assert group.state == "resolved"
    bench.judge.another_came()
    path = bench.world.integrations["payments"].path
    other = {"alertname": "Two", "instance": "a", "team": "a", "severity": "critical"}
    twice = [one.payload for one in group.deliveries]
    bench.world.fire(other)
    bench.world.pass_time(60)
    payload = bench.world.irm.groups()[-1].deliveries[-1].payload
    bench.world.irm.resolve(bench.world.irm.groups()[-1].id, by=bench.world.person)
    for one in (*twice, *twice, payload):
        bench.world.time.sleep(30)
        bench.judge.run_began = bench.world.now
        bench.ask("POST", path, json=one)
        bench.world.irm.resolve(bench.world.irm.groups()[-1].id, by=bench.world.person)

    assert bench.blamed().count("paged again") == 1
    assert "(d) Two/a paged again" in bench.blamed()


def test_an_alert_is_known_by_the_same_fingerprint_everywhere(bench: Bench) -> None:
    bench.fire()

    assert fingerprint(ONE) in bench.world.fingerprints
