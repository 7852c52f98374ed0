"""The simulation with two peers goes on with other lives, in a file of its own so that both run side by side."""

from __future__ import annotations

import pytest

from tests.simulation.test_simulation import FURTHER, play_enough


@pytest.mark.timeout(900)
def test_in_other_lives_too_no_page_is_lost_and_none_sent_twice_though_two_peers_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play_enough(monkeypatch, 2, further=FURTHER)
