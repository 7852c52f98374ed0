"""Sabotages of what acts and of what reads: a rule that only the planner keeps is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.harness import Sabotage, assert_noticed, assert_sound, cases, of_all

if TYPE_CHECKING:
    from pathlib import Path

DEBTS = "reconciler/test_debts.py"
RUNS = "reconciler/test_run_once.py"
LEASES = "reconciler/test_obligations.py"
PROVEN = "contract/test_alertmanager_client.py::test_groups_that_go_on_lacking_an_alert_prove_nothing"
QUIET = "contract/test_alertmanager_client.py::test_an_alert_is_quiet_only_if_alertmanager_says_that_and_why"

SABOTAGES = (
    Sabotage("nothing is written down before a resolve", "executor/closing.py",
             "            self._hands.commit(LedgerChange(debts=debts, open_before=before))\n", "            pass\n", f"{DEBTS}::test_a_resolve_whose_answer_was_lost_is_a_debt"),
    Sabotage("a resolve in doubt owes nothing", "executor/closing.py",
             "if action.outcome in _PERHAPS_OURS or doubtful:", "if False:", f"{DEBTS}::test_a_resolve_whose_answer_was_lost_is_a_debt"),
    Sabotage("the marker note is skipped", "executor/resolving.py",
             "if hands.policy.notes and not self._noted:", "if False:", f"{DEBTS}::test_no_marker_note_no_resolve"),
    Sabotage("an old decision is acted upon", "executor/resolving.py",
             "if now.action is not ActionKind.RESOLVE:", "if False:", f"{RUNS}::test_a_reading_that_has_grown_old_is_confirmed_before_it_is_acted_upon"),
    Sabotage("a post counts as paid", "executor/repaging.py",
             "alert, state=Owing.POSTED, posts", "alert, state=Owing.PAID, posts", "mutations/test_lost_posts.py::test_a_post_that_irm_took_and_lost_is_not_paid_and_is_made_again"),
    Sabotage("our own silence in IRM is not known again", "executor/leasing.py",
             "silenced_at=shown.silenced_at", "silenced_at=None", f"{LEASES}::test_a_lease_is_renewed_while_the_silence_holds_and_ends_with_it"),
    Sabotage("what was confirmed once is for ever", "observer.py",
             "            and asked - before.asked <= self._confirm_after\n", "",
             f"{RUNS}::test_what_was_confirmed_before_the_note_is_confirmed_again_if_that_is_old"),
    Sabotage("several are resolved at once before one is", "executor/closing.py",
             "while len(done) < len(decisions) and not self._hands.acted:", "while False:", "faults/test_upstreams.py::test_a_token_that_may_not_act_stops_the_acting_after_two_attempts"),
    Sabotage("turns that are taken side by side forget each other", "clients/irm.py",
             "turns = self._abreast if abreast else 1", "turns = 1", "contract/test_irm_acting.py::test_no_turn_waits_in_its_middle_for_the_rate_limit_that_others_share"),
    Sabotage("readings never grow old", "observer.py",
             "return self._age(upstream) > self._confirm_after", "return False", f"{RUNS}::test_a_reading_that_has_grown_old_is_confirmed_before_it_is_acted_upon"),
    Sabotage("a reading may take for ever", "observer.py",
             "if self._clock.monotonic() - read > self._confirm_after + _LONGEST_READING_SECONDS:", "if False:", f"{RUNS}::test_a_reading_that_took_too_long_confirms_nothing"),
    Sabotage("what is missing at its place is taken for gone", "planner/places.py",
             "if all(wanted.firing <= _held(one) for one in merged) else None", "", f"{RUNS}::test_what_is_not_found_at_its_place_is_looked_for_everywhere"),
    Sabotage("IRM is told that all is well though something was left undone", "irm_heartbeat.py",
             "if status is not RunStatus.SUCCESS:", "if status is RunStatus.FAILED:", "reconciler/test_heartbeat.py::test_a_run_that_left_something_undone_sends_none"),
    Sabotage("a place is read again without proof", "clients/alertmanager.py",
             "        if proven:\n", "        if False:\n", "contract/test_alertmanager_client.py::test_a_place_that_lacks_an_alert_during_a_reload_is_read_again"),
    Sabotage("a lost ledger is not made anew", "adoption.py",
             "if ledger.fresh and not ledger.degraded:", "if False:", f"{DEBTS}::test_a_lost_ledger_is_made_anew_from_our_notes"),
    Sabotage("what IRM resolved with ours is forgotten", "inquiry.py",
             "any(abs(at - one) <= _WITH_THE_ROOT for one in ours)", "False", f"{DEBTS}::test_what_irm_resolved_with_ours_is_a_debt_too"),
    Sabotage("only what fires and is acknowledged is read from IRM", "clients/irm.py",
             '("new", "acknowledged", "silenced")', '("new", "acknowledged")', "contract/test_irm_client.py::test_every_page_of_every_open_state_is_read"),
    Sabotage("IRM is asked to silence for ever", "clients/irm.py",
             "if seconds < 1:", "if False:", "contract/test_irm_acting.py::test_a_silence_for_ever_is_never_asked_for"),
    Sabotage("a bounded list of deliveries is called complete", "clients/irm.py",
             "complete=len(items) <= at_most", "complete=True", "contract/test_irm_client.py::test_no_more_deliveries_than_allowed_are_read"),
    Sabotage("entries that slipped between two pages are not missed", "clients/irm_pages.py",
             "lost = page.count < count_at_start or len(by_id) < count_at_start", "lost = False",
             "contract/test_irm_client.py::test_entries_that_slipped_between_two_pages_are_read_again"),
    Sabotage("the page that IRM names as the next is misread", "clients/irm_pages.py",
             "params = params | self._page_named_by(page.next, listing.operation)", 'params |= {"page": page.next[-1:]}',
             "contract/test_irm_client.py::test_every_page_of_every_open_state_is_read"),
    Sabotage("Alertmanager's own pages find no room", "clients/irm_inbound.py",
             "INBOUND_LIMIT = RateLimit(150, 300.0)", "INBOUND_LIMIT = RateLimit(300, 300.0)", "contract/test_irm_acting.py::test_half_of_what_an_integration_takes_is_left_to_alertmanager"),
    Sabotage("any version of the webhook is believed", "clients/deliveries.py",
             'version: Literal["4"]', "version: str", "unit/test_deliveries.py::test_anything_else_is_unreadable"),
    Sabotage("the receiver stays quoted", "clients/deliveries.py",
             "sys.intern(unquote_meta(wire.receiver))", "sys.intern(wire.receiver)", "unit/test_deliveries.py::test_a_webhook_is_read"),
    Sabotage("unprocessed counts as silenced", "clients/alertmanager_wire.py",
             "    return AlertStatus.ACTIVE\n", '    return AlertStatus.SILENCED if status.state == "unprocessed" else AlertStatus.ACTIVE\n', QUIET),
    Sabotage("a silence counts though Alertmanager calls the alert active", "clients/alertmanager_wire.py",
             'if status.state == "suppressed" and status.silenced_by:', "if status.silenced_by:", QUIET),
    Sabotage("aggregation groups that lack an alert are believed", "clients/alertmanager.py",
             "if held <= grouped and status.uptime == snapshot.started_at:", "if status.uptime == snapshot.started_at:", PROVEN),
    Sabotage("a cluster that settles is called settled", "clients/alertmanager.py",
             'settled=status.cluster.status != "settling"', "settled=True", "contract/test_alertmanager_client.py::test_a_cluster_that_settles_is_seen_to"),
    Sabotage("the shortest repeat_interval is taken", "clients/repeat_interval.py",
             "return max(known)", "return min(known)", "unit/test_repeat_interval.py::test_the_default_counts_unless_the_root_names_another"),
    Sabotage("a repeat_interval that cannot be read does not matter", "clients/repeat_interval.py",
             "if None in found or len(texts) != configuration.count(_NAME):", "if not texts:", "unit/test_repeat_interval.py::test_an_interval_that_cannot_be_read_makes_the_longest_unknown"),
)  # fmt: skip


@cases(SABOTAGES)
def test_it_is_noticed(sabotage: Sabotage, tmp_path: Path) -> None:
    assert_noticed(sabotage, tmp_path)


@of_all
def test_without_sabotage_all_is_well(tmp_path: Path) -> None:
    assert_sound(SABOTAGES, tmp_path)
