"""Sabotages of what is owed: a debt that is forgotten, paid too early or posted wrongly is a page that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.harness import Sabotage, assert_noticed, assert_sound, cases, of_all

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "planner/test_debts.py::test_what_becomes_of_an_owed_alert"
PAYS = "planner/test_payments.py::test_what_pays_in_an_open_alert_group"
SETTLE = "planner/test_settle.py"

SABOTAGES = (
    Sabotage("what another process owes is not read", "store/writer.py",
             "return self.whole and stamp == self.base and self.pending is None", "return self.whole and self.pending is None",
             "store/test_ledger.py::test_what_another_process_commits_is_read"),
    Sabotage("what a new database owes is not read", "store/writer.py",
             "ledger, fresh, whole = held.ledger, held.ledger.fresh, False", "ledger, fresh, whole = held.ledger, held.ledger.fresh, True",
             "store/test_faults.py::test_a_new_database_that_another_process_made_is_filled_from_memory"),
    Sabotage("what we posted counts as paid without being read back", "planner/debts.py",
             "    if alert.state is not Owing.POSTED:\n", '    if alert.posts:\n        return msgspec.structs.replace(alert, state=Owing.PAID, why="Ok.")\n    if alert.state is not Owing.POSTED:\n', ROWS),
    Sabotage("a post that was lost is never made again", "planner/debts.py", "if alert.posts < MAX_POSTS:", "if False:", ROWS),
    Sabotage("a post is made again and again for ever", "planner/debts.py", "if alert.posts < MAX_POSTS:", "if True:", ROWS),
    Sabotage("a post is made again at once", "planner/debts.py", "if alert.waited <= _RUNS_TO_WAIT or now < look_again_at(alert, now):", "if False:", ROWS),
    Sabotage("what is absent lapses at once", "planner/debts.py", "context.irm_now - debt.last_delivery_at > repeat_interval(context)", "True", ROWS),
    Sabotage("what is absent lapses without proof", "planner/debts.py", "if not context.absence_doubt and _would_be", "if _would_be", ROWS),
    Sabotage("an unknown repeat_interval is none", "planner/debts.py", "view.repeat_interval or _UNKNOWN_REPEAT for", "view.repeat_interval or timedelta(0) for", ROWS),
    Sabotage("the shortest repeat_interval counts", "planner/debts.py", "return max(known, default=_UNKNOWN_REPEAT)", "return min(known, default=_UNKNOWN_REPEAT)",
             "planner/test_debts.py::test_of_two_peers_the_longer_repeat_interval_counts_and_an_unknown_one_is_five_days"),
    Sabotage("what is routed elsewhere is forgotten", "models/ledger.py", "Owing.POSTED, Owing.REROUTED)", "Owing.POSTED)", f"{ROWS}"),
    Sabotage("one glance elsewhere is rerouted", "planner/debts.py", "if seen < _RUNS_ELSEWHERE:", "if False:", ROWS),
    Sabotage("what is active is only owed", "planner/debts.py", "if here is AlertStatus.ACTIVE:", "if False:", ROWS),
    Sabotage("the sleepiest peer counts", "planner/debts.py", "return min((member.status for member in members)", "return max((member.status for member in members)",
             "planner/test_debts.py::test_the_most_wakeful_peer_counts"),
    Sabotage("a debt in doubt is void at once", "planner/debts.py", "over = context.now - debt.made_at > _SETTLED_AFTER", "over = True",
             f"{SETTLE}::test_it_is_open_and_irm_may_still_carry_the_resolve_out_so_the_debt_stays_in_doubt"),
    Sabotage("what Alertmanager resolved is owed by us", "planner/debts.py", "if group.resolved_by is None:", "if False:",
             f"{SETTLE}::test_alertmanager_resolved_it_so_nothing_is_owed"),
    Sabotage("what a user resolved is not owed", "planner/debts.py", "if group.resolved_by is None:", "if True:", f"{SETTLE}::test_the_resolve_happened"),
    Sabotage("the debt of a deleted alert group is forgotten", "planner/debts.py", "return msgspec.structs.replace(debt, resolved_at=context.irm_now)", "return _void(debt, context)",
             f"{SETTLE}::test_the_resolve_happened"),
    Sabotage("a delivery before the resolve pays", "planner/payments.py", "if delivery.created_at > resolved_at and group_id", "if group_id", PAYS),
    Sabotage("the delivery of the alert group that we resolved pays", "planner/payments.py", "if delivery.created_at > resolved_at and group_id != debt.alert_group_id:", "if delivery.created_at > resolved_at:",
             "planner/test_payments.py::test_a_delivery_of_the_alert_group_that_we_resolved_is_no_payment"),
    Sabotage("a delivery for another receiver pays", "planner/payments.py", "_Place(content.receiver, frozenset(", '_Place("oncall", frozenset(',
             "planner/test_payments.py::test_what_pays_where_a_template_merges_places"),
    Sabotage("another cluster pays", "planner/payments.py", "content.external_url not in self._context.ours |", "False and content.external_url not in self._context.ours |",
             "planner/test_payments.py::test_a_delivery_of_another_cluster_pays_nothing"),
    Sabotage("that it ended pays", "planner/payments.py", "        return content.firing\n", "        return content.firing | content.resolved\n", PAYS),
    Sabotage("only the last delivery is looked at", "planner/payments.py", "for delivery in read.items if read and read.items else (last,):", "for delivery in (last,):",
             "planner/test_payments.py::test_older_deliveries_pay_too"),
    Sabotage("the last delivery is not looked at where none could be read", "planner/payments.py", "for delivery in read.items if read and read.items else (last,):", "for delivery in read.items if read else (last,):",
             "planner/test_payments.py::test_the_last_delivery_pays_although_none_could_be_read"),
    Sabotage("what joined elsewhere is owed here", "planner/debts.py", "content.group_labels) != here:", "content.group_labels) == ():",
             f"{SETTLE}::test_what_was_delivered_between_the_writing_and_the_resolve_is_owed_too"),
    Sabotage("alert groups that are resolved by now are not looked at", "planner/payments.py", "for group in (*snapshots.irm.alert_groups, *later):", "for group in snapshots.irm.alert_groups:",
             "planner/test_payments.py::test_what_pays_in_an_alert_group_that_is_resolved_by_now"),
    Sabotage("it is posted before it was searched for", "planner/reckoning.py", "            certain = not findings.lags and (\n", "            certain = True or (\n",
             "planner/test_payments.py::test_before_anything_is_posted_again_the_resolved_alert_groups_are_to_be_read"),
    Sabotage("maintenance swallows the page", "planner/reckoning.py", "if integration is not None and integration.in_maintenance:\n        return None", "if False:\n        return None",
             "planner/test_repages.py::test_what_cannot_be_posted_is_due_with_an_alarm"),
    Sabotage("the last resort comes at once", "planner/reckoning.py", "last_resort = alarmed and waited and context.irm_now - due_at >= _BEFORE_LAST_RESORT", "last_resort = alarmed",
             "planner/test_repages.py::test_the_last_resort"),
    Sabotage("DRY_RUN and REPAGE=false post all the same", "planner/reckoning.py", "repages=() if suspended else due", "repages=() if False else due",
             "planner/test_repages.py::test_debts_are_suspended_and_none_is_deleted"),
    Sabotage("each debt of a place is posted", "planner/reckoning.py", 'alone = debt.id if debt.receiver is None else ""', "alone = debt.id",
             "planner/test_repages.py::test_one_post_pays_every_debt_of_a_place"),
    Sabotage("the old groupKey is used after a reload", "planner/reckoning.py", "return newest.content.group_key if same else debt.group_key", "return debt.group_key",
             "planner/test_repages.py::test_the_group_key_is_that_of_the_newest_delivery_of_the_place"),
    Sabotage("nothing wakes the loop when an owed silence ends", "planner/reckoning.py", "        if debt.silenced_until is not None:\n", "        if False:\n",
             "planner/test_wake_at.py::test_the_end_of_an_owed_silence_is_waited_for_and_a_moment_more"),
    Sabotage("what has ended is not owed", "planner/obligations.py", "for fingerprint in stream.firing}", "for fingerprint in stream.firing if context.knows(fingerprint)}",
             "planner/test_obligations.py::test_an_alert_that_a_delivery_left_firing_and_that_has_ended_is_owed_too"),
    Sabotage("what joined silently is not owed", "planner/obligations.py", "        if stream.last_word is not None:\n", "        if False:\n",
             "planner/test_obligations.py::test_an_alert_that_joined_silently_is_owed_too"),
    Sabotage("a marker that was taken back still counts", "planner/adopt.py", "return bool(said - {", "return bool(said or {", "planner/test_adopt.py::test_marks"),
    Sabotage("the receiver is posted without quotes", "planner/payload.py", 'quote_meta(repage.receiver or "alertsync")', 'repage.receiver or "alertsync"',
             "planner/test_payload.py::test_the_receiver_is_quoted_as_alertmanager_does"),
    Sabotage("what one alert says is called common", "planner/payload.py", "if all(one.get(name) == value for one in others)", "if True", "planner/test_payload.py::test_common"),
)  # fmt: skip


@cases(SABOTAGES)
def test_it_is_noticed(sabotage: Sabotage, tmp_path: Path) -> None:
    assert_noticed(sabotage, tmp_path)


@of_all
def test_without_sabotage_all_is_well(tmp_path: Path) -> None:
    assert_sound(SABOTAGES, tmp_path)
