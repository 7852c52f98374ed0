"""Sabotages of the decisions: whose it is, who is in it, is it quiet, is it gone, and may it be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.harness import Sabotage, assert_noticed, assert_sound, cases, of_all

if TYPE_CHECKING:
    from pathlib import Path

DECISION = "planner/test_decisions.py::test_decision"
GONE = "planner/test_gone.py::test_proof_of_absence"
PEERS = "planner/test_peers.py::test_what_two_peers_say"
LEASES = "planner/test_leases.py::test_what_is_done_about_a_lease"
FOLLOWED = "planner/test_leases.py::test_what_has_become_of_a_lease"
BRAKES = "planner/test_brakes.py"
RATIO = f"{BRAKES}::test_not_many_are_closed_as_gone_at_once"
RENEWED = (
    f"{BRAKES}::test_what_we_hold_silenced_goes_on_being_silenced_while_a_brake_keeps_it_from_being_closed"
)
ATTACHED = (
    "planner/test_leases.py::test_what_is_done_about_a_lease_with_which_irm_silenced_another_alert_group"
)

SABOTAGES = (
    Sabotage("one active member is overlooked where others are silenced", "planner/decide.py",
             "if counts[AlertStatus.ACTIVE] and counts[AlertStatus.SILENCED]:", "if False:", DECISION),
    Sabotage("active members are overlooked", "planner/decide.py",
             "    if counts[AlertStatus.ACTIVE]:\n", "    if False:\n", DECISION),
    Sabotage("muted counts as silenced", "planner/decide.py",
             "    if counts[AlertStatus.MUTED]:\n", "    if False:\n", DECISION),
    Sabotage("an absent member always counts as ended", "planner/decide.py",
             "if (found.absent or found.nameless) and (doubt", "if False and (doubt", DECISION),
    Sabotage("alerts that max_alerts cut are forgotten", "planner/decide.py",
             "if (found.absent or found.nameless) and", "if found.absent and", DECISION),
    Sabotage("what is attached is judged", "planner/decide.py",
             "if group.id in context.ledger.attached:", "if False:", DECISION),
    Sabotage("what cannot be read is judged", "planner/decide.py",
             "    if evidence.unknown:\n", "    if False:\n", DECISION),
    Sabotage("another cluster's firing alerts do not matter", "planner/decide.py",
             "for stream, why in foreign if stream.fires]", "for stream, why in foreign if False]", DECISION),
    Sabotage("the end of the silence does not matter", "planner/decide.py",
             "remaining <= timedelta(0) or remaining < context.policy.min_silence_remaining", "remaining <= timedelta(0)", DECISION),
    Sabotage("the last end counts instead of the first", "planner/decide.py",
             "until = min(view.silences", "until = max(view.silences", DECISION),
    Sabotage("peers may differ", "planner/decide.py", "if len(kinds) > 1:", "if len(kinds) > 9:", PEERS),
    Sabotage("a peer that was missed does not matter", "planner/decide.py",
             "decision.kind is DecisionKind.SILENCED and context.missed", "False",
             "planner/test_peers.py::test_a_peer_that_does_not_answer"),
    Sabotage("the sleepiest sighting of an alert counts", "planner/membership.py",
             "alert = min(sightings,", "alert = max(sightings,", DECISION),
    Sabotage("an alert of a merged group that stands elsewhere now is forgotten", "planner/membership.py",
             "sightings = here.get(fingerprint) or self._by_fingerprint.get(fingerprint)", "sightings = here.get(fingerprint)", DECISION),
    Sabotage("only what the deliveries name is a member of a merged group", "planner/membership.py",
             "for fingerprint in here.keys() | stream.firing:", "for fingerprint in stream.firing:", DECISION),
    Sabotage("an absent fingerprint of a merged group is forgotten", "planner/membership.py",
             "absent.add(fingerprint)", "pass", DECISION),
    Sabotage("an alert that stands elsewhere now is forgotten", "planner/membership.py",
             "member = self.anywhere(fingerprint)", "member = None", DECISION),
    Sabotage("only what the delivery names is a member", "planner/membership.py",
             "found = here | elsewhere if elsewhere else here",
             "found = {name: here[name] for name in here if name in stream.firing} | elsewhere", DECISION),
    Sabotage("an absent fingerprint is forgotten", "planner/membership.py",
             "absent.append(fingerprint)", "pass", DECISION),
    Sabotage("only the newest delivery of a stream is heard", "planner/evidence.py",
             "for fingerprint, fires in said.items() if fires)", 'for fingerprint, fires in said.items() if fires and fingerprint in getattr(newest.content, "firing", ()))', DECISION),
    Sabotage("a bounded reading of deliveries counts as whole", "planner/evidence.py",
             "or (deliveries and not deliveries.complete):", "or False:", DECISION),
    Sabotage("a missing delivery is not missed", "planner/evidence.py",
             "if len(deliveries.items) < max(alert_group.alerts_count, 1):", "if False:", DECISION),
    Sabotage("the last of several deliveries is enough", "planner/evidence.py",
             "whole=alert_group.alerts_count <= 1)", "whole=True)", "planner/test_decisions.py::test_policy_holds"),
    Sabotage("deliveries that are younger than Alertmanager's reading count", "planner/evidence.py",
             "whole=deliveries.read_at <= alerts_read_at", "whole=True",
             "planner/test_decisions.py::test_deliveries_that_were_read_after_alertmanager_close_nothing"),
    Sabotage("maintenance does not matter", "planner/provenance.py", "if integration.in_maintenance:", "if False:", DECISION),
    Sabotage("every integration is Alertmanager's", "planner/provenance.py", "if integration.type not in _TYPES:", "if False:", DECISION),
    Sabotage("rivals teach", "planner/provenance.py", "rival=address.rival or url in rivals", "rival=False",
             "planner/test_provenance.py::test_a_watchdog_that_two_clusters_share_teaches_nothing"),
    Sabotage("rivalry is forgotten on a quiet day", "planner/provenance.py", "rival=address.rival or url in rivals", "rival=url in rivals",
             "planner/test_provenance.py::test_once_a_rival_always_a_rival_even_on_a_day_on_which_ours_is_quiet"),
    Sabotage("a pending silence carries on after a gap", "planner/silences.py", "if silence.starts_at > end:", "if False:",
             "planner/test_silences.py::test_held_until"),
    Sabotage("matchers are not anchored", "planner/silences.py", "pattern.fullmatch(value)", "pattern.search(value)",
             "planner/test_silences.py::test_matchers"),
    Sabotage("absence need not last", "planner/absence.py", "(absent := view.now - sighting.absent_since) < wanted", "(absent := wanted) < wanted", GONE),
    Sabotage("one run is enough to be gone", "planner/absence.py", "sighting.absent_runs + 1 < _RUNS", "False", GONE),
    Sabotage("what was never seen alive may be gone", "planner/absence.py", "if sighting.alive_at is None:", "if False:", GONE),
    Sabotage("a young delivery does not matter", "planner/absence.py", "context.irm_now - evidence.last_at < wanted", "False", GONE),
    Sabotage("an interrupted absence goes on", "planner/absence.py", "if absent and certain:", "if absent:",
             "planner/test_gone.py::test_what_a_run_remembers_of_an_alert_group"),
    Sabotage("an Alertmanager that has just started proves absence", "planner/context.py", "if up < policy.absence_after:", "if False:", GONE),
    Sabotage("an empty Alertmanager proves absence", "planner/context.py", "    if not alerts:\n", "    if False:\n", GONE),
    Sabotage("a cluster that settles proves absence", "planner/context.py", "if not alertmanager.settled:", "if False:", GONE),
    Sabotage("a missing watchdog proves nothing wrong", "planner/context.py", "if policy.absence_watchdog and not", "if False and not", GONE),
    Sabotage("absence is proven without a peer", "planner/context.py", "        if self.missing:\n", "        if False:\n",
             "planner/test_gone.py::test_a_peer_that_does_not_answer_may_know_it"),
    Sabotage("what somebody reopened is closed again", "planner/remember.py", "decision.kind in _OPEN:", "False:",
             "planner/test_remembered.py::test_reopened"),
    Sabotage("what was paged again is closed under the same silences", "planner/remember.py", "if holding and holding <=", "if False and holding <=",
             "planner/test_remembered.py::test_flapping"),
    Sabotage("what cannot be paid is resolved", "planner/policy.py", "if why := unpayable(decision, context):", 'if why := "":',
             "planner/test_remembered.py::test_unpayable"),
    Sabotage("a dry run acts", "planner/policy.py", "    if context.policy.dry_run:\n", "    if False:\n", "planner/test_decisions.py::test_policy_holds"),
    Sabotage("any state is in scope", "planner/policy.py", "decision.alert_group.state not in context.policy.states and not ours_to_close", "False",
             "planner/test_decisions.py::test_policy_holds"),
    Sabotage("a person's word does not stand", "planner/policy.py", "if leases.taken(", "if False and leases.taken(",
             "planner/test_leases.py::test_when_a_lease_is_set"),
    Sabotage("there is no brake on actions", "planner/policy.py", "if actions > policy.max_actions_per_run and", "if False and",
             "planner/test_brakes.py::test_at_most_so_many_actions_a_run_the_oldest_first_the_rest_waits"),
    Sabotage("there is no brake on what is gone", "planner/policy.py", "newly > _FEW and", "False and", RATIO),
    Sabotage("the brake on what is gone never yields", "planner/absence.py", ">= 4 * context.policy.absence_after", ">= 999 * context.policy.absence_after", RATIO),
    Sabotage("a lease outlives an active alert", "planner/leases.py", "    if speaks(decision):\n", "    if False:\n", LEASES),
    Sabotage("a lease is renewed while the peers disagree", "planner/leases.py",
             "decision.kind in _SILENCED and decision.silenced_until", "decision.silenced_until", LEASES),
    Sabotage("nothing wakes the loop before a new lease runs out", "planner/plan.py",
             "if any(one.action is ActionKind.SILENCE for one in decisions):", "if False:",
             "planner/test_wake_at.py::test_a_lease_that_is_set_now_is_looked_at_again_before_it_runs_out"),
    Sabotage("a silence that a person changed is still ours", "planner/leases.py", "group.silenced_at == lease.silenced_at", "True", FOLLOWED),
    Sabotage("a silence that a person ended is set again", "planner/leases.py",
             'if group.state == "firing" and context.irm_now >= lease.until - _SLACK:', 'if group.state == "firing":', FOLLOWED),
    Sabotage("a lease keeps what is attached silent", "planner/plan.py", "decisions = leases.let_attached_speak(decisions, context)", "pass", ATTACHED),
    Sabotage("whatever was silenced since is taken for attached", "planner/leases.py", "<= _TOGETHER", "<= _TOGETHER * 3", ATTACHED),
    Sabotage("a lease ends for what is quiet", "planner/leases.py", "and not held(group, context.leases) and _someone_is_active(decision)", "and not held(group, context.leases)", ATTACHED),
    Sabotage("what we silenced ourselves is taken for attached", "planner/leases.py", " and not held(group, context.leases) and", " and",
             "planner/test_leases.py::test_what_we_silenced_ourselves_in_the_same_moment_is_not_attached"),
    Sabotage("the brake on what is gone lets leases run out", "planner/policy.py", "quiet(_brake(decision, Held.GONE_RATIO, context), context)", "_hold(decision, Held.GONE_RATIO)", RENEWED),
    Sabotage("the brake on actions lets leases run out", "planner/policy.py", "quiet(_brake(decision, Held.MAX_ACTIONS, context), context)", "_hold(decision, Held.MAX_ACTIONS)", RENEWED),
    Sabotage("a dry run renews what a brake holds", "planner/policy.py", "quiet(_brake(decision, Held.GONE_RATIO, context), context)", "_brake(decision, Held.GONE_RATIO, context)", RENEWED),
    Sabotage("what is read in vain is read first", "planner/plan.py", "others.sort(key=lambda one: one.alert_group.id in in_vain)", "pass",
             f"{BRAKES}::test_what_was_read_in_vain_is_wanted_last_and_what_we_hold_silenced_first"),
    Sabotage("every pending silence is matched with every alert", "planner/silences.py", "if silence.ends_at > end and matches(silence, member.labels):", "if matches(silence, member.labels) and silence.ends_at > end:",
             "planner/test_silences.py::test_pending_silences_that_cannot_carry_it_on_are_not_matched_however_many_there_are"),
    Sabotage("an older alert group at the same place is not told from the newer", "planner/remember.py", "if decision.kind in _ALIVE and (newer", "if False and (newer",
             "planner/test_remembered.py::test_superseded"),
)  # fmt: skip


@cases(SABOTAGES)
def test_it_is_noticed(sabotage: Sabotage, tmp_path: Path) -> None:
    assert_noticed(sabotage, tmp_path)


@of_all
def test_without_sabotage_all_is_well(tmp_path: Path) -> None:
    assert_sound(SABOTAGES, tmp_path)
