"""What a user gets, row by row, where Alertmanager itself says nothing: contract with the real program.

Alertmanager mutes before it looks at what it has notified, so an alert that was silenced and comes back is not told
again, and one that ends in its silence never says so. Each test is one row of that table, with the real
Alertmanager, an IRM that its webhooks reach, and the real service between them. What came of it is read from IRM:
its alert groups, its deliveries, and above all its pages.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from alertsync.simulator.alertmanager_config import ALWAYS, InhibitRule, Route
from alertsync.simulator.irm_model import Group
from alertsync.simulator.real_alertmanager import RealAlertmanager
from tests.e2e.worlds import AUTHOR, COMMENT, RECEIVER, IrmUnderTest, World, expect, irm_under_test
from tests.service import Service

A_FEW_RUNS = 2
"""How long a test watches that nothing more happens: so many whole runs, and as many turns of Alertmanager."""
LOOP = {"RECONCILE_INTERVAL": "1", "MIN_SILENCE_REMAINING": "1"}
MUTABLE = Route(RECEIVER, ("alertname",), {"lab": "mutable"})
DEFAULT = Route(RECEIVER, ("alertname",))
RACK = InhibitRule({"alertname": "RackDown"}, {"inhibited": "yes"}, ())


class Scene:
    """The world of a row: alerts of one name, and what IRM knows about them."""

    def __init__(self, world: World, service: Service, directory: Path) -> None:
        self.world = world
        self.service = service
        self._directory = directory

    def fire(self, name: str, instance: str = "a", **labels: str) -> None:
        """Let an alert fire."""
        self.world.alertmanager.fire({"alertname": name, "instance": instance, **labels}, {"summary": "bad"})

    def end(self, name: str, instance: str = "a", **labels: str) -> None:
        """Let an alert end."""
        self.world.alertmanager.end({"alertname": name, "instance": instance, **labels})

    def silence(self, name: str, *, seconds: float = 7200, **labels: str) -> str:
        """Silence alerts of a name."""
        return self.world.alertmanager.silence(
            {"alertname": name, **labels},
            duration=timedelta(seconds=seconds),
            created_by=AUTHOR,
            comment=COMMENT,
        )

    def expire(self, silence_id: str) -> None:
        """Take a silence away."""
        self.world.alertmanager.expire(silence_id)

    def mute(self, times: tuple[str, ...]) -> None:
        """Reload Alertmanager's configuration with these mute times on a route."""
        assert isinstance(self.world.alertmanager, RealAlertmanager)
        muted = Route(RECEIVER, ("alertname",), MUTABLE.matchers, mute_times=times)
        configuration = type(self.world.alertmanager.configuration)(
            **{**vars(self.world.alertmanager.configuration), "routes": (muted, DEFAULT)}
        )
        (self._directory / "alertmanager.yml").write_text(configuration.yaml())
        requests.post(f"{self.world.alertmanager.url}/-/reload", timeout=10).raise_for_status()

    def groups(self, name: str) -> list[Group]:
        """Give the alert groups of a name, oldest first."""
        found = self.world.irm.model.groups()
        return [group for group in found if (group.title or "").strip() == name]

    def states(self, name: str) -> list[str]:
        """Give the states of the alert groups of a name, oldest first."""
        return [group.state for group in self.groups(name)]

    def pages(self, name: str) -> list[str]:
        """Give why somebody was called about alerts of a name, oldest first."""
        ids = {group.id for group in self.groups(name)}
        return [page.text for page in self.world.irm.model.pages if page.group_id in ids]

    def told(self, name: str) -> list[str]:
        """Give the instances that each delivery named as firing, oldest first."""
        payloads: list[Any] = [one.payload for group in self.groups(name) for one in group.deliveries]
        return [
            "".join(
                sorted(one["labels"]["instance"] for one in payload["alerts"] if one["status"] == "firing")
            )
            for payload in payloads
        ]

    def until(self, name: str, *states: str) -> None:
        """Wait until the alert groups of a name have these states."""
        expect(f"{name} is {states}", lambda: self.states(name) == list(states))

    def until_decided(self, name: str, decision: str) -> None:
        """Wait until the last run has decided so about the alert group of a name."""
        expect(
            f"{name} is {decision}",
            lambda: self.service.decisions().get(name, {}).get("decision") == decision,
        )

    def resolved_by_us(self, name: str, *instances: str) -> str:
        """Let alerts fire, be paged, be silenced and be resolved by us; give the silence."""
        for instance in instances or ("a",):
            self.fire(name, instance)
        expect(f"{name} is delivered", lambda: "".join(instances or ("a",)) in self.told(name))
        silence_id = self.silence(name)
        self.until(name, "resolved")
        assert self.groups(name)[0].resolved_by == self.world.irm.user.id
        return silence_id

    def nothing_more_happens(self) -> None:
        """Watch for a few runs."""
        self.service.observe_runs(A_FEW_RUNS)


def _alertmanager(directory: Path, irm: IrmUnderTest, **settings: Any) -> RealAlertmanager:
    directory.mkdir(parents=True, exist_ok=True)
    return RealAlertmanager(
        directory,
        routes=(MUTABLE, DEFAULT),
        inhibit_rules=(RACK,),
        webhooks={RECEIVER: irm.inbound()},
        **settings,
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One world for all rows: each has alerts of a name of its own, and so an alert group of its own."""
    directory = tmp_path_factory.mktemp("scenes")
    with irm_under_test() as irm, _alertmanager(directory / "alertmanager", irm) as alertmanager:
        world = World(alertmanager, irm)
        (directory / "service").mkdir()
        with Service(directory / "service", world.settings(**LOOP)) as service:
            world.fire("Watchdog")
            yield Scene(world, service, directory / "alertmanager")


def test_fires_is_notified_then_silenced_and_the_alert_group_is_resolved(scene: Scene) -> None:
    scene.resolved_by_us("Row1")
    scene.nothing_more_happens()

    assert scene.states("Row1") == ["resolved"]
    assert scene.pages("Row1") == ["created"]


def test_the_silence_ends_it_still_fires_and_the_page_comes(scene: Scene) -> None:
    scene.expire(scene.resolved_by_us("Row2"))
    scene.until("Row2", "resolved", "firing")
    scene.nothing_more_happens()

    assert scene.states("Row2") == ["resolved", "firing"]
    assert scene.pages("Row2") == ["created", "created"]


def test_the_silence_runs_out_by_itself_and_the_page_comes(scene: Scene) -> None:
    scene.fire("Row2b")
    scene.until("Row2b", "firing")
    scene.silence("Row2b", seconds=5)
    scene.until("Row2b", "resolved")
    scene.until("Row2b", "resolved", "firing")

    assert scene.pages("Row2b") == ["created", "created"]


def test_what_is_inhibited_stays_open_and_is_not_paged_again_when_the_inhibition_ends(scene: Scene) -> None:
    scene.fire("Row3", inhibited="yes")
    scene.until("Row3", "firing")
    scene.fire("RackDown")
    scene.until_decided("Row3", "MUTED")
    scene.end("RackDown")
    scene.until_decided("Row3", "CONSISTENT")
    scene.nothing_more_happens()

    assert scene.states("Row3") == ["firing"]
    assert scene.pages("Row3") == ["created"]


def test_what_is_muted_for_a_time_stays_open_and_is_not_paged_again(scene: Scene) -> None:
    scene.fire("Row3b", lab="mutable")
    scene.until("Row3b", "firing")
    scene.mute((ALWAYS,))
    scene.nothing_more_happens()
    scene.mute(())
    scene.nothing_more_happens()

    assert scene.states("Row3b") == ["firing"]
    assert scene.pages("Row3b") == ["created"]


def test_what_is_inhibited_when_its_silence_ends_is_paged_once_the_inhibition_ends(scene: Scene) -> None:
    scene.fire("Row3c", inhibited="yes")
    scene.until("Row3c", "firing")
    silence_id = scene.silence("Row3c")
    scene.until("Row3c", "resolved")
    scene.fire("RackDown", "b")
    scene.expire(silence_id)
    scene.nothing_more_happens()
    assert scene.states("Row3c") == ["resolved"]

    scene.end("RackDown", "b")
    scene.until("Row3c", "resolved", "firing")
    scene.nothing_more_happens()
    assert scene.pages("Row3c") == ["created", "created"]


def test_it_ends_while_silenced_and_nothing_stays_open(scene: Scene) -> None:
    silence_id = scene.resolved_by_us("Row4")
    scene.end("Row4")
    scene.nothing_more_happens()
    scene.expire(silence_id)
    scene.nothing_more_happens()

    assert scene.states("Row4") == ["resolved"]
    assert scene.pages("Row4") == ["created"]


def test_fires_silenced_resolved_by_us_ends_in_the_silence_silence_ends_fires_again_and_the_page_comes(
    scene: Scene,
) -> None:
    silence_id = scene.resolved_by_us("Row5")
    scene.end("Row5")
    scene.nothing_more_happens()
    scene.expire(silence_id)
    scene.nothing_more_happens()
    assert scene.pages("Row5") == ["created"]

    scene.fire("Row5")
    scene.until("Row5", "resolved", "firing")
    scene.nothing_more_happens()
    assert scene.pages("Row5") == ["created", "created"]

    # Alertmanager sends its next end that is not silenced, and that closes the alert group that we opened.
    scene.end("Row5")
    scene.until("Row5", "resolved", "resolved")


def test_it_first_fires_while_silenced_and_is_paged_once_when_the_silence_ends(scene: Scene) -> None:
    silence_id = scene.silence("Row6")
    scene.fire("Row6")
    scene.nothing_more_happens()
    assert scene.states("Row6") == []

    scene.expire(silence_id)
    scene.until("Row6", "firing")
    scene.nothing_more_happens()
    assert scene.pages("Row6") == ["created"]


def test_of_two_alerts_one_is_silenced_and_the_alert_group_is_left_alone(scene: Scene) -> None:
    scene.fire("Row8", "a")
    scene.fire("Row8", "b")
    expect("both are delivered", lambda: "ab" in scene.told("Row8"))
    scene.silence("Row8", instance="a")
    scene.nothing_more_happens()

    assert scene.states("Row8") == ["firing"]
    assert scene.pages("Row8") == ["created"]
    scene.until_decided("Row8", "PARTIALLY_SILENCED")


def test_of_two_alerts_one_is_silenced_a_third_joins_and_nobody_is_paged_again(scene: Scene) -> None:
    scene.fire("Row9", "a")
    scene.fire("Row9", "b")
    expect("both are delivered", lambda: "ab" in scene.told("Row9"))
    silence_id = scene.silence("Row9", instance="a")
    scene.fire("Row9", "c")
    expect("the third is delivered", lambda: "bc" in scene.told("Row9"))
    scene.expire(silence_id)
    expect("all are delivered", lambda: "abc" in scene.told("Row9"))
    scene.nothing_more_happens()

    assert scene.states("Row9") == ["firing"]
    assert scene.pages("Row9") == ["created"]


def test_of_two_alerts_one_is_silenced_the_other_ends_and_the_first_is_paged_when_its_silence_ends(
    scene: Scene,
) -> None:
    scene.fire("Row10", "a")
    scene.fire("Row10", "b")
    expect("both are delivered", lambda: "ab" in scene.told("Row10"))
    silence_id = scene.silence("Row10", instance="a")
    scene.end("Row10", "b")
    scene.until("Row10", "resolved")
    scene.nothing_more_happens()
    assert scene.pages("Row10") == ["created"]

    scene.expire(silence_id)
    scene.until("Row10", "resolved", "firing")
    scene.nothing_more_happens()
    assert scene.pages("Row10") == ["created", "created"]


def test_of_two_alerts_one_ends_while_silenced_the_other_fires_and_nothing_changes(scene: Scene) -> None:
    scene.fire("Row11", "a")
    scene.fire("Row11", "b")
    expect("both are delivered", lambda: "ab" in scene.told("Row11"))
    scene.silence("Row11", instance="a")
    scene.end("Row11", "a")
    scene.nothing_more_happens()

    assert scene.states("Row11") == ["firing"]
    assert scene.pages("Row11") == ["created"]


def test_of_two_silences_one_ends_and_pages_later_the_other_and_irm_is_told_of_both(scene: Scene) -> None:
    scene.fire("Row12", "a")
    scene.fire("Row12", "b")
    expect("both are delivered", lambda: "ab" in scene.told("Row12"))
    first, second = (scene.silence("Row12", instance=instance) for instance in "ba")
    scene.until("Row12", "resolved")
    before = len(scene.told("Row12"))

    scene.expire(first)
    expect("b is paged", lambda: "b" in scene.told("Row12")[before:])
    assert scene.states("Row12") == ["resolved", "firing"]
    scene.nothing_more_happens()

    scene.expire(second)
    expect("IRM is told of a", lambda: any("a" in told for told in scene.told("Row12")[before:]))
    scene.nothing_more_happens()
    assert scene.states("Row12") == ["resolved", "firing"]
    assert scene.pages("Row12") == ["created", "created"]


def test_after_a_silence_longer_than_the_repeat_interval_the_page_comes_once(tmp_path: Path) -> None:
    with (
        irm_under_test() as irm,
        _alertmanager(tmp_path / "alertmanager", irm, repeat_interval="2s") as alertmanager,
    ):
        world = World(alertmanager, irm)
        (tmp_path / "service").mkdir()
        with Service(tmp_path / "service", world.settings(**LOOP)) as service:
            scene = Scene(world, service, tmp_path / "alertmanager")
            silence_id = scene.resolved_by_us("Row7")
            service.observe_runs(A_FEW_RUNS)
            scene.expire(silence_id)
            scene.until("Row7", "resolved", "firing")
            service.observe_runs(A_FEW_RUNS)

            assert scene.states("Row7") == ["resolved", "firing"]
            assert scene.pages("Row7") == ["created", "created"]
