"""The whole story with real parts: alerts fire, somebody silences them, and IRM is told.

A real Alertmanager sends its real webhooks to the IRM simulator, and the real service under gunicorn stands
between them. What the service did is read from what IRM received, not from what the service says of itself.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alertsync.simulator.alertmanager_config import InhibitRule
from alertsync.simulator.wire import Fault
from tests.e2e.worlds import (
    AUTHOR,
    COMMENT,
    RECEIVER,
    ROUTES,
    TOKEN,
    World,
    expect,
    real_world,
)
from tests.servers import RealAlertmanager
from tests.service import Service, command, reconciliation, titles

LOOP = {"RECONCILE_INTERVAL": "1"}
A_FEW_RUNS = 2
"""How long a test watches that nothing happens: so many whole runs after the last change."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with real_world(tmp_path / "alertmanager") as it:
        yield it


def started(tmp_path: Path, world: World, **settings: str) -> Service:
    """Give the service for this world, not yet started."""
    directory = tmp_path / "service"
    directory.mkdir()
    return Service(directory, world.settings(**settings))


# --- What is silenced is resolved -------------------------------------------------------------------------


def test_an_alert_group_is_resolved_once_its_only_alert_is_silenced_and_a_note_tells_why(
    tmp_path: Path, world: World
) -> None:
    with started(tmp_path, world, **LOOP) as service:
        group = world.fire("DiskFull")
        service.observe_runs(1)
        assert service.decisions()["DiskFull"]["decision"] == "CONSISTENT"
        assert world.irm.resolves == []

        before = datetime.now(UTC)
        world.silence("DiskFull", hours=2)
        world.irm.until_resolved("DiskFull")
        expect("the note is written", lambda: group.notes)

        assert group.resolved_by == world.irm.user.id
        (note,) = group.notes
        assert AUTHOR in note.text
        assert COMMENT in note.text
        ends = before + timedelta(hours=2)
        # The silence was made within moments of `before`: its end is named to the second.
        possible = {f"{ends + timedelta(seconds=late):%Y-%m-%d %H:%M:%S} UTC" for late in range(-1, 6)}
        assert any(end in note.text for end in possible), note.text

        service.observe_runs(A_FEW_RUNS)
        assert world.irm.resolves == [group.id]
        assert len(group.notes) == 1
        action = service.wait_for("action", outcome="resolved")
        assert (action["alert_group"], action["action"]) == (group.id, "resolve")
        assert service.metric("alertmanager_inconsistencies_resolved_total") == 1
        assert service.metric("alertmanager_inconsistencies_found") == 0
        assert service.metric("alertmanager_last_reconciliation_success") == 1


def test_a_group_of_many_silenced_alerts_is_resolved_once(tmp_path: Path, world: World) -> None:
    group = world.fire("NodeDown", "a", "b", "c", "d", "e")
    world.silence("NodeDown", by="bob")
    world.silence("NodeDown", by="eve", comment="mine too", instance="c")
    with started(tmp_path, world, **LOOP) as service:
        world.irm.until_resolved("NodeDown")
        service.observe_runs(A_FEW_RUNS)
        assert world.irm.resolves == [group.id]
        assert len(group.notes) == 1
        assert "all 5 alerts silenced by bob, eve" in group.notes[0].text


def test_several_silences_that_together_hold_the_whole_group_are_enough(tmp_path: Path, world: World) -> None:
    group = world.fire("NodeDown", "a", "b")
    world.silence("NodeDown", instance="a")
    with started(tmp_path, world) as service:
        assert service.reconcile()["inconsistencies_found"] == 0
        world.silence("NodeDown", instance="b")
        assert service.reconcile()["inconsistencies_resolved"] == 1
    assert world.irm.resolves == [group.id]


def test_the_legacy_integration_has_each_silenced_alert_resolved_and_no_other(tmp_path: Path) -> None:
    with real_world(tmp_path / "alertmanager", irm={"type": "legacy_alertmanager"}) as world:
        for instance in ("a", "b"):
            world.alertmanager.fire({"alertname": "DiskFull", "instance": instance}, {"summary": "full"})
        expect("both are delivered", lambda: len(world.irm.model.groups()) == 2)
        quiet = world.silence("DiskFull", instance="a")
        with started(tmp_path, world) as service:
            answer = service.reconcile()
            states = sorted(group.state for group in world.irm.model.groups())
            world.alertmanager.expire(quiet)
            service.reconcile()
        assert answer["inconsistencies_resolved"] == 1
        (resolved,) = [one for one in answer["decisions"] if one["decision"] == "SILENCED"]
        assert resolved["members"][0]["labels"]["instance"] == "a"
        assert resolved["members"][0]["silenced_by"] == [quiet]
        assert states == ["firing", "resolved"]
        # It has no place of its own to be read at, and is paged again as it was paged.
        paged = world.irm.model.groups()[-1]
        payload: Any = paged.deliveries[-1].payload
        assert (paged.state, payload["labels"]["instance"]) == ("firing", "a")
        assert payload["annotations"] == {"summary": "full"}
        assert payload["generatorURL"] == "http://prometheus.example:9090/graph"
        assert payload["startsAt"][:4] != "0001"


# --- What is not wholly silenced is left alone ------------------------------------------------------------


def test_a_half_silenced_group_is_left_alone(tmp_path: Path, world: World) -> None:
    world.fire("NodeDown", "a", "b")
    world.silence("NodeDown", instance="a")
    with started(tmp_path, world, **LOOP) as service:
        service.observe_runs(A_FEW_RUNS)
        decision = service.decisions()["NodeDown"]
        assert decision["decision"] == "PARTIALLY_SILENCED"
        assert "1 of 2 alerts silenced, 1 still active" in decision["reason"]
        assert (decision["action"], decision["inconsistent"]) == ("none", False)
        assert world.irm.resolves == []
        assert world.irm.state("NodeDown") == "firing"
        assert service.metric("alertmanager_inconsistencies_found") == 0


def test_an_alert_that_joins_a_silenced_group_keeps_it_open(tmp_path: Path, world: World) -> None:
    world.fire("NodeDown", "a")
    world.silence("NodeDown", instance="a")
    world.alertmanager.fire({"alertname": "NodeDown", "instance": "late"})
    with started(tmp_path, world) as service:
        # Whether its webhook has arrived by now or not: Alertmanager knows it, and that is enough.
        answer = service.reconcile()
    assert [one["decision"] for one in answer["decisions"]] == ["PARTIALLY_SILENCED"]
    assert world.irm.resolves == []


def test_a_silence_that_ends_too_soon_moves_nothing(tmp_path: Path, world: World) -> None:
    world.fire("DiskFull")
    world.silence("DiskFull", hours=0.01)
    with started(tmp_path, world, MIN_SILENCE_REMAINING="60") as service:
        (decision,) = service.reconcile()["decisions"]
    assert decision["decision"] == "SILENCE_ENDING"
    assert world.irm.resolves == []


def test_an_inhibited_group_is_muted_and_untouched(tmp_path: Path) -> None:
    rule = InhibitRule({"alertname": "Outage"}, {"severity": "minor"}, ("site",))
    with real_world(tmp_path / "alertmanager", inhibit_rules=(rule,)) as world:
        world.fire("SlowDisk", severity="minor", site="b1")
        world.fire("Outage", site="b1")
        with started(tmp_path, world, **LOOP) as service:
            service.observe_runs(A_FEW_RUNS)
            found = {title: one["decision"] for title, one in service.decisions().items()}
        assert found == {"SlowDisk": "MUTED", "Outage": "CONSISTENT"}
        assert world.irm.resolves == []
        assert world.irm.state("SlowDisk") == "firing"


# --- One alert group, several sources ---------------------------------------------------------------------


def test_two_aggregation_groups_in_one_alert_group_are_resolved_only_when_both_are_silenced(
    tmp_path: Path,
) -> None:
    with real_world(tmp_path / "alertmanager", irm={"grouping": "label:severity"}) as world:
        world.fire("CgA", severity="critical")
        world.alertmanager.fire({"alertname": "CgB", "instance": "a", "severity": "critical"})
        group = world.irm.delivered("CgA", deliveries=2)
        assert len(world.irm.model.groups()) == 1

        # The last delivery, which is all that the list shows, speaks of CgB alone.
        world.silence("CgB")
        with started(tmp_path, world, **LOOP) as service:
            service.observe_runs(A_FEW_RUNS)
            (decision,) = service.decisions().values()
            assert decision["decision"] == "PARTIALLY_SILENCED"
            assert len(decision["members"]) == 2
            assert world.irm.resolves == []

            world.silence("CgA")
            world.irm.until_resolved("CgA")
            service.observe_runs(1)
            assert world.irm.resolves == [group.id]


@pytest.mark.parametrize("named", [True, False], ids=["our address is named", "our address is learned"])
def test_an_alert_group_in_which_another_cluster_fires_is_foreign_and_stays_open(
    tmp_path: Path, *, named: bool
) -> None:
    ours, theirs = "http://alertmanager.a.example", "http://alertmanager.b.example"
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    with (
        real_world(tmp_path / "alertmanager", external_url=ours) as world,
        RealAlertmanager(
            other_directory, routes=ROUTES, webhooks={RECEIVER: world.irm.inbound()}, external_url=theirs
        ) as other,
    ):
        world.fire("Teacher")
        shared = world.fire("DiskFull", "in-cluster-a")
        other.fire({"alertname": "DiskFull", "instance": "in-cluster-b"})
        expect("the other cluster's webhook arrives", lambda: len(shared.deliveries) == 2)
        assert {delivery.payload["externalURL"] for delivery in shared.deliveries} == {ours, theirs}  # type: ignore[index]  # Alertmanager's webhook is an object
        world.silence("DiskFull")
        settings = {"ALERTMANAGER_EXTERNAL_URLS": ours} if named else {}
        with started(tmp_path, world, **LOOP, **settings) as service:
            service.observe_runs(A_FEW_RUNS)
            decision = service.decisions()["DiskFull"]
        assert decision["decision"] == "FOREIGN"
        assert theirs in decision["reason"]
        assert world.irm.resolves == []
        assert shared.state == "firing"


def test_what_another_cluster_sent_alone_is_foreign(tmp_path: Path, world: World) -> None:
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    with RealAlertmanager(
        other_directory,
        routes=ROUTES,
        webhooks={RECEIVER: world.irm.inbound()},
        external_url="http://b.example",
    ) as other:
        other.fire({"alertname": "TheirDisk", "instance": "a"})
        world.irm.delivered("TheirDisk")
        world.fire("OurDisk")
        world.silence("OurDisk")
        world.silence("TheirDisk")
        with started(tmp_path, world) as service:
            found = {one["title"]: one["decision"] for one in service.reconcile()["decisions"]}
    assert found == {"OurDisk": "SILENCED", "TheirDisk": "FOREIGN"}
    assert [world.irm.state(title) for title in ("OurDisk", "TheirDisk")] == ["resolved", "firing"]


# --- Dry runs and runs on demand --------------------------------------------------------------------------


def test_with_dry_run_set_nothing_is_touched_and_everything_is_told(tmp_path: Path, world: World) -> None:
    world.fire("DiskFull")
    world.silence("DiskFull")
    with started(tmp_path, world, DRY_RUN="true", **LOOP) as service:
        service.observe_runs(A_FEW_RUNS)
        assert [one.path for one in world.irm.server.received if one.method == "POST"] == [
            world.irm.integration.path  # Alertmanager's own webhook
        ]
        decision = service.decisions()["DiskFull"]
        assert (decision["decision"], decision["action"], decision["held"]) == ("SILENCED", "none", "dry_run")
        assert service.metric("alertmanager_inconsistencies_found") == 1
        assert service.metric("alertmanager_inconsistencies_resolved_total") == 0
        run = service.runs()[-1]
        assert run["dry_run"] is True
        assert "dry run" in run["detail"]
        answer = service.reconcile()
        assert answer["dry_run"] is True
        assert "dry run" in answer["message"]
        assert service.get("/readyz").json()["dry_run"] is True
    assert world.irm.state("DiskFull") == "firing"


def test_a_run_can_be_asked_for_while_the_loop_is_off(tmp_path: Path, world: World) -> None:
    group = world.fire("DiskFull")
    world.silence("DiskFull")
    world.fire("Other")
    with started(tmp_path, world) as service:
        assert service.metric("alertmanager_last_reconciliation_success") is None
        assert "off" in service.get("/readyz").json()["loop"]
        answer = service.reconcile()
        assert answer["status"] == "success"
        assert answer["inconsistencies_found"] == 1
        assert answer["inconsistencies_resolved"] == 1
        assert answer["inconsistencies_failed"] == 0
        assert answer["dry_run"] is False
        assert answer["duration_seconds"] > 0
        assert answer["message"]
        assert titles(answer["decisions"]) == ["DiskFull", "Other"]
        assert service.get(f"/api/v1/runs/{answer['run_id']}").json() == answer
        assert [run["trigger"] for run in service.runs()] == ["http"]
        assert service.metric("alertmanager_reconciliation_total") == 1
    assert world.irm.resolves == [group.id]


def test_a_dry_run_asked_for_by_a_request_changes_no_metric_and_no_published_decision(
    tmp_path: Path, world: World
) -> None:
    world.fire("DiskFull")
    with started(tmp_path, world) as service:
        service.reconcile()
        published, decided = reconciliation(service.metrics()), service.get("/grafana-alerts").json()
        world.silence("DiskFull")
        answer = service.reconcile("?dry_run=true")
        assert answer["dry_run"] is True
        assert answer["inconsistencies_found"] == 1
        assert answer["inconsistencies_resolved"] == 0
        assert [one["held"] for one in answer["decisions"]] == ["dry_run"]
        assert reconciliation(service.metrics()) == published
        assert service.get("/grafana-alerts").json() == decided
        assert world.irm.resolves == []
        # And the real thing afterwards is not held back by it.
        assert service.reconcile()["inconsistencies_resolved"] == 1


def test_both_sides_are_shown_with_what_binds_them(tmp_path: Path, world: World) -> None:
    group = world.fire("DiskFull")
    silence_id = world.silence("DiskFull")
    with started(tmp_path, world, ON_SILENCED="report") as service:
        answer = service.reconcile()
        assert answer["inconsistencies_found"] == 1
        shown = service.get("/all-alerts").json()
        (alert,) = shown["alerts"]
        (silence,) = alert["silences"]
        assert (silence["id"], silence["created_by"], silence["comment"]) == (silence_id, AUTHOR, COMMENT)
        assert datetime.fromisoformat(silence["ends_at"]) > datetime.now(UTC)
        assert [one["id"] for one in alert["alert_groups"]] == [group.id]
        theirs = service.get("/grafana-alerts").json()
        assert theirs["run_id"] == answer["run_id"]
        assert theirs["as_of"] is not None
        assert [one["decision"] for one in theirs["alert_groups"]] == ["SILENCED"]
        # /all-alerts is read live: what is not in Alertmanager any more is gone from it at once.
        world.alertmanager.end({"alertname": "DiskFull", "instance": "a"})
        assert service.get("/all-alerts").json()["alerts"] == []
    assert world.irm.resolves == []


# --- The command line, against the same servers -----------------------------------------------------------


def test_the_commands_look_plan_and_run_with_the_documented_exit_statuses(
    tmp_path: Path, world: World
) -> None:
    group = world.fire("DiskFull")
    world.silence("DiskFull")
    settings = world.settings()

    checked = command("check", home=tmp_path, settings=settings)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "may read and act" in checked.stdout
    assert "coverage: 1 of 1" in checked.stdout

    planned = command("plan", "--json", home=tmp_path, settings=settings)
    assert (planned.returncode, planned.stderr) == (0, "")
    plan = json.loads(planned.stdout)
    assert plan["dry_run"] is True
    (decision,) = plan["decisions"]
    assert (decision["alert_group_id"], decision["decision"], decision["held"]) == (
        group.id,
        "SILENCED",
        "dry_run",
    )
    table = command("plan", home=tmp_path, settings=settings)
    assert table.returncode == 0
    assert group.id in table.stdout
    assert "would resolve" in table.stdout
    assert [one.method for one in world.irm.server.received if one.path.startswith("/api/")].count(
        "POST"
    ) == 0

    ran = command("run", home=tmp_path, settings=settings)
    assert (ran.returncode, world.irm.resolves) == (0, [group.id])
    assert ran.stdout.splitlines()[-1].startswith("success: ")
    again = command("run", "--json", home=tmp_path, settings=settings)
    assert (again.returncode, json.loads(again.stdout)["inconsistencies_found"]) == (0, 0)


def test_run_says_by_its_exit_status_that_it_failed_or_was_partial(tmp_path: Path, world: World) -> None:
    for name in ("DiskFull", "NodeDown"):
        world.fire(name)
        world.silence(name)
    unlucky = world.irm.group("DiskFull")

    world.irm.server.inject(Fault("status", path="/alert_groups/", times=-1, status=400))
    failed = command("run", home=tmp_path, settings=world.settings())
    assert failed.returncode == 1
    assert "failed: nothing was done: Grafana IRM" in failed.stdout
    assert world.irm.resolves == []

    world.irm.server.heal()
    world.irm.server.inject(Fault("status", path=f"/{unlucky.id}/resolve", times=-1, status=400))
    partial = command("run", home=tmp_path, settings=world.settings())
    assert partial.returncode == 3
    assert "partial: " in partial.stdout
    assert (world.irm.state("DiskFull"), world.irm.state("NodeDown")) == ("firing", "resolved")

    world.irm.server.heal()
    assert command("run", home=tmp_path, settings=world.settings()).returncode == 0
    assert world.irm.state("DiskFull") == "resolved"


def test_commands_without_settings_say_which_are_missing(tmp_path: Path) -> None:
    ran = command("run", home=tmp_path, settings={})
    assert ran.returncode == 1
    assert "GRAFANA_IRM_URL is not set" in ran.stderr
    assert "GRAFANA_IRM_TOKEN is not set" in ran.stderr
    checked = command("check", home=tmp_path, settings={"ALERTMANAGER_HOST": "127.0.0.1:1"})
    assert checked.returncode == 1
    for text in ("GRAFANA_IRM_URL is not set", "GRAFANA_IRM_TOKEN is not set", "the connection is refused"):
        assert text in checked.stdout
    assert "Traceback" not in ran.stderr + checked.stderr


@pytest.fixture(scope="module")
def checked_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start a world that `check` only looks at, so that the tests can share it."""
    with real_world(tmp_path_factory.mktemp("checked")) as it:
        it.irm.model.add_user("viewer-token", role="viewer")
        it.irm.model.add_user("nobody-token", role="none")
        it.irm.model.add_user("glsa_some-account", role="editor", kind="service_account")
        it.fire("DiskFull")
        yield it


CHECKS = {
    "a wrong token": ({"GRAFANA_IRM_TOKEN": "no-such-token"}, "IRM does not know this token"),
    "a token pasted with Bearer": (
        {"GRAFANA_IRM_TOKEN": f"Bearer {TOKEN}"},
        "GRAFANA_IRM_TOKEN holds a space",
    ),
    "a viewer's token": ({"GRAFANA_IRM_TOKEN": "viewer-token"}, "(role viewer): may read, but not act"),
    "a token of nobody": ({"GRAFANA_IRM_TOKEN": "nobody-token"}, "may not read alert groups"),
    "a service account": (
        {"GRAFANA_IRM_TOKEN": "glsa_some-account", "GRAFANA_STACK_URL": "http://grafana.example"},
        "the token is a service account's: it can read, but IRM lets none resolve",
    ),
    "a wrong path": ({"GRAFANA_IRM_URL": "{irm}/oncall"}, "nothing is there"),
    "nobody listens": ({"GRAFANA_IRM_URL": "http://127.0.0.1:1"}, "the connection is refused"),
    "no such host": ({"GRAFANA_IRM_URL": "http://irm.invalid"}, "the host name cannot be resolved"),
    "TLS where none is": ({"GRAFANA_IRM_URL": "https://{host}"}, "TLS is not spoken there"),
    "Alertmanager on a wrong path": ({"ALERTMANAGER_HOST": "{alertmanager}/elsewhere"}, "nothing is there"),
    "Alertmanager is down": ({"ALERTMANAGER_HOST": "127.0.0.1:1"}, "the connection is refused"),
    "IRM where Alertmanager should be": (
        {"ALERTMANAGER_HOST": "{irm}"},
        "does ALERTMANAGER_HOST lack a path prefix",
    ),
}


@pytest.mark.parametrize("case", CHECKS)
def test_check_names_what_is_wrong(tmp_path: Path, checked_world: World, case: str) -> None:
    wrong, says = CHECKS[case]
    known = {
        "irm": checked_world.irm.server.url,
        "host": checked_world.irm.server.url.removeprefix("http://"),
        "alertmanager": checked_world.alertmanager.url,
    }
    settings = checked_world.settings(**{name: text.format(**known) for name, text in wrong.items()})
    checked = command("check", home=tmp_path, settings=settings)
    printed = checked.stdout + checked.stderr
    assert checked.returncode == 1, printed
    assert says in printed
    assert "Traceback" not in printed
    assert "error" in printed
    assert settings["GRAFANA_IRM_TOKEN"] not in printed
    assert checked_world.irm.resolves == []


@pytest.mark.parametrize("suffix", ["/api/v1", "/api/v1/", "/"])
def test_check_takes_the_address_of_irm_with_and_without_its_path(
    tmp_path: Path, checked_world: World, suffix: str
) -> None:
    settings = checked_world.settings(GRAFANA_IRM_URL=checked_world.irm.server.url + suffix)
    checked = command("check", "--json", home=tmp_path, settings=settings)
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["ok"] is True
