"""`check` on what goes wrong in the middle of the night: it must say what, for each peer and each integration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.cli.check import check
from alertsync.simulator.wire import Fault
from tests.faults.worlds import World, world_of
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_of(tmp_path) as it:
        yield it


def findings(world: World, capsys: pytest.CaptureFixture[str], **settings: str) -> tuple[int, list[Any]]:
    capsys.readouterr()
    status = check(world.services(**settings), as_json=True)
    return status, json.loads(capsys.readouterr().out)["findings"]


def levels(found: list[Any], text: str) -> list[str]:
    return [one["level"] for one in found if text in one["text"]]


def test_all_well_is_told_link_by_link_without_the_links(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fire("DiskFull")
    other = world.irm.add_integration("a webhook", type="webhook")
    status, found = findings(world, capsys, RECONCILE_INTERVAL="60")
    assert status == 0
    assert {one["level"] for one in found} == {"ok"}
    assert levels(found, f"integration production ({world.integration.id}): has an inbound link") == ["ok"]
    assert levels(found, other.id) == [], "nothing is posted to what is not Alertmanager's"
    assert world.integration.key not in str(found)


def test_each_peer_is_told_of_also_the_one_that_is_down(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fire("DiskFull")
    up, down = world.alertmanager_server.url, f"http://127.0.0.1:{free_port()}"
    status, found = findings(world, capsys, ALERTMANAGER_HOST=f"{down},{up}")
    assert status == 1
    assert levels(found, f"at {up}: 1 alerts") == ["ok"]
    assert levels(found, f"at {down} (read aggregation groups): the connection is refused") == ["error"]
    assert levels(found, "coverage: 1 of 1") == ["ok"]


def test_integrations_in_scope_that_cannot_be_paged_are_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fire("DiskFull")
    mute = '{"id": "CMUTE", "name": "mute", "type": "alertmanager", "maintenance_mode": null, "link": null}'
    busy = '{"id": "CBUSY", "name": "", "type": "alertmanager", "maintenance_mode": 1, "link": "http://x/y/"}'
    body = f'{{"count": 2, "next": null, "results": [{mute}, {busy}]}}'.encode()
    world.irm_server.inject(Fault("status", path="/integrations/", status=200, body=body, times=-1))
    _, found = findings(world, capsys)
    assert levels(found, "integration mute (CMUTE): no inbound link") == ["warning"]
    assert levels(found, "integration CBUSY (CBUSY): in maintenance") == ["warning"]
    status, found = findings(world, capsys, IRM_INTEGRATION_IDS="CBUSY,CTYPO")
    assert status == 1
    assert levels(found, "CMUTE") == []
    assert levels(found, "IRM has no integration CTYPO") == ["error"]


def test_the_heartbeat_of_an_integration_is_looked_for_and_not_sent(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = world.irm.add_integration("alertsync", type="webhook")
    _, found = findings(world, capsys, IRM_HEARTBEAT_INTEGRATION_ID=ours.id)
    assert levels(found, f"integration alertsync ({ours.id}): its heartbeat is sent") == ["ok"]
    assert ours.key not in str(found)
    ours.maintenance_mode = "maintenance"
    _, found = findings(world, capsys, IRM_HEARTBEAT_INTEGRATION_ID=ours.id)
    assert levels(found, "in maintenance, so nobody is paged when its heartbeat") == ["warning"]
    assert ours.heartbeats == [], "IRM begins to wait for the next with the first"


def test_a_heartbeat_that_cannot_be_sent_or_hides_something_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = findings(world, capsys, IRM_HEARTBEAT_INTEGRATION_ID="CTYPO")
    assert (status, levels(found, "IRM has no integration CTYPO whose heartbeat")) == (1, ["error"])
    id_ = world.integration.id
    _, found = findings(world, capsys, IRM_HEARTBEAT_INTEGRATION_ID=id_)
    assert levels(found, "its heartbeat may be Alertmanager's") == ["warning"]
    world.integration.has_heartbeat = False
    status, found = findings(world, capsys, IRM_HEARTBEAT_INTEGRATION_ID=id_)
    assert (status, levels(found, f"({id_}): has no heartbeat")) == (1, ["error"])


def test_settings_that_are_hardly_meant_are_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = findings(world, capsys, REPAGE="false")
    assert levels(found, "REPAGE=false") == ["warning"]
    assert levels(found, "the loop is off") == ["warning"]
