"""What the simulation adds to the model of Alertmanager, held against the real program: reloads and mute times.

The scenarios of silences are held against it by `tests/contract`. Peers and their gossip are modelled after the
source alone.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from alertsync.simulator.alertmanager_config import ALWAYS, Route
from alertsync.simulator.real_alertmanager import RealAlertmanager
from tests.contract.alertmanagers import (
    DEFAULT,
    GROUP_INTERVAL_SECONDS,
    KINDS,
    ROUTES,
    labels_of,
    payloads,
    started,
    webhook_receiver,
)
from tests.servers import SimulatedAlertmanager, poll_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from alertsync.simulator.wire import Server
    from tests.servers import AlertmanagerUnderTest

WATCHED_SECONDS = 2.4 * GROUP_INTERVAL_SECONDS
REPEAT_INTERVAL_SECONDS = 5 * GROUP_INTERVAL_SECONDS


class World:
    """An Alertmanager of either kind, and what it sends."""

    def __init__(self, alertmanager: AlertmanagerUnderTest, hooks: Server, directory: Path) -> None:
        self.alertmanager = alertmanager
        self._hooks = hooks
        self._directory = directory

    def reload(self, routes: Sequence[Route]) -> None:
        """Let it take other routes."""
        if isinstance(self.alertmanager, RealAlertmanager):
            changed = replace(self.alertmanager.configuration, routes=routes)
            (self._directory / "alertmanager.yml").write_text(changed.yaml())
            requests.post(f"{self.alertmanager.url}/-/reload", timeout=10).raise_for_status()
        else:
            assert isinstance(self.alertmanager, SimulatedAlertmanager)
            self.alertmanager.model.reload(routes)

    def sent(self) -> list[tuple[str, str]]:
        """Give the receiver and the status of each webhook so far."""
        return [(one["receiver"], one["status"]) for one in payloads(self._hooks)]

    def sends(self, *webhooks: tuple[str, str]) -> None:
        """Wait until exactly these have been sent, and see that no other follows."""
        poll_until(lambda: len(self.sent()) >= len(webhooks), what=f"{webhooks} are sent")
        time.sleep(WATCHED_SECONDS)
        assert self.sent() == list(webhooks)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with webhook_receiver() as hooks, started(request.param, tmp_path, hooks) as alertmanager:
        yield World(alertmanager, hooks, tmp_path)


def test_after_a_reload_what_was_told_is_not_told_again(world: World) -> None:
    world.alertmanager.fire(labels_of("One"))
    world.sends(("default", "firing"))
    world.reload((Route("cut", ("alertname",), {"lab": "another"}), *ROUTES))

    world.sends(("default", "firing"))


def test_after_a_reload_an_alert_is_told_at_its_new_place_and_its_old_one_hears_no_end(world: World) -> None:
    world.alertmanager.fire(labels_of("One"))
    world.sends(("default", "firing"))
    world.reload((Route("team-b", ("alertname",), {"alertname": "One"}), DEFAULT))

    world.sends(("default", "firing"), ("team-b", "firing"))


def test_an_alert_that_is_routed_back_is_not_told_again(world: World) -> None:
    world.alertmanager.fire(labels_of("One"))
    world.sends(("default", "firing"))
    world.reload((Route("team-b", ("alertname",), {"alertname": "One"}), DEFAULT))
    world.sends(("default", "firing"), ("team-b", "firing"))
    world.reload(ROUTES)

    world.sends(("default", "firing"), ("team-b", "firing"))


def test_an_end_that_a_silence_kept_quiet_is_told_after_a_reload(world: World) -> None:
    world.alertmanager.fire(labels_of("One"))
    world.sends(("default", "firing"))
    silence_id = world.alertmanager.silence(
        {"alertname": "One"}, duration=timedelta(minutes=10), created_by="ana", comment="c"
    )
    world.alertmanager.end(labels_of("One"))
    world.sends(("default", "firing"))
    world.alertmanager.expire(silence_id)
    world.sends(("default", "firing"))
    world.reload(ROUTES)

    world.sends(("default", "firing"), ("default", "resolved"))


def test_what_fires_in_a_mute_time_of_its_route_is_told_once_the_route_has_none(world: World) -> None:
    muted = Route("team-b", ("alertname",), {"lab": "muted"}, mute_times=(ALWAYS,))
    world.reload((muted, DEFAULT))
    world.alertmanager.fire(labels_of("One", lab="muted"))
    world.alertmanager.fire(labels_of("Two"))
    world.sends(("default", "firing"))
    world.reload((replace(muted, mute_times=()), DEFAULT))

    world.sends(("default", "firing"), ("team-b", "firing"))


def test_what_was_told_before_a_mute_time_is_not_told_again_after_it(world: World) -> None:
    route = Route("team-b", ("alertname",), {"lab": "muted"})
    world.reload((route, DEFAULT))
    world.alertmanager.fire(labels_of("One", lab="muted"))
    world.sends(("team-b", "firing"))
    world.reload((replace(route, mute_times=(ALWAYS,)), DEFAULT))
    world.sends(("team-b", "firing"))
    world.reload((route, DEFAULT))

    world.sends(("team-b", "firing"))


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_silence_longer_than_the_repeat_interval_it_is_told_once_more(
    kind: str, tmp_path: Path
) -> None:
    with (
        webhook_receiver() as hooks,
        started(kind, tmp_path, hooks, repeat_interval=f"{REPEAT_INTERVAL_SECONDS}s") as alertmanager,
    ):
        world = World(alertmanager, hooks, tmp_path)
        alertmanager.fire(labels_of("One"))
        poll_until(lambda: len(world.sent()) == 1, what="it is told")
        silence_id = alertmanager.silence(
            {"alertname": "One"}, duration=timedelta(minutes=10), created_by="ana", comment="c"
        )
        time.sleep(REPEAT_INTERVAL_SECONDS + WATCHED_SECONDS)
        assert world.sent() == [("default", "firing")]
        alertmanager.expire(silence_id)

        world.sends(("default", "firing"), ("default", "firing"))
