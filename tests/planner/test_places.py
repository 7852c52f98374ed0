"""What of Alertmanager an alert group rests on: only where its places tell all of it may they be read alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from alertsync.models import LegacyAlert, Policy, Unreadable
from alertsync.planner.places import Places, places, together
from tests.planner.world import (
    alert,
    alert_group,
    alertmanager,
    deliveries,
    group,
    webhook,
)

if TYPE_CHECKING:
    from alertsync.models import AlertmanagerSnapshot, Deliveries, Webhook

NONE = [
    pytest.param(LegacyAlert(fingerprint="a", firing=True), None, id="a legacy alert names no place"),
    pytest.param(Unreadable(why="wiped"), None, id="what cannot be read names none either"),
    pytest.param(webhook(resolved=("a",)), None, id="nothing is left firing: it rests on what is not there"),
    pytest.param(webhook("a"), deliveries(webhook("a"), complete=False), id="not every delivery was read"),
]  # fmt: skip


@pytest.mark.parametrize(("last", "read"), NONE)
def test_where_the_places_do_not_tell_all_there_are_none(
    last: Webhook | LegacyAlert | Unreadable, read: Deliveries | None
) -> None:
    assert places(alert_group(last), read, Policy()) is None


def test_each_place_counts_once_and_every_fingerprint_left_firing() -> None:
    read = deliveries(webhook("a"), webhook("c", alertname="Cpu"), webhook("b", resolved=("c",)))
    found = places(alert_group(webhook("a"), 3), read, Policy())
    assert found is not None
    assert [labels["alertname"] for _, labels in found.where] == ["Disk", "Cpu"]
    assert found.firing == {"a", "b", "c"}


WANTED = Places((("oncall", {}), ("oncall", {"x": "y"})), frozenset({"a", "b"}))


def said(peer: str, *names: str, settled: bool = True, minutes: int = 0) -> AlertmanagerSnapshot:
    """Make what a peer says of one place."""
    whole = alertmanager(group(*map(alert, names)), peer=peer, settled=settled)
    return msgspec.structs.replace(whole, started_at=whole.started_at + timedelta(minutes=minutes))


def test_what_a_peer_says_of_each_place_is_joined_and_is_as_doubtful_as_the_worst_of_it() -> None:
    read = together([(said("one", "a"),), (said("one", "b", settled=False, minutes=5),)], WANTED)
    assert read is not None
    [one] = read
    assert [each.fingerprint for where in one.groups for each in where.alerts] == ["a", "b"]
    assert not one.settled
    assert one.started_at == said("one", minutes=5).started_at


TOO_LITTLE = [
    pytest.param([(said("one", "a"),), (said("one", "c"),)], id="one that fires in a delivery is at none of the places"),
    pytest.param([(said("one", "a"), said("two", "a")), (said("one", "b"), said("two"))], id="one of two peers lacks it"),
    pytest.param([(said("one", "a", "b"), said("two", "a", "b")), (said("one"),)], id="one of two peers was heard of one place only"),
    pytest.param([(), ()], id="nobody answered"),
]  # fmt: skip


@pytest.mark.parametrize("readings", TOO_LITTLE)
def test_only_the_whole_of_alertmanager_can_tell(readings: list[tuple[AlertmanagerSnapshot, ...]]) -> None:
    assert together(readings, WANTED) is None
