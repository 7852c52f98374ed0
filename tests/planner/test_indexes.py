"""A snapshot is indexed once, however many alert groups are judged by it; another one is never mistaken for it."""

import pytest

from alertsync.models import AlertmanagerSnapshot
from alertsync.planner import membership
from alertsync.planner.membership import AlertIndex, Indexes
from tests.planner.world import NOW, alert, group


def snapshot(*names: str, peer: str = "") -> AlertmanagerSnapshot:
    return AlertmanagerSnapshot(
        groups=tuple(group(alert(name)) for name in names),
        silences=(),
        started_at=NOW,
        settled=True,
        version="0.28.1",
        clock=NOW,
        read_at=NOW,
        peer=peer,
    )


def test_a_snapshot_is_indexed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[AlertmanagerSnapshot] = []

    class Counted(AlertIndex):
        def __init__(self, of: AlertmanagerSnapshot) -> None:
            made.append(of)
            super().__init__(of)

    monkeypatch.setattr(membership, "AlertIndex", Counted)
    one, two = snapshot("a", peer="one"), snapshot("b", peer="two")
    indexes = Indexes()
    for _ in range(3):
        assert "a" in indexes.of(one)
        assert "b" in indexes.of(two)
    assert made == [one, two]


def test_a_newer_snapshot_of_a_peer_is_indexed_anew() -> None:
    indexes = Indexes()
    assert "a" in indexes.of(snapshot("a"))
    assert "a" not in indexes.of(snapshot("b"))
    assert "b" not in indexes.of(snapshot("a"))
