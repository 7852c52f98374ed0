"""Sabotages of when things are read and done: what is old, slow, late or braked must cost nobody a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.harness import Sabotage, assert_noticed, assert_sound, cases, of_all

if TYPE_CHECKING:
    from pathlib import Path

LATE = "reconciler/test_late.py"
LEASES = "reconciler/test_leases.py"
FAIR = "reconciler/test_fairness.py"
LAST = "reconciler/test_last_looks.py"
ATTACHED = f"{LEASES}::test_a_lease_on_a_root_keeps_no_live_attached_alert_group_silent"
STILL_ACTIVE = """        if not repage.fingerprints & active.keys():
            raise ChangedError("when its turn came, none of its alerts was active any more")
        try:
            hands.irm.post("""

SABOTAGES = (
    Sabotage("a post is made though nothing is active any more", "executor/repaging.py", STILL_ACTIVE, "        try:\n            hands.irm.post(",
             f"{LAST}::test_what_is_quiet_again_when_its_turn_comes_is_not_paged"),
    Sabotage("an un-silence rests on what was true before", "executor/leasing.py", "confirm(decision, anew=True)", "confirm(decision)",
             f"{LAST}::test_what_is_silenced_again_when_its_turn_comes_keeps_its_lease"),
    Sabotage("a post names only what is owed", "executor/repaging.py", "else group.labels == repage.group_labels", "else alert.fingerprint in repage.fingerprints",
             f"{LAST}::test_a_post_names_whatever_is_active_at_the_place_and_not_only_what_is_owed"),
    Sabotage("IRM's time runs ahead by what the reading took", "clients/irm.py", "clock=integrations.clock,", "clock=found.clock,",
             f"{LATE}::test_a_slow_reading_does_not_set_irms_time_ahead"),
    Sabotage("a list is as young as its reading is old", "planner/payments.py", "self._snapshots.irm.clock - resolved_at <= _LAG", "self._context.irm_now - resolved_at <= _LAG",
             f"{LATE}::test_a_list_that_lags_pays_no_debt_however_long_the_reading_took"),
    Sabotage("a resolve that is cancelled voids the debt of an earlier one", "executor/closing.py", "self._before.get(debt.id) or msgspec", "msgspec",
             f"{LATE}::test_a_resolve_that_a_list_that_lags_asked_for_leaves_the_debt_of_the_first"),
    Sabotage("what moves between two lists is forgotten", "planner/absence.py", "None if missed.missed else Sighting(missed.alive_at, missed=True)", "None",
             f"{LATE}::test_an_alert_group_that_moved_from_list_to_list_while_they_were_read_is_not_forgotten"),
    Sabotage("a failed run lets the loop sleep", "attempt.py", "if planned is None and status is RunStatus.FAILED:", "if False:",
             f"{LATE}::test_a_run_that_could_not_look_is_followed_soon_when_something_is_owed"),
    Sabotage("the loop does not know what other runs want", "bootstrap.py", "wanted=lambda: services.store.standing().wake_at", "wanted=lambda: None",
             f"{LATE}::test_the_loop_wakes_for_what_a_run_that_a_person_asked_for_owes"),
    Sabotage("the loop does not ask what other runs want", "scheduler.py", "if (now := self._wanted()) != wanted:", "if (now := wanted) != wanted:",
             "unit/test_pacing.py::test_a_run_of_another_process_that_wants_to_be_followed_at_a_time_is"),
    Sabotage("a delivery in the middle of a run keeps it silenced", "observer.py", " and decision.action is not ActionKind.UNSILENCE\n", "\n",
             f"{LEASES}::test_what_is_delivered_in_the_middle_of_a_run_keeps_nothing_silenced"),
    Sabotage("a store that cannot be written ends every action", "executor/turns.py", "self.unwritten = self.unwritten or str(error)", "self.hopeless = self.hopeless or str(error)",
             f"{LEASES}::test_a_store_that_cannot_be_written_keeps_nothing_silenced"),
    Sabotage("what a brake holds is not renewed when its turn comes", "executor/leasing.py", "and now.action is ActionKind.RESOLVE", "and False",
             f"{LEASES}::test_a_brake_lets_no_lease_run_out_into_a_false_page"),
    Sabotage("what speaks for another is confirmed as if for itself", "executor/leasing.py", "for_another = not speaks(decision)", "for_another = False", ATTACHED),
    Sabotage("what has ended and speaks for another is confirmed as if for itself", "executor/leasing.py", "for_another = not speaks(decision)", 'for_another = decision.kind.value == "SILENCED"',
             f"{LEASES}::test_a_lease_on_a_root_that_has_ended_keeps_no_live_attached_alert_group_silent_in_a_slow_run_either"),
    Sabotage("what spoke for another is silenced again", "executor/leasing.py", "LeaseState.TAKEN if for_another else LeaseState.ENDED", "LeaseState.ENDED", ATTACHED),
    Sabotage("Alertmanager is read anew for each few deliveries", "observer.py", "at_least += _BATCH", "at_least += 0",
             f"{FAIR}::test_many_that_are_read_in_vain_cost_few_readings_of_alertmanager"),
    Sabotage("nobody remembers what was read in vain", "observer.py", "self._in_vain[decision.alert_group.id] = decision.alert_group.alerts_count", "pass",
             f"{FAIR}::test_those_that_are_read_in_vain_again_and_again_starve_no_other"),
    Sabotage("the database does not wait for the disk", "store/sqlite.py", "synchronous=FULL", "synchronous=NORMAL",
             "store/test_processes.py::test_the_database_waits_for_the_disk_and_lets_readers_read"),
)  # fmt: skip


@cases(SABOTAGES)
def test_it_is_noticed(sabotage: Sabotage, tmp_path: Path) -> None:
    assert_noticed(sabotage, tmp_path)


@of_all
def test_without_sabotage_all_is_well(tmp_path: Path) -> None:
    assert_sound(SABOTAGES, tmp_path)
