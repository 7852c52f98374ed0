"""The simulated IRM tells by its outgoing webhooks what the real one was recorded to tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.simulator.irm_model import Group, Irm, User
from tests.contract.alertmanagers import webhook_receiver
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from alertsync.simulator.wire import Server

RECORDINGS = Path(__file__).parent / "recordings" / "oncall-webhooks"
PAYLOAD = {
    "receiver": "oncall",
    "status": "firing",
    "alerts": [],
    "groupLabels": {"alertname": "Whk"},
    "commonLabels": {"alertname": "Whk"},
    "externalURL": "http://alertmanager.example:9093",
    "groupKey": "{}",
}
STEPS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "silence": [("silence", {"delay": 3600})],
    "resilence": [("silence", {"delay": 3600}), ("silence", {"delay": 60})],
    "silence_forever": [("silence", {"delay": 0})],
    "unsilence": [("silence", {}), ("unsilence", {})],
    "ack": [("silence", {}), ("acknowledge", {})],
    "unack": [("acknowledge", {}), ("unacknowledge", {})],
    "resolve": [("silence", {}), ("resolve", {})],
    "unresolve": [("resolve", {}), ("unresolve", {})],
    "auto_unsilence": [("silence", {"delay": 5}), ("pass_time", {})],
    "source_resolve": [("source_resolve", {})],
}


def told(story: str, trigger: str) -> dict[str, Any]:
    """Play a story, and give the last that a webhook of this trigger tells."""
    time = FakeTime()
    irm = Irm(clock=time.clock.now)
    user = irm.add_user("token", email="labadmin@lab.invalid")
    integration = irm.add_integration("lab")
    irm.add_webhook("http://nobody.invalid/webhook", trigger=trigger)
    group_id = irm.deliver(integration, PAYLOAD)
    assert group_id is not None
    for action, more in STEPS[story]:
        time.sleep(6)
        play(irm, irm.group(group_id), action, user, more)
    return irm.take_outgoing()[-1].body


def play(irm: Irm, group: Group, action: str, user: User, more: dict[str, Any]) -> None:
    if action == "source_resolve":
        irm.deliver(group.integration, PAYLOAD | {"status": "resolved"})
    elif action != "pass_time":
        irm.act(group.id, action, by=user, **more)


def shape(value: object) -> object:
    """Give what is compared: of a value that differs from run to run its kind alone."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return type(value).__name__


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
def test_each_event_is_told_as_it_was_recorded(path: Path) -> None:
    story, _, trigger = path.stem.partition("__")
    recorded = json.loads(path.read_text())["body"]
    body = told({"silence2": "silence"}.get(story, story), trigger.replace("_", " "))
    for one in (recorded, body):
        # Contents of deliveries and answers of other webhooks are not IRM's to tell.
        del one["alert_payload"], one["alert_group"]["last_alert"]["payload"]
        one.pop("responses", None)
        if trigger == "alert_group_created":
            # It was told when the source had resolved it again.
            del one["alert_group"]["resolved_at"], one["alert_group"]["state"]
    assert shape(body) == shape(recorded)
    assert body["event"]["type"] == recorded["event"]["type"]
    if "state" in body["alert_group"]:
        assert body["alert_group"]["state"] == recorded["alert_group"]["state"]
    assert (body["user"] or {}).get("email") == (recorded["user"] or {}).get("email")


def test_what_waits_is_sent_once_with_the_credentials_of_the_webhook() -> None:
    with webhook_receiver() as hooks:
        irm = Irm()
        irm.add_webhook(f"{hooks.url}/webhook", username="irm", password="secret")
        group_id = irm.deliver(irm.add_integration("lab"), PAYLOAD)
        assert group_id is not None
        irm.silence(group_id, delay=60)
        assert irm.send_webhooks() == [200]
        assert irm.send_webhooks() == []
        [request] = sent(hooks)
        assert request.headers["Authorization"].startswith("Basic ")


def sent(hooks: Server) -> list[Any]:
    return [one for one in hooks.received if one.path == "/webhook"]
