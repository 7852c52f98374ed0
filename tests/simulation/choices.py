"""What the rules of the simulation choose from: few enough values that they meet each other often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.simulation.wire import COMMIT, CRASH_AFTER, FAULTS, LATER_PAGES, Plan

if TYPE_CHECKING:
    from tests.simulation.servers import Labels


def _alert(name: str, instance: str, **more: str) -> Labels:
    return {"alertname": name, "instance": instance, "severity": "critical", **more}


ALERTS = (
    _alert("One", "a", team="a"),
    _alert("One", "b", team="a"),
    _alert("Two", "a", team="a"),
    _alert("Three", "a"),
    _alert("Three", "b"),
    _alert("Rack", "r"),
)
MATCHERS: tuple[Labels, ...] = (
    {"alertname": "One"},
    {"alertname": "One", "instance": "a"},
    {"alertname": "One", "instance": "b"},
    {"team": "a"},
    {"alertname": "Three"},
    {"severity": "critical"},
)
USUAL = {"ON_SILENCED": "resolve", "REPAGE": "true", "DRY_RUN": "false", "RESOLUTION_NOTES": "true"}
CHOICES = (
    USUAL,
    {**USUAL, "ON_GONE": "resolve"},
    {**USUAL, "ON_GONE": "report"},
    {**USUAL, "IRM_STATES": "firing,acknowledged"},
    {**USUAL, "ON_SILENCED": "silence"},
    {**USUAL, "ON_SILENCED": "silence", "ON_GONE": "resolve"},
    {"ON_SILENCED": "report"},
    {"REPAGE": "false"},
    {"DRY_RUN": "true"},
    {"RESOLUTION_NOTES": "false"},
)
"""The settings that an operator may change while things are owed."""

alerts = st.sampled_from(ALERTS)
matchers = st.sampled_from(MATCHERS)
lengths = st.sampled_from((30.0, 90.0, 400.0, 700.0, 1500.0, 5400.0))
names = st.sampled_from(("One", "One", "Two", "Three"))
seldom = st.sampled_from((False, False, False, True))
which = st.integers(0, 11)
peers = st.integers(0, 1)
ACTIONS = ("acknowledge", "unacknowledge", "resolve", "unresolve", "silence", "unsilence")
events = st.one_of(
    st.tuples(st.just("fire"), alerts),
    st.tuples(st.just("end"), alerts),
    st.tuples(st.just("silence"), matchers, lengths, peers),
    st.tuples(st.just("expire"), which),
    st.tuples(st.just("person"), st.sampled_from(ACTIONS), which),
)
moments = st.one_of(
    st.tuples(st.integers(0, 20), st.just("")),
    st.tuples(st.integers(0, 3), st.just(LATER_PAGES)),
)
"""At which request something happens, and of which: between two pages of a list, for instance, so that they move."""
acts = st.sampled_from(("/resolve/", "/resolve/", "/silence/", "/integrations/v1/", COMMIT, COMMIT))
page_sizes = st.sampled_from((1, 100))
_anywhere = st.builds(
    Plan, st.integers(0, 20), st.sampled_from(FAULTS), times=st.sampled_from((1, 1, 2, 5, 30))
)
_at_an_act = st.builds(
    Plan,
    st.integers(0, 1),
    st.sampled_from(FAULTS),
    times=st.sampled_from((1, 1, 2)),
    path=st.sampled_from(
        ("/resolve/", "/integrations/v1/", "/silence/", "/unsilence/", "/resolution_notes/", "alerts/groups")
    ),
)
_at_a_later_page = st.builds(
    Plan,
    st.integers(0, 3),
    st.sampled_from(FAULTS),
    times=st.sampled_from((1, 1, 3)),
    path=st.just(LATER_PAGES),
)
commits = st.integers(0, 5)
_after_a_commit = st.builds(Plan, commits, st.just(CRASH_AFTER), path=st.just(COMMIT))
faults = st.one_of(_anywhere, _at_an_act, _at_a_later_page, _after_a_commit)
