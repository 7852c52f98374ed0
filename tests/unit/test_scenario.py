"""The story of the demo: told in order, bounded, and showing what it claims to show."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alertsync.simulator.alertmanager_model import Alertmanager, Sighting
from alertsync.simulator.irm_model import Irm
from alertsync.simulator.scenario import ROUTES, SILENCE_LASTS, Scenario, demo_world

IRM_URL = "http://irm.example"


class World:
    """The story's Alertmanager and IRM with a clock that moves only when the story waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.irm = Irm(clock=lambda: self.now)
        demo = demo_world(self.irm, IRM_URL)
        self._integrations = {IRM_URL + one.path: one for one in demo.integrations.values()}
        self.alertmanager = Alertmanager(
            clock=lambda: self.now,
            routes=demo.routes,
            webhooks=demo.webhooks,
            inhibit_rules=demo.inhibit_rules,
            send=self._deliver,
        )
        self.said: list[tuple[timedelta, str]] = []
        self.most_alerts = 0

    def _deliver(self, url: str, payload: dict[str, Any]) -> bool:
        return self.irm.deliver(self._integrations[url], payload) is not None

    def play(self, lasts: timedelta) -> None:
        """Let the story happen for so long, a second at a time."""
        begin, end = self.now, self.now + lasts

        def wait(seconds: float) -> bool:
            until = min(self.now + timedelta(seconds=seconds), end)
            while self.now < until:
                self.now += timedelta(seconds=1)
                self.alertmanager.tick()
                self.most_alerts = max(self.most_alerts, len(self.seen()))
            return self.now >= end

        Scenario().run(
            self.alertmanager,
            threading.Event(),
            lambda text: self.said.append((self.now - begin, text)),
            wait,
        )

    def seen(self, **labels: str) -> list[Sighting]:
        return self.alertmanager.alerts(lambda seen: labels.items() <= seen.alert.labels.items())

    def states(self, name: str) -> list[str]:
        return [seen.state for seen in self.seen(alertname=name)]

    def open_titles(self) -> list[str]:
        """Return the alert names of the alert groups that IRM thinks are firing."""
        firing = [group for group in self.irm.groups() if group.state == "firing"]
        return sorted((group.title or "").strip() for group in firing)


@pytest.fixture
def world() -> World:
    return World()


def test_steps_follow_each_other_and_fit_into_a_round() -> None:
    scenario = Scenario()

    times = [step.at for step in scenario.steps]

    assert times == sorted(set(times))
    assert times[0] == timedelta()
    assert times[-1] < scenario.round
    assert len({step.say for step in scenario.steps}) == len(scenario.steps)


def test_silences_are_long_enough_to_be_acted_upon() -> None:
    assert timedelta(minutes=5) <= SILENCE_LASTS


def test_each_sentence_is_said_at_its_time(world: World) -> None:
    scenario = Scenario()

    world.play(scenario.round)

    assert world.said == [(step.at, step.say) for step in scenario.steps]


def test_an_opening_pages_both_teams_but_nobody_for_the_watchdog(world: World) -> None:
    world.play(timedelta(seconds=5))

    assert world.open_titles() == ["CertExpiry", "DiskFull", "HighLatency", "HostUnreachable"]
    assert world.states("Watchdog") == ["active"]
    assert {group.integration.name for group in world.irm.groups()} == {
        *("Alertmanager payments", "Alertmanager platform")
    }


@pytest.mark.parametrize(
    ("seconds", "name", "states", "stays_open"),
    [
        (10, "DiskFull", ["suppressed"] * 3, True),
        (15, "HighLatency", ["active", "suppressed"], True),
        (25, "DiskFull", ["suppressed"] * 2, True),
        (40, "HostUnreachable", ["suppressed"], True),
        (50, "CertExpiry", ["suppressed"], True),
        (65, "DiskFull", ["active"] * 2, True),
        (85, "QueueBacklog", [], False),
        (90, "HighLatency", ["suppressed"] * 2, True),
        (120, "HighLatency", ["active"] * 2, True),
        (149, "DiskFull", [], False),
        (149, "CertExpiry", ["active"], True),
    ],
)
def test_the_story_shows_what_it_tells(
    world: World, seconds: int, name: str, states: list[str], stays_open: bool
) -> None:
    world.play(timedelta(seconds=seconds))

    assert sorted(world.states(name)) == states
    assert (name in world.open_titles()) is stays_open


def test_an_hour_of_rounds_keeps_the_number_of_alerts_bounded(world: World) -> None:
    world.play(timedelta(hours=1))

    assert len(world.said) > 20 * len(Scenario().steps)
    assert world.most_alerts < 12
    active = [one for one in world.alertmanager.silences() if one.state(world.now) == "active"]
    assert len(active) <= 4


def test_every_round_pages_anew(world: World) -> None:
    world.play(2 * Scenario().round + timedelta(seconds=5))

    groups = [group for group in world.irm.groups() if (group.title or "").strip() == "DiskFull"]
    assert [group.state for group in groups].count("firing") == 1
    assert len(groups) == 3


def test_a_stop_ends_the_story_between_two_steps() -> None:
    stop = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        stop.set()

    Scenario().run(Nobody(), stop, say)

    assert len(said) == 1


class Nobody:
    """A target to which nothing happens."""

    def fire(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> str:
        return f"{labels} {annotations}"

    def end(self, labels: Mapping[str, str]) -> None:
        """Ignore it."""

    def silence(
        self, matchers: Mapping[str, str], *, duration: timedelta, created_by: str, comment: str
    ) -> str:
        return f"{matchers} {duration} {created_by} {comment}"

    def expire(self, silence_id: str) -> None:
        """Ignore it."""


def test_each_team_has_an_integration_and_the_watchdog_none() -> None:
    demo = demo_world(Irm(), IRM_URL)

    assert demo.webhooks.keys() == {route.receiver for route in ROUTES} - {"watchdog"}
    for team, url in demo.webhooks.items():
        assert url == IRM_URL + demo.integrations[team].path
