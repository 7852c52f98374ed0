"""What may happen in the simulated world, as rules that hypothesis plays in any order.

Each rule is one thing that Prometheus, a person, the network or an operator does. After each, the judge looks
at the servers. The machine excuses our service only where the design does, and says so at the place.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alertsync.simulator.irm_model import RefusedError
from tests.simulation.choices import (
    ACTIONS,
    ALERTS,
    CHOICES,
    acts,
    alerts,
    commits,
    events,
    faults,
    lengths,
    matchers,
    moments,
    names,
    page_sizes,
    peers,
    seldom,
    which,
)
from tests.simulation.contents import Contents
from tests.simulation.judge import Judge
from tests.simulation.quiet import until_quiet
from tests.simulation.servers import GROUP_INTERVAL, ROUTINGS, Labels
from tests.simulation.wire import COMMIT, CRASH_AFTER, CRASH_BEFORE, LATER_PAGES, Event, Plan
from tests.simulation.world import INTERVAL, SETTINGS, World

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from alertsync.simulator.irm_model import Group
    from tests.simulation.world import Instance

_LONG = 5400.0
_UNTIL_PAID = 6 * INTERVAL
"""More runs than the judge allows until what is due has been told."""


class Simulation(RuleBasedStateMachine):
    """One life of the world; `monkeypatch` is set before it is run, `steps` and `contents` are of all lives."""

    monkeypatch: pytest.MonkeyPatch
    number_of_peers = 1
    steps = 0
    contents = Contents()

    @initialize(
        merging=st.booleans(), settings=st.lists(st.sampled_from(CHOICES), max_size=2), page_size=page_sizes
    )
    def begin(self, merging: bool, settings: list[dict[str, str]], page_size: int) -> None:
        self.world = World(self.monkeypatch, peers=self.number_of_peers, merging=merging, page_size=page_size)
        self.judge = Judge(self.world)
        for choice in settings:
            self.one.settings.update(choice)
        self.world.restart_us(self.one)
        self.world.runner = self.run
        self.world.pass_time(30)

    @property
    def one(self) -> Instance:
        return self.world.instances[0]

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.contents.add_ledger(self.world.ledger(self.one))
            self.contents["later pages of lists"] += self.world.wire.later_pages
            self.contents["faults"] += self.world.wire.faults
            self.world.close()

    @invariant()
    def nothing_went_wrong(self) -> None:
        if not hasattr(self, "world"):
            return
        type(self).steps += 1
        self.world.observe()
        self.judge.check_due()
        self.judge.check_leases()
        assert not self.judge.violations, "\n".join(self.judge.violations)

    def run(self, instance: Instance, *plans: Plan) -> None:
        """Run once, and let the judge know whether it was left in peace."""
        self.judge.run_began, self.judge.run_faults = self.world.now, self.world.wire.faults
        run = self.world.run(instance, *plans)
        disturbed = run is None or self.world.wire.faults > self.judge.run_faults
        self.judge.note_run(instance, run, disturbed=disturbed)
        self.contents.add_run(run, disturbed=disturbed)

    def _another_runs(self) -> None:
        """Let the other instance run, in the middle of a run of the first: they share no lock."""
        if len(self.world.instances) > 1 and self.world.running is self.one:
            began, faults = self.judge.run_began, self.judge.run_faults
            self.judge.run_began = self.world.now
            run = self.world.run_meanwhile(self.world.instances[1])
            self.judge.note_run(self.world.instances[1], run, disturbed=False)
            self.judge.run_began, self.judge.run_faults = began, faults
            self.contents["runs of two that share no database, at once"] += 1

    def _our_other_process_tries(self) -> None:
        if not self.world.other_is_refused(self.one):
            self.judge.blame("two processes that share a database ran at once")
        self.contents["runs refused because another went on"] += 1

    def do(self, event: tuple[Any, ...]) -> None:
        """Let something happen, between two steps or in the middle of a run."""
        match event:
            case ("fire", labels):
                self.world.fire(labels)
            case ("end", labels):
                self.world.end(labels)
            case ("silence", labels, seconds, peer):
                self.world.silence(labels, seconds, peer=peer)
            case ("expire", index):
                self._edit_silence(index, lambda _: None)
            case ("person", action, index):
                self._person(action, index)

    def _at(self, moment: tuple[int, str], event: Event) -> Plan:
        after, path = moment

        def happen() -> None:
            self.contents["events between two pages of a list"] += path == LATER_PAGES
            event()

        return Plan(after, event=happen, path=path)

    # Time

    @rule(seconds=st.integers(1, 120))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(intervals=st.integers(1, 3))
    def runs_pass(self, intervals: int) -> None:
        self.world.pass_time(intervals * INTERVAL)

    @rule(now=seldom)
    def an_hour_passes(self, now: bool) -> None:
        if now:
            self.world.pass_time(3700)

    # Prometheus and Alertmanager

    @rule(labels=alerts)
    def an_alert_fires(self, labels: Labels) -> None:
        self.world.fire(labels)

    @rule(labels=alerts)
    def an_alert_ends(self, labels: Labels) -> None:
        self.world.end(labels)

    @rule(labels=matchers, seconds=lengths, peer=peers)
    def somebody_silences(self, labels: Labels, seconds: float, peer: int) -> None:
        self.world.silence(labels, seconds, peer=peer)

    @rule(index=which)
    def a_silence_is_taken_away(self, index: int) -> None:
        self._edit_silence(index, lambda _: None)

    @rule(index=which, seconds=lengths)
    def a_silence_is_given_another_end(self, index: int, seconds: float) -> None:
        self._edit_silence(index, lambda now: now + timedelta(seconds=seconds))

    def _edit_silence(self, index: int, end: Callable[[Any], Any]) -> None:
        peer = self.world.peers[index % len(self.world.peers)]
        active = [one for one in peer.silences() if one.state(self.world.now) == "active"]
        if active:
            self.world.change_silence(peer, active[index % len(active)], end(self.world.now))

    @rule(holds=seldom)
    def the_night_begins_or_ends(self, holds: bool) -> None:
        for peer in self.world.peers:
            peer.mute_time("night", holds)

    @rule(peer=peers)
    def an_alertmanager_restarts(self, peer: int) -> None:
        self.world.restart(peer)

    @rule(routing=st.sampled_from(sorted(ROUTINGS)))
    def the_routes_change(self, routing: str) -> None:
        self.world.reload(routing)

    @precondition(lambda self: self.number_of_peers > 1)
    @rule(seconds=st.sampled_from((0, 0, 20, 400)))
    def gossip_lags(self, seconds: int) -> None:
        self.world.let_gossip_take(seconds)

    # People in IRM

    @rule(action=st.sampled_from(ACTIONS), index=which)
    def a_person_acts(self, action: str, index: int) -> None:
        self._person(action, index)

    def _person(self, action: str, index: int) -> None:
        group = self._group(index)
        if group is not None:
            try:
                self.world.irm.act(group.id, action, by=self.world.person, delay=600)
            except RefusedError:
                return
            if action == "unresolve":
                # It was forgotten with its end, and who opens it again closes it.
                self.judge.seen_alive.discard(group.id)
            self.judge.follow_leases()

    @rule(child=which, root=which)
    def a_person_attaches(self, child: int, root: int) -> None:
        first, second = self._group(child), self._group(root)
        if first is None or second is None or first is second:
            return
        if first.root_id or second.root_id or "resolved" in (first.state, second.state):
            return
        if not any(group.root_id == first.id for group in self.world.irm.groups()):
            self.world.irm.attach(first.id, second.id)

    @rule(index=which, how=st.sampled_from(("wipe", "delete")), now=seldom)
    def a_person_removes(self, index: int, how: str, now: bool) -> None:
        group = self._group(index)
        if group is not None and now:
            getattr(self.world.irm, how)(group.id)

    @rule(name=st.sampled_from(("payments", "platform")), begins=seldom)
    def maintenance(self, name: str, begins: bool) -> None:
        integration = self.world.integrations[name]
        self.world.irm.set_maintenance(integration, "maintenance" if begins else None)
        self.judge.excuse()

    def _group(self, index: int) -> Group | None:
        groups = [one for one in self.world.irm.groups() if not one.is_maintenance][-12:]
        return groups[-1 - index % len(groups)] if groups else None

    # Stories that are told often, because all that matters begins with them

    def _fire_and_silence(self, name: str, seconds: float) -> None:
        for labels in ALERTS:
            if labels["alertname"] == name:
                self.world.fire(labels)
        self.world.pass_time(GROUP_INTERVAL.total_seconds() + 30)
        self.world.silence({"alertname": name}, seconds)
        self.world.time.sleep(1)

    def _silences_end(self) -> None:
        for peer in self.world.peers:
            for one in peer.silences():
                if one.state(self.world.now) == "active":
                    self.world.change_silence(peer, one, None)
        self.world.time.sleep(1)

    @rule(name=names, seconds=lengths)
    def what_fires_is_silenced(self, name: str, seconds: float) -> None:
        self._fire_and_silence(name, seconds)
        self.run(self.one)

    @rule(name=names, seconds=lengths, plans=st.lists(faults, min_size=1, max_size=2))
    def what_fires_is_silenced_and_something_breaks(
        self, name: str, seconds: float, plans: list[Plan]
    ) -> None:
        self._fire_and_silence(name, seconds)
        self.run(self.one, *plans)

    @rule(name=names, crash=st.sampled_from((CRASH_BEFORE, CRASH_AFTER)), path=acts, commit=commits)
    def what_fires_is_silenced_and_we_die_at_the_act(
        self, name: str, crash: str, path: str, commit: int
    ) -> None:
        self._fire_and_silence(name, _LONG)
        before = self.world.wire.faults
        self.run(self.one, Plan(commit if path == COMMIT else 0, crash, path=path))
        if path == COMMIT:
            self.contents["deaths between two commits"] += self.world.wire.faults > before
        self._silences_end()
        self.world.pass_time(_UNTIL_PAID)

    @rule(name=names, seconds=lengths, moment=moments, event=events)
    def what_fires_is_silenced_and_something_happens_meanwhile(
        self, name: str, seconds: float, moment: tuple[int, str], event: tuple[Any, ...]
    ) -> None:
        self._fire_and_silence(name, seconds)
        self.run(self.one, self._at(moment, lambda: self.do(event)))

    @rule(name=names, gone=st.sampled_from(("resolve", "resolve", "report")))
    def what_fires_ends_in_its_silence(self, name: str, gone: str) -> None:
        """Alertmanager tells no end of it, so that its alert group stays open, and nobody but us can close it."""
        labels = [labels for labels in ALERTS if labels["alertname"] == name]
        for each in labels:
            self.world.fire(each)
        self.world.pass_time(INTERVAL + GROUP_INTERVAL.total_seconds())
        self.world.silence({"alertname": name}, _LONG)
        for each in labels:
            self.world.end(each)
        if self.one.settings.get("ON_GONE", "report") != gone:
            self.a_setting_changes({"ON_GONE": gone})
        self.world.pass_time(4 * INTERVAL)

    @rule(seconds=lengths)
    def what_fires_is_mirrored(self, seconds: float) -> None:
        # A silence of ours in IRM is renewed, runs out, or is taken back, in whatever comes next.
        self.a_setting_changes({"ON_SILENCED": "silence", "DRY_RUN": "false"})
        self._fire_and_silence("One", seconds)
        self.world.pass_time(INTERVAL)

    @rule()
    def all_silences_end(self) -> None:
        self._silences_end()
        self.run(self.one)

    @rule(plans=st.lists(faults, min_size=1, max_size=2))
    def all_silences_end_and_something_breaks(self, plans: list[Plan]) -> None:
        self._silences_end()
        self.run(self.one, *plans)

    @rule(moment=moments, event=events)
    def all_silences_end_and_something_happens_meanwhile(
        self, moment: tuple[int, str], event: tuple[Any, ...]
    ) -> None:
        self._silences_end()
        self.run(self.one, self._at(moment, lambda: self.do(event)))

    # Our service

    @rule(plans=st.lists(faults, min_size=1, max_size=2))
    def we_run_and_something_breaks(self, plans: list[Plan]) -> None:
        self.run(self.one, *plans)

    @rule(moment=moments, event=events)
    def we_run_and_something_happens_meanwhile(self, moment: tuple[int, str], event: tuple[Any, ...]) -> None:
        self.run(self.one, self._at(moment, lambda: self.do(event)))

    @rule()
    def we_run(self) -> None:
        self.run(self.one)

    @rule(choice=st.sampled_from(CHOICES))
    def a_setting_changes(self, choice: dict[str, str]) -> None:
        self.world.restart_us(self.one, choice)
        self.judge.excuse()

    @rule(now=seldom)
    def the_store_is_lost(self, now: bool) -> None:
        if now:
            self.judge.store_lost(self.one)
            self.world.restart_us(self.one, empty=True)

    @rule(now=seldom)
    def another_instance_comes_or_goes(self, now: bool) -> None:
        if len(self.world.instances) > 1:
            self.judge.instance_gone(self.world.instances.pop())
        elif now:
            self._another_comes()

    def _another_comes(self) -> None:
        self.judge.another_came()
        self.world.instances.append(self.world.start("two", dict(SETTINGS)))

    @rule(name=names, after=st.integers(0, 20), end=st.booleans(), now=seldom)
    def two_of_us_run_at_once(self, name: str, after: int, end: bool, now: bool) -> None:
        if now and len(self.world.instances) == 1:
            self._another_comes()
        if len(self.world.instances) > 1:
            self._fire_and_silence(name, _LONG)
            self.run(self.one, Plan(after, event=self._another_runs))
            if end:
                self._silences_end()
                self.run(self.one, Plan(after, event=self._another_runs))

    @rule(after=st.integers(0, 20))
    def our_other_process_takes_over(self, after: int) -> None:
        # It shares our database, and remembers what it read when it last ran.
        self.world.other_takes_over(self.one)
        self.run(self.one, Plan(after, event=self._our_other_process_tries))

    @rule(now=seldom)
    def everything_becomes_quiet(self, now: bool) -> None:
        if now:
            until_quiet(self.world, self.judge)
