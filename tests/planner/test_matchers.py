"""Exact silences: they catch all that they are for, and nobody else, whatever the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertsync.models import Matcher, Silence
from alertsync.planner.matchers import (
    MOST,
    Cover,
    Crowd,
    cover,
    of_matchers,
    pairs,
    to_matchers,
    unsupported,
)
from alertsync.planner.silences import matches
from tests.planner.world import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping

Labels = dict[str, str]

# Few names and values, so that label sets resemble each other; among them all that could be taken for a pattern.
NAMES = st.sampled_from(["alertname", "instance", "job", "größe", "a.b", "__x"])
VALUES = st.sampled_from(["", "a", "a.*", ".*", "a|b", "b", "ä\n", '"', "\\", "A", " a"])
LABELS = st.dictionaries(NAMES, VALUES, max_size=5)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Give the same for equal labels: an empty one is as good as none."""
    return repr(sorted(pairs(labels)))


def covered(members: list[Labels], others: list[Labels]) -> Cover:
    by_name = {fingerprint(one): one for one in members}
    known = {fingerprint(one): one for one in others} | by_name
    asked = frozenset(pair for one in members for pair in pairs(one))
    return cover(by_name, Crowd(known.items(), asked))


def caught_by(found: Cover, labels: Labels) -> int:
    """Count the silences that catch an alert, by Alertmanager's rules."""
    silences = [
        Silence(str(number), "active", to_matchers(one), NOW, NOW)
        for number, one in enumerate(found.silences)
    ]
    return sum(matches(silence, labels) for silence in silences)


@settings(max_examples=250, deadline=None)
@given(members=st.lists(LABELS, min_size=1, max_size=6), others=st.lists(LABELS, max_size=8))
def test_any_members_are_all_caught_and_no_other_alert_ever_or_it_is_refused(
    members: list[Labels], others: list[Labels]
) -> None:
    found = covered(members, others)
    wanted = {fingerprint(one) for one in members}
    assert bool(found.refused) is not bool(found.silences)
    for labels in (*members, *others):
        caught = caught_by(found, labels)
        if fingerprint(labels) not in wanted:
            assert caught == 0, "another alert"
        elif found.silences:
            assert caught
    for conditions in found.silences:
        assert conditions
        assert all(value for _, value in conditions), "never empty"
        assert all(one.is_equal and not one.is_regex for one in to_matchers(conditions)), "exact"
    assert len(found.silences) <= len(wanted), "at most one an alert"


@settings(max_examples=120, deadline=None)
@given(members=st.lists(LABELS, min_size=1, max_size=5), others=st.lists(LABELS, max_size=5))
def test_it_is_one_silence_where_one_can_do(members: list[Labels], others: list[Labels]) -> None:
    found = covered(members, others)
    shared = frozenset.intersection(*map(pairs, members))
    strangers = [one for one in others if fingerprint(one) not in {fingerprint(name) for name in members}]
    one_can_do = bool(shared) and not any(shared <= pairs(one) for one in strangers)
    assert (len(found.silences) == 1) >= one_can_do
    alone = all(pairs(one) and not any(pairs(one) <= pairs(other) for other in strangers) for one in members)
    assert bool(found.silences) is (one_can_do or alone), "refused only where nothing could do"


def test_members_that_share_what_no_stranger_has_share_a_silence() -> None:
    members = [{"alertname": "D", "job": job, "instance": name} for job in "ab" for name in "123"]
    found = covered(members, [{"alertname": "D", "job": "c", "instance": "1"}])
    assert sorted(map(sorted, found.silences)) == [
        [("alertname", "D"), ("job", "a")],
        [("alertname", "D"), ("job", "b")],
    ]


def test_an_alert_of_which_another_has_all_labels_and_more_is_refused_by_its_name() -> None:
    found = covered([{"alertname": "D"}], [{"alertname": "D", "job": "a"}])
    assert found.silences == ()
    assert "another alert has all labels of its alert 'D' and more" in found.refused


def test_an_alert_without_labels_is_refused() -> None:
    assert "no labels" in covered([{"alertname": ""}], []).refused


def test_what_would_take_too_many_silences_is_refused() -> None:
    members = [{"alertname": f"D{number}"} for number in range(MOST + 1)]
    assert "more than 100 silences" in covered(members, []).refused
    assert len(covered(members[1:], []).silences) == MOST


@pytest.mark.parametrize(
    ("version", "name", "fits"),
    [
        ("0.25.0", "größe", False),
        ("0.25.0", "alertname", True),
        ("0.27.0", "a.b", False),
        ("0.28.1", "größe", True),
        ("0.33.1", "a.b", True),
        ("1.0.0", "a.b", True),
        ("2.15.0-mimir", "a.b", True),
        ("", "a.b", True),
    ],
)
def test_a_label_name_that_an_old_alertmanager_refuses_is_refused_in_plain_words(
    version: str, name: str, fits: bool
) -> None:
    why = unsupported([frozenset({(name, "x")})], ["0.33.1", version])
    assert (why == "") is fits
    assert fits or ("0.25" in why or "0.27" in why)


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher("a", "b", is_regex=True),
        Matcher("a", "b", is_equal=False),
        Matcher("a", ""),
    ],
)
def test_a_silence_that_is_not_of_our_form_is_not_taken_for_one(matcher: Matcher) -> None:
    assert of_matchers((Matcher("x", "y"), matcher)) is None
    assert of_matchers(()) is None
