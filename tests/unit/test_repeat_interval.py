"""The longest repeat_interval: read right, or too long, or not at all, but never too short."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alertsync.clients.repeat_interval import longest

HOUR = timedelta(hours=1)
MARSHALLED = """\
global:
  resolve_timeout: 5m
route:
  receiver: oncall
  continue: false
  routes:
  - receiver: oncall
    matchers:
    - lab="x"
    continue: false
    repeat_interval: {child}
  group_interval: 5s
{root}
receivers:
- name: oncall
"""


def of(child: str = "20s", root: str = "  repeat_interval: 1h") -> timedelta | None:
    return longest(MARSHALLED.format(child=child, root=root))


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("4h", 4 * HOUR),
        ("1h30m", 1.5 * HOUR),
        ("1d", 24 * HOUR),
        ("1w", 168 * HOUR),
        ("1y", 365 * 24 * HOUR),
        ("1d12h", 36 * HOUR),
        ("2h0m5s10ms", timedelta(hours=2, seconds=5, milliseconds=10)),
        ('"5h"', 5 * HOUR),
        ("'5h'", 5 * HOUR),
        ("5h # the night", 5 * HOUR),
    ],
)
def test_durations_are_read_as_prometheus_writes_them(text: str, duration: timedelta) -> None:
    assert of(child=text) == duration
    assert of(root=f"  repeat_interval: {text}") == duration


def test_the_default_counts_unless_the_root_names_another() -> None:
    assert of(child="20s", root="  repeat_interval: 1h") == HOUR
    assert of(child="20s", root="") == 4 * HOUR
    assert of(child="6h", root="") == 6 * HOUR
    assert longest("route:\n  receiver: a\n") == 4 * HOUR
    assert longest("route:\n  # as it was written\n\n  repeat_interval: 2h\n  receiver: a") == 2 * HOUR


def test_what_is_written_on_one_line_is_read_too_and_the_default_counted_to_be_safe() -> None:
    assert longest("route: {receiver: a, repeat_interval: 6h, routes: [{repeat_interval: 8h}]}") == 8 * HOUR
    assert longest("route: {receiver: a, repeat_interval: 1h}") == 4 * HOUR


def test_json_is_read_too() -> None:
    assert longest('{"route": {"receiver": "a", "repeat_interval": "1h", "routes": []}}') == HOUR
    assert longest('{"route": {"receiver": "a", "routes": [{"repeat_interval": "1h"}]}}') == 4 * HOUR
    assert longest('{"route": {"repeat_interval": 5, "routes": [{"repeat_interval": "1h"}]}}') is None


@pytest.mark.parametrize(
    "child", ["", "soon", "*anchor", "4 h", "-4h", "4H", "99999999y", "<secret>", "!!str 4h"]
)
def test_an_interval_that_cannot_be_read_makes_the_longest_unknown(child: str) -> None:
    assert of(child=child) is None


@pytest.mark.parametrize("text", ["", "<secret>", "alertmanager: {}", "# repeat_interval, and no route"])
def test_a_configuration_that_is_not_shown_tells_nothing(text: str) -> None:
    assert longest(text) is None


def test_the_word_where_no_setting_is_makes_it_unknown() -> None:
    assert of(root='  repeat_interval: 1h\n  x: "repeat_interval is set above"') is None
