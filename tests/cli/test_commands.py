"""`explain`, `history` and `run --lift`: what a person at a terminal reads, and what a script gets."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from alertsync import bootstrap
from alertsync.__main__ import main
from alertsync.cli import explain, history, runs
from alertsync.cli.paper import Paper
from alertsync.errors import AlertsyncError, NotReadyError, RunBusyError, UnknownAlertGroupError
from alertsync.locks import FileLock
from alertsync.models import EventOutcome, HandledEvent, Held, LedgerChange, Owing, WebhookEvent
from alertsync.progress import Board, Phase
from tests.docs import settings
from tests.reconciler.bench import Bench, bench
from tests.service import command
from tests.unit.clocks import START
from tests.unit.ledgers import debt, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    monkeypatch.setenv("COLUMNS", "300")
    with bench(monkeypatch, tmp_path) as it:
        yield it


def listed(world: Bench, what: str = "runs", *, limit: int = 50, before: str | None = None) -> int:
    return history.show(world.services, what=what, limit=limit, before=before, as_json=False)


# --- explain ----------------------------------------------------------------------------------------------


def test_an_open_alert_group_is_explained_member_by_member(
    world: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    group = world.fire("Disk", "a", "b")
    world.silence("Disk", instance="a")
    assert explain.explain(world.services, group.id, as_json=False) == 0
    told = capsys.readouterr().out
    assert f"Disk ({group.id}), firing in IRM" in told
    assert "PARTIALLY_SILENCED: 1 of 2 alerts silenced" in told
    assert re.search(r"instance=a +silenced +ana@example.org until 2026-11-23 .* UTC: «db migration»", told)
    assert re.search(r"instance=b +active$", told, re.MULTILINE)
    assert re.search(r"2026-11-23 .* UTC  2 firing, 0 resolved; receiver oncall, alertname=Disk", told)
    assert "We have never acted on it." in told


def test_a_resolved_alert_group_is_explained_by_what_we_owe_and_did(
    world: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    group = world.fire("Disk")
    world.silence("Disk", minutes=5)
    world.run()
    assert explain.explain(world.services, group.id, as_json=False) == 0
    told = capsys.readouterr().out
    assert "It is resolved" in told
    assert "Debt of the resolve at 2026-11-23" in told
    assert re.search(r"instance=a +owed +0", told)
    assert re.search(r"resolve +resolved +\S+ +its only alert is silenced by ana@example.org", told)


def test_a_lease_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        group = world.fire("Disk")
        world.silence("Disk")
        world.run()
        explain.explain(world.services, group.id, as_json=False)
    assert re.search(r"Silenced in IRM by us until 2026-11-23 .* UTC: held", capsys.readouterr().out)


def test_an_explanation_as_json_is_that_of_the_api(world: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    group = world.fire("Disk")
    assert explain.explain(world.services, group.id, as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["decision"]["decision"] == "CONSISTENT"
    assert shown["deliveries"][0]["type"] == "webhook"


def test_what_strangers_call_things_cannot_steer_a_terminal(
    world: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    group = world.fire("Disk\x1b[2J")
    world.silence("Disk\x1b[2J")
    world.run()
    explain.explain(world.services, group.id, as_json=False)
    for what in ("runs", "actions", "debts"):
        listed(world, what)
    assert "\x1b" not in capsys.readouterr().out


def test_an_alert_group_that_does_not_exist_is_an_error(world: Bench) -> None:
    with pytest.raises(UnknownAlertGroupError, match="NOBODY"):
        explain.explain(world.services, "NOBODY", as_json=False)


def test_without_the_settings_of_irm_nothing_is_explained(tmp_path: Path) -> None:
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))
    with pytest.raises(NotReadyError, match="GRAFANA_IRM_TOKEN"):
        explain.explain(services, "I1", as_json=False)


def test_what_irm_told_and_our_silences_are_explained_and_listed(
    world: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    group = world.fire("Disk", "a")
    world.reconciler.silence(group.id, timedelta(hours=1), "db migration", "ana")
    until = world.time.clock.now() + timedelta(hours=2)
    told = WebhookEvent("e1", START, "silence", group.id, "Disk", START, until, "U1", "bob@example.org")
    over = WebhookEvent("e2", START, "unsilence", group.id, "Disk")
    world.services.store.handle(
        [HandledEvent(told, START, EventOutcome.STRANGER, "bob is not on the list"), HandledEvent(over)]
    )
    assert explain.explain(world.services, group.id, as_json=False) == 0
    said = capsys.readouterr().out
    assert "Silences in Alertmanager that are ours, made last first:" in said
    assert re.search(r"ana +active +2026-11-23 13:.* UTC +db migration", said)
    assert re.search(
        r"silence +bob@example.org +2026-11-23 14:.* UTC +stranger +bob is not on the list", said
    )
    assert re.search(r"unsilence +nobody +waits for a run", said)
    assert explain.explain(world.services, group.id, as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["silences"][0]["author"], len(shown["events"])) == ("ana", 2)
    for what, says in (
        ("silences", r"Disk .* ana +active"),
        ("events", r"Disk .* bob@example.org .* stranger"),
    ):
        assert listed(world, what) == 0
        assert re.search(says, capsys.readouterr().out)
        assert history.show(world.services, what=what, limit=1, before=None, as_json=True) == 0
        assert len(json.loads(capsys.readouterr().out)["items"]) == 1
        with pytest.raises(AlertsyncError, match="--before is no cursor"):
            listed(world, what, before="nonsense")


# --- history ----------------------------------------------------------------------------------------------


def test_the_runs_are_listed_newest_first(world: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = world.run(), world.run(dry_run=True)
    assert listed(world) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["RUN", "STARTED", "TRIGGER", "STATUS", "MESSAGE"]
    ids = sorted([first.run_id, second.run_id], reverse=True)
    assert [line.split()[0] for line in lines[1:]] == ids
    assert any("success (dry run)" in line for line in lines)


def test_actions_and_debts_are_listed_with_their_reasons(
    world: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    group = world.fire("Disk")
    world.silence("Disk")
    world.run()
    listed(world, "actions")
    listed(world, "debts")
    told = capsys.readouterr().out
    assert re.search(rf"{group.id}  Disk +resolve +resolved +its only alert is silenced by ana@", told)
    assert re.search(rf"{group.id}  Disk +1 owed +.*its only alert is silenced by ana@", told)


def test_a_page_ends_with_how_to_go_on(world: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        world.services.store.save_run(run(number))
    seen: list[str] = []
    before = None
    while True:
        listed(world, limit=2, before=before)
        told = capsys.readouterr().out
        seen += re.findall(r"^(2026\S+)", told, re.MULTILINE)
        more = re.search(r"more with --before (\S+)", told)
        if more is None:
            break
        before = more[1]
    assert seen == [run(number).run_id for number in reversed(range(5))]


def test_an_alarm_stands_in_the_list_of_debts(world: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made = debt(Owing.POSTED)
    alarmed = type(made.alerts[0])("f0", {}, Owing.POSTED, alarm="no delivery was seen")
    world.services.store.commit(LedgerChange(debts=(debt(alerts=(alarmed,)), debt(name="I2", void=True))))
    listed(world, "debts")
    told = capsys.readouterr().out
    assert "no delivery was seen" in told
    assert "void" in told


@pytest.mark.parametrize("what", ["runs", "actions", "debts"])
def test_history_as_json_is_that_of_the_api(
    world: Bench, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    history.show(world.services, what=what, limit=5, before=None, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"items": [], "next": None}
    listed(world, what)
    assert capsys.readouterr().out == "nothing is recorded\n"


def test_a_cursor_that_is_not_understood_is_an_error(world: Bench) -> None:
    with pytest.raises(AlertsyncError, match="--before"):
        listed(world, before="nonsense")


# --- run --------------------------------------------------------------------------------------------------


def test_a_lifted_brake_lets_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bench(monkeypatch, tmp_path, MAX_ACTIONS_PER_RUN="1") as world:
        for name in ("Disk", "Net", "Cpu"):
            world.fire(name)
            world.silence(name)
        assert runs.run(world.services, rehearsal=False, as_json=False) == 0
        assert "held (max_actions)" in capsys.readouterr().out
        lift = frozenset({"max_actions"})
        assert runs.run(world.services, rehearsal=False, as_json=True, lift=lift) == 0
        done = json.loads(capsys.readouterr().out)
        assert (done["lifted"], done["inconsistencies_resolved"]) == (["max_actions"], 2)


@pytest.mark.parametrize(("policy", "said"), [("resolve", "would resolve"), ("silence", "would silence")])
def test_a_plan_names_what_a_run_would_do(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    policy: str,
    said: str,
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED=policy) as world:
        world.fire("Disk")
        world.silence("Disk")
        assert runs.run(world.services, rehearsal=True, as_json=False) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("repage", "said"),
    [
        ("true", ("Would be paged again (1)", "would repage")),
        ("false", ("Due, and nobody is paged (1)", "held (REPAGE=false)")),
    ],
)
def test_a_plan_names_the_pages_that_it_would_send_again(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    repage: str,
    said: tuple[str, str],
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        group = world.fire("Disk")
        world.silence("Disk", minutes=5)
        world.run()
        world.pass_time(6 * 60)
        world.restart(REPAGE=repage)
        runs.run(world.services, rehearsal=True, as_json=False)
        piped = capsys.readouterr().out
        runs.run(world.services, rehearsal=True, as_json=True)
        [page] = json.loads(capsys.readouterr().out)["repages"]
        done = world.run(dry_run=True)
        on = Paper(200, now=world.time.clock.now())
        told = "\n".join(runs._for_a_person(done, world.services.settings.policy, on, rehearsal=True))
        assert world.posts() == 1, "Alertmanager's own"
    assert re.search(rf"^{group.id} +Disk +oncall +{re.escape(said[1])} +1 alert\(s\)", piped, re.MULTILINE)
    assert page["alert_group_id"] == group.id
    assert said[0] in told
    assert said[1] in told


def test_a_plan_names_the_silences_that_it_would_make_because_of_one_in_irm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bench(monkeypatch, tmp_path, WEBHOOK_EMAIL_ALLOWLIST="*@example.org") as world:
        ann = world.irm.add_user("token-of-ann", email="ann@example.org")
        group = world.fire("Disk")
        world.irm.silence(group.id, by=ann, delay=3600)
        now = world.time.clock.now()
        world.services.store.receive(
            WebhookEvent(
                "e1", now, "silence", group.id, at=group.silenced_at, user_id="U", user_email=ann.email
            )
        )
        runs.run(world.services, rehearsal=True, as_json=False)
        told = capsys.readouterr().out
        assert world.alertmanager.silences() == []
    row = rf"^{group.id} +Disk +would create silence +alertname=Disk, instance=a +ann@example.org silenced"
    assert re.search(row, told, re.MULTILINE)


def test_a_page_again_is_told_though_its_alert_group_is_not_open(
    world: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fire("Disk")
    world.silence("Disk", minutes=5)
    world.run()
    world.pass_time(6 * 60)
    runs.run(world.services, rehearsal=False, as_json=False)
    told = capsys.readouterr().out
    assert re.search(r"Disk +repage +posted", told)
    assert "1 re-paged" in told


# --- usage ------------------------------------------------------------------------------------------------

WRONG: dict[str, list[str]] = {
    "names no brakes": ["run", "--lift", "all"],
    "'' names no brakes": ["run", "--lift", ""],
    "unrecognized arguments: --lift": ["plan", "--lift", "max_actions"],
    "'0' is not a whole number from 1 to 500": ["history", "--limit", "0"],
    "'501' is not a whole number from 1 to 500": ["history", "--limit", "501"],
    "'many' is not a whole number from 1 to 500": ["history", "--limit", "many"],
    "'10000' is not a whole number": ["history", "--limit", "10000"],
    "not allowed with argument": ["history", "--actions", "--debts"],
    "required: ID": ["explain"],
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_usage_is_explained(capsys: pytest.CaptureFixture[str], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(WRONG[said])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "I1"], "alertsync: nothing can be explained: GRAFANA_IRM_URL"),
        (["history", "--before", "nonsense"], "alertsync: --before is no cursor"),
        (["run", "--lift", "gone_ratio"], "alertsync: no run is possible: GRAFANA_IRM_URL"),
    ],
)
def test_a_command_that_fails_says_why_in_a_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = command(*arguments, home=tmp_path, settings={})
    assert done.returncode == 1
    assert done.stdout == ""
    assert said in "".join(done.stderr.splitlines()[-1:])
    assert "Traceback" not in done.stderr


def test_the_history_needs_no_settings_of_irm(tmp_path: Path) -> None:
    done = command("history", "--debts", home=tmp_path, settings={})
    assert (done.returncode, done.stdout) == (0, "nothing is recorded\n")


def test_a_command_that_waited_in_vain_says_for_whom_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, RECONCILE_WAIT="0") as world:
        lock = FileLock(world.services.directory / "run.lock")
        assert lock.acquire()
        other = Board(world.services.directory, world.time.clock)
        with other.reporting("r1", "loop", START, dry_run=False) as report:
            report.enter(Phase.READING_ALERTMANAGER)
            with pytest.raises(RunBusyError, match=r"\(of the loop, reading Alertmanager\).*try again"):
                runs.run(world.services, rehearsal=False, as_json=False)
        lock.release()


def test_a_person_reads_why_something_is_held_back_and_what_would_change_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, MAX_ACTIONS_PER_RUN="1") as world:
        for name in ("Disk", "Net", "Cpu"):
            world.fire(name)
            world.silence(name)
        world.fire("Fan")
        done = world.run()
        on = Paper(100, now=world.time.clock.now())
        told = "\n".join(runs._for_a_person(done, world.services.settings.policy, on, rehearsal=False))
    for text in ("Run of 2026", "Done (1)", "Held back (2)", "Left alone (1)", "run --lift max_actions"):
        assert text in told
    assert set(runs._HELD) == set(Held) - {Held.NOT_HELD}


@pytest.mark.parametrize(
    ("rehearsal", "heading", "next_step"),
    [
        (True, "Plan of 2026", "With DRY_RUN=false it would be done by the next run"),
        (False, "DRY RUN of 2026", "With DRY_RUN=false it would be done by the next run"),
    ],
)
def test_a_dry_run_is_told_loudly_and_a_plan_for_what_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, rehearsal: bool, heading: str, next_step: str
) -> None:
    with bench(monkeypatch, tmp_path, DRY_RUN="true") as world:
        world.fire("Disk")
        world.silence("Disk")
        done, policy = world.run(dry_run=rehearsal), world.services.settings.policy
        lines = list(runs._for_a_person(done, policy, Paper(200), rehearsal=rehearsal))
    assert lines[0].startswith(heading)
    assert next_step in lines[-1]
