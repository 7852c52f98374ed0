"""How long silences hold: the ends that count, and matchers as Alertmanager understands them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.models import AlertStatus, Matcher, Member, Silence
from alertsync.planner.silences import SilenceBook, matches
from tests.planner.world import NOW, silence

if TYPE_CHECKING:
    from datetime import datetime

MEMBER = Member(
    fingerprint="a", status=AlertStatus.SILENCED, labels={"alertname": "Disk"}, silenced_by=("s1", "s2")
)

CASES = [
    pytest.param((silence("s1", 10),), 10, id="one silence: its end"),
    pytest.param((silence("s1", 10), silence("s2", 30)), 30, id="two silences that hold it now: the later end"),
    pytest.param((silence("s1", 10), silence("s9", 99)), 10, id="a silence that does not hold it does not count"),
    pytest.param((), 0, id="the silences named are gone: now"),
    pytest.param((silence("s1", 10), silence("p", 40, state="pending", begins=10)), 40, id="a pending silence that begins at the end carries it on"),
    pytest.param((silence("s1", 10), silence("p", 40, state="pending", begins=11)), 10, id="a pending silence that begins after a gap does not"),
    pytest.param((silence("s1", 10), silence("q", 60, state="pending", begins=30), silence("p", 40, state="pending", begins=5)), 60,
                 id="pending silences carry on one another"),
    pytest.param((silence("s1", 10), silence("p", 40, state="pending", begins=5, matchers=(Matcher(name="alertname", value="Cpu"),))), 10,
                 id="a pending silence of something else does not"),
]  # fmt: skip


@pytest.mark.parametrize(("silences", "minutes"), CASES)
def test_held_until(silences: tuple[Silence, ...], minutes: int) -> None:
    assert SilenceBook(silences).held_until(MEMBER, NOW) == NOW + timedelta(minutes=minutes)


def of_many(ends: float, matchers: Any) -> datetime:
    """Tell how long a silence of an hour holds beside many pending ones that end in so many minutes."""
    pending = (
        silence(f"p{number}", ends, state="pending", begins=number / 60, matchers=matchers)
        for number in range(60)
    )
    return SilenceBook([silence("s1", 60), *pending]).held_until(MEMBER, NOW)


@pytest.mark.parametrize("ends", [30, 60])
def test_pending_silences_that_cannot_carry_it_on_are_not_matched_however_many_there_are(ends: float) -> None:
    nobody_may_look = None
    assert of_many(ends, nobody_may_look) == NOW + timedelta(minutes=60)
    with pytest.raises(TypeError):
        of_many(61, nobody_may_look)


MATCHERS = [
    pytest.param("alertname", "Disk", False, True, True, id="equal"),
    pytest.param("alertname", "Dis", False, True, False, id="not equal"),
    pytest.param("alertname", "Dis", True, True, False, id="a regular expression is anchored"),
    pytest.param("alertname", "D.*|Cpu", True, True, True, id="a regular expression matches whole"),
    pytest.param("alertname", "Cpu", False, False, True, id="unequal"),
    pytest.param("alertname", "D.*", True, False, False, id="a negative regular expression"),
    pytest.param("absent", "", False, True, True, id="an absent label is empty"),
    pytest.param("absent", ".+", True, False, True, id="an absent label does not match a non-empty pattern"),
    pytest.param("alertname", "(?i)disk", True, True, True, id="Go's flags are understood"),
    pytest.param("alertname", "(", True, True, False, id="a pattern that cannot be read matches nothing"),
    pytest.param("alertname", "(", True, False, False, id="nor does its negation"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "is_regex", "is_equal", "expected"), MATCHERS)
def test_matchers(name: str, value: str, is_regex: bool, is_equal: bool, expected: bool) -> None:
    matcher = Matcher(name=name, value=value, is_regex=is_regex, is_equal=is_equal)
    assert matches(silence(matchers=(matcher,)), {"alertname": "Disk"}) is expected


def test_a_pattern_that_explodes_elsewhere_takes_no_time_here() -> None:
    matcher = Matcher(name="alertname", value="(a+)+b", is_regex=True)
    assert not matches(silence(matchers=(matcher,)), {"alertname": "a" * 5000})
