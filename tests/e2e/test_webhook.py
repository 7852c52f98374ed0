"""What a person silences in IRM is quiet in Alertmanager, and speaks again with it: real programs, and any worker.

IRM is simulated and tells by its outgoing webhook; what Alertmanager holds is asked of its own tool.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from alertsync.simulator.irm_webhooks import WebhookSender
from tests.e2e.worlds import World, expect, real_world
from tests.service import Service

PASSWORD = "the-password-of-irm"
SETTINGS = {
    "WEBHOOK_USERNAME": "irm",
    "WEBHOOK_PASSWORD": PASSWORD,
    "WEBHOOK_EMAIL_ALLOWLIST": "*@ops.example",
    # The interval comes never: what IRM tells calls for the runs.
    "RECONCILE_INTERVAL": "3600",
    "WATCH_INTERVAL": "0.2",
    "WATCH_MIN_GAP": "0.5",
    "WEB_CONCURRENCY": "2",
}


def silences(world: World, *more: str) -> list[Any]:
    """Ask amtool for the silences that hold, or for those that are over (`--expired`)."""
    amtool = shutil.which("amtool")
    assert amtool, "amtool is not installed: apt-get install prometheus-alertmanager"
    command = [
        amtool,
        f"--alertmanager.url={world.alertmanager.url}",
        "silence",
        "query",
        "-o",
        "json",
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    found: list[Any] = json.loads(done.stdout)
    return found


def told(service: Service) -> str:
    """Give the page that says what IRM told."""
    return service.get("/silences", headers={"Accept": "text/html"}).text


def test_a_silence_in_irm_is_one_in_alertmanager_and_ends_with_it(tmp_path: Path) -> None:
    with real_world(tmp_path / "world") as world, Service(tmp_path, world.settings(**SETTINGS)) as service:
        irm = world.irm.model
        ana, bob = (
            irm.add_user("token-of-ana", email="Ana@ops.example"),
            irm.add_user("token-of-bob", email="bob@example.org"),
        )
        irm.add_webhook(f"{service.url}/webhook", username="irm", password=PASSWORD)
        with WebhookSender(irm):
            group = world.fire("DiskFull", "a", "b", team="db")
            world.fire("DiskFuller", "a", team="db")
            service.reconcile()

            irm.silence(group.id, by=bob, delay=3600)
            expect("it is said that bob is not on the list", lambda: "Not followed" in told(service))
            assert silences(world) == []

            irm.silence(group.id, by=ana, delay=3600)
            expect("Alertmanager is silenced", lambda: silences(world))
            (silence,) = silences(world)
            assert {(one["name"], one["value"]) for one in silence["matchers"]} >= {("alertname", "DiskFull")}
            assert not any(one["isRegex"] for one in silence["matchers"])
            assert silence["createdBy"] == "Ana@ops.example"
            assert "DiskFull: silenced in Grafana IRM by" in silence["comment"]
            quiet = {
                one["labels"]["alertname"]
                for one in service.get("/all-alerts").json()["alerts"]
                if one["status"]["silencedBy"]
            }
            assert quiet == {"DiskFull"}
            assert irm.group(group.id).state == "silenced"

            irm.unsilence(group.id, by=ana)
            expect("it is expired", lambda: silences(world) == [])
            assert [one["id"] for one in silences(world, "--expired")] == [silence["id"]]
            expect("its end is told", lambda: "Silence ended" in told(service))
        large = {
            "event": {"type": "resolve"},
            "user": None,
            "alert_group": {"id": "I1"},
            "alert_payload": "x" * 2_000_000,
        }
        answer = service.ask("POST", "/webhook", json=large, auth=("irm", PASSWORD))
        assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
        assert service.metric("alertsync_webhook_deliveries_total", kind="silence", outcome="accepted") == 2
        assert service.metric("alertsync_actions_total", action="expire_silence", outcome="expired") == 1
        assert not service.events(level="error")
        assert PASSWORD not in service.log
