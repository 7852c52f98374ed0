"""Failed attempts are slowed by address, and the table of addresses has a bound."""

from __future__ import annotations

import pytest

from alertsync.web import attempts
from alertsync.web.attempts import Attempts
from tests.unit.clocks import FakeTime


def waits(kept: Attempts, address: str, times: int) -> list[int]:
    return [kept.fail(address) for _ in range(times)]


def test_a_few_in_a_row_are_free_and_time_gives_them_back() -> None:
    time = FakeTime()
    kept = Attempts(time.clock.monotonic)
    assert waits(kept, "192.0.2.1", 25) == [0] * 20 + [3] * 5
    time.sleep(1)
    assert kept.fail("192.0.2.1") == 2
    time.sleep(2)
    assert waits(kept, "192.0.2.1", 2) == [0, 3]
    time.sleep(1000)
    assert waits(kept, "192.0.2.1", 21) == [0] * 20 + [3]


SAME = [
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("unknown", "no address"),
]
OTHER = [("192.0.2.1", "192.0.2.2"), ("2001:db8:1:2::1", "2001:db8:1:3::1"), ("192.0.2.1", "unknown")]


@pytest.mark.parametrize(("one", "another"), SAME + OTHER)
def test_clients_are_told_apart_by_what_they_cannot_choose_freely(one: str, another: str) -> None:
    kept = Attempts(FakeTime().clock.monotonic)
    waits(kept, one, 20)
    assert bool(kept.fail(another)) == ((one, another) in SAME)


def test_the_addresses_that_failed_longest_ago_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_MOST_ADDRESSES", 10)
    kept = Attempts(FakeTime().clock.monotonic)
    waits(kept, "192.0.2.0", 20)
    for number in range(1, 30):
        kept.fail(f"192.0.2.{number}")
        assert kept.fail("192.0.2.0") > 0
    for number in range(1, 30):
        kept.fail(f"192.0.2.{number}")
    assert kept.fail("192.0.2.0") == 0
    assert len(kept._free_at) == 10
