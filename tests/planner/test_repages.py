"""What is posted again: one post for a place, oldest first, the last resort, and what suspends all of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import ActionKind, Held, Integration, OwedAlert, Owing, Policy, Webhook
from alertsync.planner import foreseen
from alertsync.planner.reckoning import NO_LAST_RESORT
from tests.planner.owing import RESOLVED_AT, WITNESS, a_minute_later, debt, judged, owed, reckon, told
from tests.planner.world import INTEGRATION, NOW, OURS, RECEIVER, THEIRS, alert, alertmanager, group, webhook

AB = alertmanager(group(alert("a"), alert("b")), WITNESS)
AGO = RESOLVED_AT - timedelta(hours=1)


def test_a_repage_says_all_that_the_post_needs() -> None:
    [repage] = reckon(debt()).repages
    assert (repage.debts, repage.alert_group_id, repage.integration_id) == (("I0/0",), "I0", "C1")
    assert (repage.receiver, repage.group_labels) == (RECEIVER, {"alertname": "Disk"})
    assert (repage.external_url, repage.group_key) == (OURS, "key of the old delivery")
    assert (repage.fingerprints, repage.due_since) == (frozenset("a"), RESOLVED_AT)
    assert not repage.last_resort
    assert repage.reason.startswith("1 alert(s) (Disk) are active in Alertmanager, and IRM does not know")


def test_one_post_pays_every_debt_of_a_place() -> None:
    older = debt(
        owed("b"),
        id="I9/0",
        alert_group_id="I9",
        made_at=AGO,
        resolved_at=AGO,
        last_delivery_at=AGO,
        group_key="older key",
    )
    [repage] = reckon((debt(), older), known=AB).repages
    assert repage.debts == ("I9/0", "I0/0")
    assert repage.fingerprints == {"a", "b"}
    assert repage.due_since == AGO, "it is as old as the oldest"
    assert (repage.alert_group_id, repage.group_key) == ("I0", "key of the old delivery"), (
        "the newest delivery's"
    )


APART = [
    pytest.param({"group_labels": {"alertname": "Cpu"}}, group(alert("b"), alertname="Cpu"), id="other group labels"),
    pytest.param({"receiver": "other"}, group(alert("b"), receiver="other"), id="another receiver"),
    pytest.param({"integration_id": "C2"}, group(alert("b")), id="another integration"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "there"), APART)
def test_each_place_gets_its_own_post_the_oldest_first(where: dict[str, Any], there: Any) -> None:
    older = debt(owed("b"), **{"id": "I9/0", "alert_group_id": "I9", "made_at": AGO, **where})
    known = alertmanager(group(alert("a")), there, WITNESS)
    two = (INTEGRATION, msgspec.structs.replace(INTEGRATION, id="C2"))
    made = reckon((debt(), older), known=known, integrations=two, later={"C1": (), "C2": ()})
    assert [repage.debts for repage in made.repages] == [("I9/0",), ("I0/0",)]


def test_legacy_alerts_have_no_place_so_each_is_posted_for_itself() -> None:
    legacy: dict[str, Any] = {"receiver": None, "group_labels": {}, "external_url": "", "group_key": ""}
    both = (debt(**legacy), debt(owed("b"), id="I9/0", alert_group_id="I9", **legacy))
    assert [repage.fingerprints for repage in reckon(both, known=AB).repages] == [
        frozenset("a"),
        frozenset("b"),
    ]


def test_only_what_is_due_is_posted() -> None:
    both = debt(owed("a", state=Owing.POSTED, posts=1), owed("b"))
    [repage] = reckon(both, known=AB).repages
    assert repage.fingerprints == {"b"}


def key(name: str, *firing: str, **more: Any) -> Webhook:
    return msgspec.structs.replace(webhook(*firing, **more), group_key=name)


KEYS = [
    pytest.param("new key", told(key("new key", "b")), id="a newer delivery of the place is open: its key"),
    pytest.param("key of the old delivery", told(key("older key", "b"), minutes_ago=31), id="an older one: the debt's own"),
    pytest.param("key of the old delivery", told(key("other key", "b", alertname="Cpu")), id="one of another place: the debt's own"),
    pytest.param("key of the old delivery", told(key("other key", "b"), integration_id="C2"), id="one of another integration: the debt's own"),
    pytest.param("key of the old delivery", told(key("other key", "b", url=THEIRS)), id="one of another cluster: the debt's own"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "one"), KEYS)
def test_the_group_key_is_that_of_the_newest_delivery_of_the_place(expected: str, one: Any) -> None:
    [repage] = reckon(debt(), one).repages
    assert repage.group_key == expected


@pytest.mark.parametrize(
    "policy", [Policy(repage=False), Policy(dry_run=True)], ids=["REPAGE=false", "DRY_RUN=true"]
)
def test_debts_are_suspended_and_none_is_deleted(policy: Policy) -> None:
    made = reckon(debt(), policy=policy)
    assert made.repages == ()
    assert made.withheld == reckon(debt()).repages, "and it is told what they keep back"
    assert made.wake_at is None
    assert judged(made).state is Owing.DUE, "what is due still shows"
    assert made.debts[0].is_open


@pytest.mark.parametrize(
    "policy",
    [
        Policy(on_silenced="report"), Policy(on_silenced="silence"), Policy(states=frozenset()), Policy(max_actions_per_run=0),
        Policy(integration_ids=frozenset({"C2"})), Policy(external_urls=frozenset({THEIRS})),
    ],
    ids=["ON_SILENCED=report", "ON_SILENCED=silence", "no state in scope", "no action allowed", "integration out of scope", "address out of scope"],
)  # fmt: skip
def test_what_we_owe_is_honoured_whatever_policy_says(policy: Policy) -> None:
    assert len(reckon(debt(), policy=policy).repages) == 1


HELD = [
    pytest.param({}, Held.NOT_HELD, id="a run that pages"),
    pytest.param({"dry_run": True}, Held.DRY_RUN, id="a dry run"),
    pytest.param({"repage": False}, Held.POLICY, id="REPAGE=false"),
    pytest.param(
        {"dry_run": True, "repage": False}, Held.POLICY, id="without the dry run it would be held as well"
    ),
]


@pytest.mark.parametrize(("rules", "held"), HELD)
def test_the_record_names_whom_somebody_is_paged_for_again_and_what_keeps_it_back(
    rules: dict[str, Any], held: Held
) -> None:
    older = debt(
        owed("b"), id="I9/0", alert_group_id="I9", made_at=AGO, resolved_at=AGO, last_delivery_at=AGO
    )
    policy = Policy(**rules)
    [page], omitted = foreseen.repages(reckon((debt(), older), known=AB, policy=policy), policy)
    assert (page.alert_group_id, page.title, page.receiver) == ("I0", "Disk", RECEIVER)
    assert (page.debts, page.due_since) == (("I9/0", "I0/0"), AGO)
    assert [one.labels["instance"] for one in page.alerts] == ["a", "b"]
    assert "IRM does not know since Disk was resolved" in page.reason
    assert (page.action, page.held, page.alerts_omitted, omitted) == (ActionKind.REPAGE, held, 0, 0)


def test_the_record_of_very_many_pages_stays_small() -> None:
    names = [f"a{number}" for number in range(30)]
    debts = [
        debt(*(owed(name) for name in names), id=f"I{number:03}/0", group_labels={"n": str(number)})
        for number in range(120)
    ]
    places = [group(*map(alert, names), n=str(number)) for number in range(120)]
    made = reckon(tuple(debts), known=alertmanager(*places, WITNESS))
    pages, omitted = foreseen.repages(made, Policy())
    assert (len(made.repages), len(pages), omitted) == (120, 100, 20)
    assert (len(pages[0].alerts), pages[0].alerts_omitted) == (20, 10)
    assert pages[0].debts == ("I000/0",), "those of the oldest debts stay"


def test_the_record_says_where_an_alert_group_is_opened_again_as_nothing_can_be_posted() -> None:
    made = reckon(debt())
    last = msgspec.structs.replace(
        made, repages=(msgspec.structs.replace(made.repages[0], last_resort=True),)
    )
    [page], _ = foreseen.repages(last, Policy())
    assert page.action is ActionKind.UNRESOLVE


def with_integration(**change: Any) -> tuple[Integration, ...]:
    return (msgspec.structs.replace(INTEGRATION, **change),)


NO_LINK, MAINTENANCE, UNLISTED = with_integration(receives=False), with_integration(in_maintenance=True), ()
NO_WAY = [
    pytest.param(NO_LINK, "has no inbound URL any more", id="the inbound URL is lost"),
    pytest.param(MAINTENANCE, "is in maintenance, which would swallow the page", id="the integration is in maintenance"),
    pytest.param(UNLISTED, "is not among those that IRM lists any more", id="the integration is deleted"),
]  # fmt: skip


@pytest.mark.parametrize(("integrations", "words"), NO_WAY)
def test_what_cannot_be_posted_is_due_with_an_alarm(integrations: Any, words: str) -> None:
    made = reckon(debt(), integrations=integrations)
    assert judged(made).state is Owing.DUE
    assert words in judged(made).alarm
    assert made.repages == ()


@pytest.mark.parametrize(("integrations", "words"), NO_WAY)
def test_the_alarm_ends_with_its_cause_and_the_page_goes_out(integrations: Any, words: str) -> None:
    [before] = reckon(debt(), integrations=integrations).debts
    after = reckon(before)
    assert words in before.alerts[0].alarm
    assert judged(after).alarm == ""
    assert [repage.last_resort for repage in after.repages] == [False]


LAST = [
    pytest.param(NO_LINK, [[], [], [True], [True]], id="the inbound URL is lost: opened again after two minutes"),
    pytest.param(UNLISTED, [[], [], [True], [True]], id="the integration is deleted: opened again after two minutes"),
    pytest.param(MAINTENANCE, [[], [], [], []], id="maintenance ends some day: never opened again, it waits"),
]  # fmt: skip


@pytest.mark.parametrize(("integrations", "expected"), LAST)
def test_the_last_resort(integrations: Any, expected: list[list[bool]]) -> None:
    """A run each minute."""
    one, found = debt(), []
    for _ in expected:
        made = reckon(one, integrations=integrations)
        [one] = map(a_minute_later, made.debts)
        found.append([repage.last_resort for repage in made.repages])
    assert found == expected


def due(alarm: str = "", *, runs: int = 2, minutes: float = 2) -> OwedAlert:
    """Make an alert that is due since so many runs and minutes."""
    return owed(state=Owing.DUE, waited=runs, due_at=NOW - timedelta(minutes=minutes), alarm=alarm)


REFUSED = "its integration refuses the page: 404"


@pytest.mark.parametrize(
    ("alert", "last_resort"),
    [
        pytest.param(due(REFUSED), True, id="refused in two runs and for two minutes: the last resort"),
        pytest.param(due(REFUSED, minutes=1), False, id="refused in two runs, but not for two minutes: posted again"),
        pytest.param(due(REFUSED, runs=0), False, id="refused for two minutes, but not in two runs: posted again"),
        pytest.param(due(runs=9, minutes=90), False, id="it waits for long, but nothing refuses it: posted"),
    ],
)  # fmt: skip
def test_an_integration_that_refuses_the_page_leads_to_the_last_resort_too(
    alert: OwedAlert, last_resort: bool
) -> None:
    made = reckon(debt(alert))
    assert [repage.last_resort for repage in made.repages] == [last_resort]
    assert judged(made).alarm == alert.alarm


def test_three_posts_in_vain_lead_to_the_last_resort_too() -> None:
    ago = NOW - timedelta(minutes=15)
    in_vain = owed(state=Owing.POSTED, posts=3, waited=2, posted_at=ago, due_at=ago)
    [repage] = reckon(debt(in_vain)).repages
    assert repage.last_resort
    assert repage.alert_group_id == "I0"


def test_what_nothing_of_ours_can_page_is_told_and_left() -> None:
    hopeless = debt(due(NO_LAST_RESORT))
    made = reckon(hopeless, integrations=NO_LINK)
    assert made.repages == ()
    assert judged(made).alarm == NO_LAST_RESORT


def test_what_is_hopeless_does_not_keep_others_of_its_place_from_being_posted() -> None:
    both = (debt(due(NO_LAST_RESORT)), debt(owed("b"), id="I9/0", alert_group_id="I9"))
    [repage] = reckon(both, known=AB).repages
    assert not repage.last_resort
    assert "b" in repage.fingerprints


def test_what_was_opened_again_is_paid_in_the_next_run() -> None:
    opened = debt(owed(state=Owing.POSTED, posts=4), alert_group_id="I1", unresolved=True)
    made = reckon(opened, told(webhook("a"), id="I1", created_at=NOW - timedelta(hours=2)))
    assert judged(made).state is Owing.PAID


def test_a_new_debt_in_the_same_place_does_not_hurry_the_last_resort_of_a_working_link() -> None:
    both = (debt(), debt(owed("b", state=Owing.DUE, waited=9), id="I9/0", alert_group_id="I9"))
    [repage] = reckon(both, known=AB).repages
    assert not repage.last_resort
