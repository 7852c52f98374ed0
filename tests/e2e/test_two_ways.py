"""A silence in IRM silences exactly its alerts in Alertmanager, whatever resembles them, and outlives a restart of ours.

The real service under gunicorn takes in what IRM's outgoing webhooks tell. What the real Alertmanager then holds is what
`amtool` says: a user would look there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.simulator.alertmanager_config import Route
from alertsync.simulator.irm_webhooks import WebhookSender
from tests.e2e.worlds import RECEIVER, World, expect, real_world
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.simulator.irm_model import User

USERNAME, PASSWORD = "irm", "password-of-the-webhook-k4x9"
SETTINGS = {
    "RECONCILE_INTERVAL": "2",
    "WATCH_INTERVAL": "0.5",
    "WATCH_MIN_GAP": "0.5",
    "WEBHOOK_USERNAME": USERNAME,
    "WEBHOOK_PASSWORD": PASSWORD,
    "WEBHOOK_EMAIL_ALLOWLIST": "*@example.org",
}
ROUTES = (Route("audit", ("alertname", "team"), {"team": "audit"}), Route(RECEIVER, ("alertname",)))
"""What the team of the auditors is told of stands in alert groups of its own."""


class Scene:
    """The world, the service, and somebody who may silence."""

    def __init__(self, world: World, service: Service) -> None:
        self.world = world
        self.service = service
        self.ann: User = world.irm.model.add_user("token-of-ann", email="ann@example.org")

    def amtool(self, *arguments: str) -> list[dict[str, Any]]:
        """Ask amtool, and give what it says."""
        program = shutil.which("amtool")
        assert program is not None, "amtool is missing: apt-get install prometheus-alertmanager"
        command = [program, f"--alertmanager.url={self.world.alertmanager.url}", "--output=json", *arguments]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        found: list[dict[str, Any]] = json.loads(said.stdout)
        return found

    def quiet(self, name: str) -> set[str]:
        """Give the instances of alerts of this name that Alertmanager holds silenced."""
        found = self.amtool("alert", "query", "--silenced", f"alertname={name}")
        return {one["labels"]["instance"] for one in found if one["status"]["silencedBy"]}

    def silences(self, name: str, *more: str) -> list[dict[str, Any]]:
        """Give the active silences that name an alert."""
        found = self.amtool("silence", "query", *more)
        return [one for one in found if name in {matcher["value"] for matcher in one["matchers"]}]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("two-ways")
    with real_world(directory / "alertmanager", routes=ROUTES) as world:
        (directory / "service").mkdir()
        with Service(directory / "service", world.settings(**SETTINGS)) as service:
            irm = world.irm.model
            irm.add_webhook(f"{service.url}/webhook", username=USERNAME, password=PASSWORD)
            with WebhookSender(irm):
                yield Scene(world, service)


def test_alerts_that_resemble_it_are_never_silenced_not_even_those_of_its_name(scene: Scene) -> None:
    irm = scene.world.irm.model
    scene.world.alertmanager.fire({"alertname": "Disk", "instance": "c", "job": "db", "team": "audit"})
    scene.world.alertmanager.fire({"alertname": "DiskSlow", "instance": "a", "job": "db"})
    disk = scene.world.fire("Disk", "a", "b")
    irm.silence(disk.id, by=scene.ann, delay=3600)
    expect("exactly its alerts are silenced", lambda: scene.quiet("Disk") == {"a", "b"})
    assert len(scene.silences("Disk")) == 2, "one would have caught the auditors' alert"
    assert scene.quiet("DiskSlow") == set()
    assert [note.text[:28] for note in disk.notes] == ["Silenced in Alertmanager too"]

    scene.world.alertmanager.fire({"alertname": "Disk", "instance": "a", "job": "db", "team": "audit"})
    expect(
        "a new alert that has all its labels and more is set free",
        lambda: (
            [
                (one["labels"].get("team"), bool(one["status"]["silencedBy"]))
                for one in scene.amtool("alert", "query", "--silenced", "alertname=Disk", "instance=a")
                if one["labels"].get("team") == "audit"
            ]
            in ([], [("audit", False)])
            and scene.quiet("Disk") == {"b"}
        ),
    )
    irm.unsilence(disk.id, by=scene.ann)
    expect("it speaks again", lambda: scene.silences("Disk") == [])


def test_one_for_ever_outlives_a_restart_and_an_acknowledgement_ends_it(scene: Scene) -> None:
    irm = scene.world.irm.model
    ram = scene.world.fire("Ram")
    by_a_person = scene.world.silence("Ram", instance="elsewhere")
    irm.silence(ram.id, by=scene.ann)
    expect("it is silenced", lambda: scene.quiet("Ram") == {"a"})
    scene.service.stop()
    scene.service.settings["WEBHOOK_EMAIL_ALLOWLIST"] = "nobody@example.net"
    scene.service.start()
    scene.service.observe_runs(1)
    assert scene.service.decisions()["Ram"]["decision"] == "SILENCED_IN_IRM"
    assert (scene.quiet("Ram"), ram.state) == ({"a"}, "silenced")
    irm.acknowledge(ram.id, by=scene.ann)
    expect(
        "only the person's silence is left",
        lambda: [one["id"] for one in scene.silences("Ram")] == [by_a_person],
    )
