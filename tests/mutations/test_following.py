"""Sabotages of silences that follow IRM: whose they are, what they catch, for how long, and what they are no reason for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.harness import Sabotage, assert_noticed, assert_sound, cases, of_all

if TYPE_CHECKING:
    from pathlib import Path

SHARED = "planner/test_matchers.py::test_members_that_share_what_no_stranger_has_share_a_silence"
INDISTINCT = (
    "planner/test_matchers.py::test_an_alert_of_which_another_has_all_labels_and_more_is_refused_by_its_name"
)
ECHO = "planner/test_two_ways.py::test_an_echo_is_neither_resolved_nor_leased_also_in_another_alert_group"
REACH = "planner/test_two_ways.py::test_an_alert_that_comes_into_reach_is_set_free_by_the_next_run_and_the_others_stay_silenced"
STORY = "reconciler/test_silencing.py::test_"

SABOTAGES = (
    Sabotage("one silence for all may catch others", "planner/matchers.py",
             "if everyone and not crowd.strangers(everyone, wanted):", "if everyone:", SHARED),
    Sabotage("an alert is silenced with one that has its labels and more", "planner/matchers.py",
             "        if crowd.strangers(conditions, wanted):\n", "        if False:\n", INDISTINCT),
    Sabotage("what comes into reach of a silence stays silent", "planner/following.py",
             "is None or self._crowd.strangers(conditions, members)", "is None", REACH),
    Sabotage("an echo is a silence like any other", "planner/decide.py",
             "if members and any(map(view.silences.echoes, members)):", "if False:", ECHO),
    Sabotage("our own leases are followed", "planner/inbox.py",
             "if lease.silenced_at is not None and _same(event.at, lease.silenced_at):", "if False:",
             f"{STORY}our_own_leases_are_never_followed"),
    Sabotage("an event counts for any silence of its alert group", "planner/inbox.py",
             "return _same(event.at, group.silenced_at)", "return True",
             f"{STORY}an_event_counts_only_for_the_silence_that_it_began"),
    Sabotage("what is over in IRM goes on in Alertmanager", "planner/following.py",
             "if group is None or decision is None or not holds(silence, group):", "if group is None or decision is None:",
             "planner/test_two_ways.py::test_what_is_over_in_irm_is_over_in_alertmanager"),
    Sabotage("IRM is not asked again before a silence is made", "observer.py",
             'if (found.state, found.silenced_at) != ("silenced", change.silenced_at):', "if False:",
             f"{STORY}a_silence_that_ended_in_irm_a_moment_ago_is_not_made"),
)  # fmt: skip


@cases(SABOTAGES)
def test_a_sabotage_is_noticed(sabotage: Sabotage, tmp_path: Path) -> None:
    assert_noticed(sabotage, tmp_path)


@of_all
def test_all_is_well_without_sabotage(tmp_path: Path) -> None:
    assert_sound(SABOTAGES, tmp_path)
