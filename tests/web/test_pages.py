"""What the pages show, made by pure functions: words, the verdict, lists, the chart and the story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alertsync.models import (
    Action,
    ActionKind,
    AlertStatus,
    DecisionKind,
    Held,
    Member,
    Outcome,
    Owing,
    Policy,
    RunStatus,
    Silence,
    Summary,
)
from alertsync.store import Store
from alertsync.web.attention import Attention, Engaged, Owed
from alertsync.web.pages import chart, concerns, decisions, owed, phrases, places, story, words
from alertsync.web.pages.verdict import Facts, Tone, Verdict
from alertsync.web.pages.verdict import verdict as judge
from tests.unit.clocks import START, FakeTime
from tests.unit.ledgers import action, debt, decision, lease, run

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Attention("", "", "", (), 0, 0, 0, (), more=False)


def summary(status: RunStatus = RunStatus.SUCCESS, **more: Any) -> Summary:
    return msgspec.convert(run(status=status, **more), Summary, from_attributes=True)


def facts(attention: Attention = NOTHING, **more: Any) -> Facts:
    values: dict[str, Any] = {
        "missing": {},
        "attention": attention,
        "last": summary(),
        "interval": 60.0,
        "leads": True,
        "dry_run": False,
        "repage": True,
    }
    return Facts(**(values | more))


def verdict(these: Facts) -> Verdict:
    return judge(these, concerns.of(these))


def attention(**more: Any) -> Attention:
    return msgspec.structs.replace(NOTHING, **more)


# --- Words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0314, "31 ms"),
        (1, "1 s"),
        (5.25, "5.2 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_duration_has_the_units_that_matter(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "now"), (42, "42 s ago"), (-42, "in 42 s"), (7300, "2 h ago"), (-200000, "in 2 d")],
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert words.age(seconds) == text


def test_a_time_is_as_short_as_it_can_be_and_whole_in_its_title() -> None:
    at = datetime(2026, 11, 23, 9, 5, 7, tzinfo=UTC)
    assert words.short(at, at) == "09:05 UTC"
    assert words.short(at, at + timedelta(days=1)) == "23 Nov 09:05 UTC"
    assert words.short(at, at + timedelta(days=100)) == "23 Nov 2026 09:05 UTC"
    shown = words.moment(at, at)
    assert shown == '<time datetime="2026-11-23T09:05:07Z" title="2026-11-23 09:05:07 UTC">09:05 UTC</time>'


def test_times_in_a_reason_are_shown_like_others_and_all_else_is_escaped() -> None:
    text = "silenced until 2026-11-23 13:00:06 UTC: «<b>2026-13-45 99:99:99 UTC</b>»"
    shown = words.with_moments(text, START)
    assert '<time datetime="2026-11-23T13:00:06Z"' in shown
    assert "&lt;b&gt;2026-13-45 99:99:99 UTC&lt;/b&gt;" in shown


def test_a_sentence_begins_large_and_ends() -> None:
    assert words.sentence("its only alert is active") == "Its only alert is active."
    assert words.sentence("Who is it?") == "Who is it?"
    assert words.sentence("") == ""


def test_counts_say_one_and_many() -> None:
    assert words.many(1, "alert") == "1 alert"
    assert words.many(1234, "alert") == "1,234 alerts"
    assert words.many(2, "inconsistency", "inconsistencies") == "2 inconsistencies"


# --- The verdict ------------------------------------------------------------------------------------------


def test_all_is_well_where_nothing_is_wrong() -> None:
    said = verdict(facts())
    assert (said.tone, said.badge, said.concerns) == (Tone.GOOD, "Working", ())
    assert said.headline == "Working. Alertmanager and IRM tell the same story."


WRONG = [
    (facts(missing={"GRAFANA_IRM_URL": "is not set"}, last=None), Tone.BAD, "Not set up"),
    (facts(attention(owing=(Owed("I1", "Disk", True, None, "no way in"),))), Tone.BAD, "Nobody paged"),
    (facts(attention(due=2, mode="DRY_RUN is on"), dry_run=True), Tone.BAD, "Nobody paged"),
    (facts(attention(due=2, mode="REPAGE=false"), repage=False), Tone.BAD, "Nobody paged"),
    (facts(attention(due=1)), Tone.WARN, "Pages due"),
    (facts(stuck_for=900.0), Tone.BAD, "Stuck"),
    (facts(leads=False), Tone.WARN, "No leader"),
    (facts(last=summary(RunStatus.FAILED), failures=3), Tone.BAD, "Failing"),
    (facts(last=summary(RunStatus.PARTIAL)), Tone.WARN, "Partial"),
    (facts(attention(degraded="disk full")), Tone.BAD, "Degraded"),
    (facts(attention(cannot_act="no")), Tone.BAD, "Cannot act"),
    (facts(attention(heartbeat="HTTP 500")), Tone.WARN, "Unheard"),
    (facts(attention(brakes=(Engaged("gone_ratio", "many", "curl"),))), Tone.WARN, "Braked"),
    (facts(attention(mode="DRY_RUN is on"), dry_run=True), Tone.WATCH, "Dry run"),
    (facts(attention(mode="REPAGE=false"), repage=False), Tone.WARN, "No pages"),
    (facts(last=None), Tone.IDLE, "Starting"),
    (facts(last=None, interval=0.0), Tone.IDLE, "Waiting"),
]


@pytest.mark.parametrize(
    ("known", "tone", "badge"), WRONG, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_is_wrong_is_said_in_a_word_and_with_what_to_do(known: Facts, tone: Tone, badge: str) -> None:
    said = verdict(known)
    assert (said.tone, said.badge) == (tone, badge)
    assert said.headline.endswith(".")
    for one in said.concerns:
        assert one.title
        assert one.text or one.missing


def test_the_worst_is_said_first() -> None:
    said = verdict(facts(attention(due=1, cannot_act="no"), dry_run=True, last=summary(RunStatus.PARTIAL)))
    assert [one.tone for one in said.concerns] == sorted(
        (one.tone for one in said.concerns), key=list(Tone).index
    )
    assert said.tone is Tone.BAD


def test_what_was_left_inconsistent_is_said_though_all_works() -> None:
    assert "2 alert groups are left alone" in verdict(facts(left=2)).headline


# --- Decisions --------------------------------------------------------------------------------------------


def member(number: int, status: AlertStatus = AlertStatus.SILENCED, **labels: str) -> Member:
    return Member(f"f{number}", status, {"alertname": "Disk", "instance": f"db-{number}", **labels})


def a_run() -> Any:
    silence = Silence(
        "s1", "active", (), START, START + timedelta(hours=1), "ana@example.org", "db migration"
    )
    return run(
        decisions=(
            decision("I1", inconsistent=True, members=(member(1), member(2)), silences=(silence,)),
            decision("I2", inconsistent=True, held=Held.DRY_RUN, would=ActionKind.RESOLVE),
            decision("I3", DecisionKind.CONSISTENT, members=(member(3, AlertStatus.ACTIVE, team="db"),)),
        ),
        actions=(action(ActionKind.RESOLVE, Outcome.RESOLVED, "I1", note="written"),),
    )


def ids(wanted: decisions.Wanted) -> set[str]:
    return {one.id for one in decisions.listing(a_run(), wanted).rows}


def test_inconsistencies_are_shown_first_and_the_others_are_a_click_away() -> None:
    assert ids(decisions.Wanted()) == {"I1", "I2"}
    assert ids(decisions.Wanted(show="left")) == {"I3"}
    assert decisions.listing(a_run(), decisions.Wanted()).shows == {
        "inconsistent": 2,
        "left": 1,
        "all": 3,
    }


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("disk of", {"I1", "I2", "I3"}),
        ("INSTANCE=db-2", {"I1"}),
        ("ana migration", {"I1"}),
        ("team=db I3", {"I3"}),
        ("no such", set()),
    ],
)
def test_a_search_wants_every_word_somewhere(q: str, found: set[str]) -> None:
    assert ids(decisions.Wanted(show="all", q=q)) == found


def test_a_filter_takes_one_decision() -> None:
    assert ids(decisions.Wanted(show="all", kind="CONSISTENT")) == {"I3"}


def test_labels_that_all_alerts_share_stand_for_them() -> None:
    (row,) = (one for one in decisions.listing(a_run(), decisions.Wanted()).rows if one.id == "I1")
    assert row.labels == (("alertname", "Disk"),)
    assert row.member_count == 2


def test_what_was_done_would_be_done_and_is_left_is_said() -> None:
    rows = {one.id: one.done for one in decisions.listing(a_run(), decisions.Wanted(show="all")).rows}
    assert rows["I1"].text == f"Resolved by alertsync at {words.utc(START)}, with a note."
    assert rows["I2"].text == "Would be resolved in IRM, were this not a dry run."
    assert rows["I3"].text == "Nothing to do: both say that it fires."


@pytest.mark.parametrize(
    ("outcome", "state", "said"),
    [
        (Outcome.RESOLVED, "firing", "Was firing in IRM when the run looked"),
        (Outcome.ALREADY_RESOLVED, "firing", "Was firing in IRM when the run looked"),
        (Outcome.SILENCED, "firing", "Was firing in IRM when the run looked"),
        (Outcome.UNSILENCED, "silenced", "Was silenced in IRM when the run looked"),
        (Outcome.DELETED, "acknowledged", "Was acknowledged in IRM when the run looked"),
        (Outcome.SILENCED, "silenced", "Silenced in IRM"),
        (Outcome.FAILED, "firing", "Firing in IRM"),
        (Outcome.CANCELLED, "firing", "Firing in IRM"),
        (None, "firing", "Firing in IRM"),
    ],
)
def test_an_alert_group_that_was_acted_upon_is_not_said_to_be_as_it_was(
    outcome: Outcome | None, state: str, said: str
) -> None:
    done = action(ActionKind.RESOLVE, outcome) if outcome else None
    shown = decisions.row(decision("I1", state=state, inconsistent=True), done)
    assert shown.state == said


def test_what_is_remembered_of_an_alert_group_tells_what_was_done_about_it(tmp_path: Path) -> None:
    store = Store(tmp_path, tmp_path, FakeTime().clock, retention=timedelta(days=30))
    told = story.of(None, story.remembered(store, a_run(), "I1", 10), Policy(), START)
    assert told.state == "Was firing in IRM when the run looked"
    assert not told.resolved
    assert told.row is not None
    assert told.row.done.text.startswith("Resolved by alertsync at")


def test_what_becomes_of_our_silences_in_irm_is_told_apart() -> None:
    dry: dict[str, Any] = {"state": "silenced", "held": Held.DRY_RUN}
    planned = run(
        dry_run=True,
        decisions=(
            decision("I1", would=ActionKind.SILENCE, inconsistent=True, held=Held.DRY_RUN),
            decision("I2", would=ActionKind.SILENCE, **dry),
            decision("I3", DecisionKind.CONSISTENT, would=ActionKind.UNSILENCE, **dry),
            decision("I4", would=ActionKind.RESOLVE, inconsistent=True, **dry),
        ),
    )
    assert [(one.id, one.done.text) for one in decisions.mirrored(planned)] == [
        ("I2", "Would be kept silenced in IRM, were this not a dry run."),
        ("I3", "Would be un-silenced in IRM, were this not a dry run."),
    ]


def test_a_dry_run_of_an_older_version_is_shown_as_far_as_it_tells() -> None:
    old = run(decisions=(decision("I1", inconsistent=True, held=Held.DRY_RUN),))
    (row,) = decisions.listing(old, decisions.Wanted()).rows
    assert row.done.text == "Would be acted upon, were this not a dry run."


def test_many_alert_groups_come_in_pages_and_a_page_behind_the_last_is_the_last() -> None:
    many = run(decisions=tuple(decision(f"I{number}", inconsistent=True) for number in range(120)))
    last = decisions.listing(many, decisions.Wanted(page=99))
    assert (last.page, last.pages, last.found) == (3, 3, 120)
    assert len(last.rows) == 120 - 2 * decisions.PAGE


def test_every_kind_of_the_models_has_words() -> None:
    assert set(phrases.KINDS) == set(DecisionKind)
    assert set(phrases.ACTIONS) == set(ActionKind)
    assert set(phrases.OUTCOMES) == set(Outcome)
    assert set(phrases.OWING) == set(Owing)
    assert set(phrases.STATUSES) == set(phrases.STATUS_TONES) == set(RunStatus)
    assert set(phrases.HELD) == set(Held) - {Held.NOT_HELD}


# --- Links to silences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "learned", "own", "found"),
    [
        (
            [],
            ["http://alertmanager.example:9093"],
            "a.example",
            "http://alertmanager.example:9093/#/silences/",
        ),
        (
            ["https://am.example/x/"],
            ["http://other.example"],
            "a.example",
            "https://am.example/x/#/silences/",
        ),
        ([], ["http://a.example", "http://b.example"], "a.example", ""),
        ([], [], "a.example", ""),
        ([], ["http://alertmanager-0:9093"], "a.example", ""),
        ([], ["http://am.monitoring.svc:9093"], "a.example", ""),
        ([], ["http://localhost:9093"], "a.example", ""),
        ([], ["http://127.0.0.1:9093"], "localhost:8080", "http://127.0.0.1:9093/#/silences/"),
        ([], ["javascript:alert(1)//a.example"], "a.example", ""),
    ],
)
def test_a_silence_is_linked_where_a_browser_could_open_it(
    configured: list[str], learned: list[str], own: str, found: str
) -> None:
    assert places.silences_at(configured, learned, own_host=own) == found


def test_the_id_of_a_silence_cannot_leave_its_place_in_the_address() -> None:
    assert places.silence_link("http://a/#/silences/", "../x?y") == "http://a/#/silences/..%2Fx%3Fy"
    assert places.silence_link("", "x") == ""


# --- Owed, past and the chart -----------------------------------------------------------------------------


def test_what_cannot_wait_stands_first_and_then_what_ends_soonest() -> None:
    later, sooner = START + timedelta(hours=2), START + timedelta(hours=1)
    alarmed = msgspec.structs.replace(debt(Owing.DUE).alerts[0], alarm="no way in")
    listed = owed.listing(
        [
            debt(Owing.OWED, name="I1", silenced_until=later),
            debt(Owing.OWED, name="I2", silenced_until=sooner),
            debt(Owing.OWED, name="I3"),
            debt(Owing.DUE, name="I4"),
            debt(name="I5", alerts=(alarmed,)),
            debt(Owing.PAID, name="I6", closed_at=START),
        ]
    )
    assert [one.alert_group_id for one in listed.due] == ["I5", "I4"]
    assert [one.alert_group_id for one in listed.waiting] == ["I2", "I1", "I3"]
    assert [one.alert_group_id for one in listed.over] == ["I6"]


def test_the_chart_draws_runs_in_the_order_of_time_up_to_round_numbers() -> None:
    newest_first = [
        summary(
            inconsistencies_found=3,
            inconsistencies_resolved=2,
            inconsistencies_failed=1,
            duration_seconds=4.0,
        ),
        summary(RunStatus.FAILED, duration_seconds=2.0),
    ]
    drawn = chart.chart(newest_first)
    assert drawn is not None
    assert drawn.most == 5
    failed, last = drawn.columns
    assert failed.bad
    assert failed.x < last.x
    assert last.x + last.width <= chart.WIDTH
    assert (last.found, last.resolved, last.failed, last.duration) == (60.0, 40.0, 20.0, 100.0)
    assert (drawn.found, drawn.resolved, drawn.failed, drawn.bad) == (3, 2, 1, 1)


def test_many_runs_share_columns_and_none_stands_higher_than_the_chart() -> None:
    runs = [
        summary(inconsistencies_found=number % 7, inconsistencies_resolved=number % 7)
        for number in range(480)
    ]
    drawn = chart.chart(runs)
    assert drawn is not None
    assert (len(drawn.columns), drawn.each) == (120, 4)
    assert all(
        one.resolved + one.failed <= chart.HEIGHT and one.found <= chart.HEIGHT for one in drawn.columns
    )
    assert drawn.resolved == sum(one.inconsistencies_resolved for one in runs)


def test_a_single_run_makes_no_chart() -> None:
    assert chart.chart([summary()]) is None
    assert chart.chart([]) is None


@pytest.mark.parametrize(
    ("most", "round_number"), [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (99, 100), (100, 100)]
)
def test_the_scale_ends_at_a_round_number(most: int, round_number: int) -> None:
    assert chart.nice(most) == round_number


# --- The story --------------------------------------------------------------------------------------------


def test_a_story_is_told_in_the_order_of_time_with_what_comes_first() -> None:
    silence = Silence(
        "s1", "active", (), START - timedelta(minutes=5), START + timedelta(hours=1), "ana", "why"
    )
    known = story.Known(
        alert_group=decision().alert_group,
        silences=(silence,),
        actions=(action(ActionKind.RESOLVE, Outcome.RESOLVED, reason="so it is"),),
        debts=(debt(Owing.OWED, silenced_until=START + timedelta(hours=1)),),
        lease=lease(),
    )
    told = story.told(known, START + timedelta(seconds=5))
    assert [one.title for one in told.ahead] == [
        "Our silence in IRM ends",
        "The first silence ends",
        "The silence of ana ends",
    ]
    assert [one.title for one in told.behind] == [
        "Resolved",
        "Written down: 1 alert owed to IRM",
        "ana silenced it",
        "Alert group opened in IRM",
    ]


def test_nothing_known_makes_no_story() -> None:
    assert not story.Known()
    assert story.Known(actions=(Action("I1", ActionKind.RESOLVE, Outcome.FAILED),))
