"""Sabotages of what finds debts that nobody wrote down: of a lost ledger, and of what joined at the last moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.harness import Sabotage, assert_noticed, assert_sound, cases, of_all

if TYPE_CHECKING:
    from pathlib import Path

ADOPTION = "reconciler/test_adoption.py"
WITHIN = f"{ADOPTION}::test_what_was_resolved_longer_ago_than_adopt_within_is_not_adopted"
JOINED = "reconciler/test_joined.py"
LOOK = "        deadline = self._hands.deadline.without_stop(_LOOK_SECONDS)\n"

SABOTAGES = (
    Sabotage("one alert group that cannot be read ends the adoption of all", "inquiry.py",
             'with _told("whether it was resolved by us"):', "if True:", f"{ADOPTION}::test_one_alert_group_whose_notes_cannot_be_read_keeps_no_other_from_being_adopted"),
    Sabotage("what we know is adopted over", "adoption.py",
             "self.looked_at |= {debt.alert_group_id for debt in ledger.debts}", "pass", f"{ADOPTION}::test_what_we_resolved_since_is_not_adopted_over_what_we_know_of_it"),
    Sabotage("what one run may not look at is never adopted", "adoption.py",
             "fresh=None if left else False", "fresh=False", f"{ADOPTION}::test_more_alert_groups_than_a_run_may_look_at_are_adopted_by_the_next_runs"),
    Sabotage("look-ups that are cut short begin anew in each run", "inquiry.py",
             '            log.warning(\n                "IRM is not asked further about what it', '            raise\n            log.warning(\n                "IRM is not asked further about what it',
             f"{ADOPTION}::test_look_ups_that_the_rate_limit_cuts_short_go_on_where_they_ended"),
    Sabotage("whatever we ever resolved is adopted", "inquiry.py", "            and irm_now - group.resolved_at <= within\n", "", WITHIN),
    Sabotage("what was resolved just within the time is not adopted", "inquiry.py", "irm_now - group.resolved_at <= within", "irm_now - group.resolved_at <= within * 0.99", WITHIN),
    Sabotage("what joined is not looked for", "executor/resolving.py", "if joined and owed:", "if not (joined := ()):", f"{JOINED}::test_it_is_paged_again_at_once"),
    Sabotage("what joined is forgotten when an answer is lost", "planner/debts.py", "joined = last.content.firing - {", "joined = frozenset[str]() - {",
             "planner/test_settle.py::test_what_was_delivered_between_the_writing_and_the_resolve_is_owed_too"),
    Sabotage("only the last delivery is looked at when an answer is lost", "adoption.py", "found = self._joined(ledger, planned) or found", "pass",
             f"{JOINED}::test_it_is_owed_at_whichever_place_a_grouping_template_merges"),
    Sabotage("a debt is certain before the look after the resolve, which fails", "executor/resolving.py", LOOK, f"{LOOK}        self._closing.happened(at, self._closing.owed(self._decision))\n",
             f"{JOINED}::test_it_is_owed_although_the_look_after_the_resolve_failed"),
    Sabotage("a debt is certain before the look after the resolve, in which we are killed", "executor/resolving.py", LOOK,
             f"        self._closing.happened(at, self._closing.owed(self._decision))\n        self._closing.clear()\n{LOOK}",
             f"{JOINED}::test_it_is_owed_although_the_process_was_killed_while_it_looked_what_came_of_the_resolve"),
)  # fmt: skip


@cases(SABOTAGES)
def test_it_is_noticed(sabotage: Sabotage, tmp_path: Path) -> None:
    assert_noticed(sabotage, tmp_path)


@of_all
def test_without_sabotage_all_is_well(tmp_path: Path) -> None:
    assert_sound(SABOTAGES, tmp_path)
