"""Holds code and documentation together: each names all that is in the other, and nothing else."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from alertsync import bootstrap, metrics, simulator
from alertsync.__main__ import main
from alertsync.clock import Clock
from alertsync.heartbeat import Heartbeat
from alertsync.models import (
    AggregationGroup,
    Alert,
    AlertmanagerSnapshot,
    AlertStatus,
    DecisionKind,
    Held,
    IrmHeartbeat,
    Outcome,
    Owing,
    Requests,
    Run,
    RunStatus,
    Standing,
    Summary,
)
from alertsync.web import create_app, services_of
from alertsync.web.api.paths import OPERATIONS
from tests.docs import settings
from tests.docs.monitoring import promtool
from tests.docs.readme import (
    API,
    COMMANDS,
    CONFIGURATION,
    DEPLOYMENT,
    DOCS,
    METRICS,
    PAGES,
    README,
    ROOT,
    blocks,
    code,
    headings,
    prose,
    queries_of,
    tables,
)

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
ENV_EXAMPLE = ROOT / ".env.example"
FOREIGN_NAMES = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NO_COLOR", "ALERTMANAGER_BIN"}
"""Upper-case words of the documentation that are other programs' settings, or everybody's."""


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """Make the app as it is without a single setting but its directory."""
    return create_app(bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}), heartbeat=Heartbeat()))


def exposed(app: Flask) -> dict[str, tuple[str, set[str]]]:
    """Give every metric of a service that has run: name to type and the labels of its series."""
    client = app.test_client()
    services_of(app).heartbeat.beat(Clock(), next_run_in=60)
    for path in ("/healthz", "/reconcile", "/no-such-address"):
        client.get(path)
    last = Summary("1", "loop", RunStatus.SUCCESS, "", NOW, NOW)
    alert = Alert("f1", {"alertname": "One"}, AlertStatus.ACTIVE)
    snapshot = AlertmanagerSnapshot(
        (AggregationGroup("team", {}, (alert,)),), (), NOW, settled=True, version="", clock=NOW, read_at=NOW
    )
    text = (
        client.get("/metrics").get_data()
        + metrics.render_standing(
            Standing(last=last, last_success_at=NOW, heartbeat=IrmHeartbeat(sent_at=NOW))
        )
        + metrics.render_requests(Requests())
        + metrics.render_alerts(snapshot, (), ())
    ).decode()
    found = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        series = re.findall(rf"^{name}(?:_bucket|_sum|_count)?(?:\{{(.*)\}})? \S+$", text, re.MULTILINE)
        labels = {label for one in series for label in re.findall(r'(\w+)="', one)} - {"le"}
        found[name] = (kind, labels)
    return found


# --- Settings ---------------------------------------------------------------------------------------------


def documented_settings() -> dict[str, str]:
    """Give the settings of the table, name to default."""
    rows = tables(CONFIGURATION, "variable")
    found = [(name, (code(row[1]) or [row[1]])[0]) for row in rows for name in code(row[0])]
    assert len(found) == len(dict(found)), "a setting stands twice in the table"
    return dict(found)


def example_settings() -> dict[str, str]:
    """Give the settings of .env.example that are commented out, name to value."""
    return dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", ENV_EXAMPLE.read_text(), re.MULTILINE))


def test_the_page_of_configuration_lists_every_setting_and_no_other() -> None:
    assert set(documented_settings()) == settings.names()


def test_every_setting_has_the_default_that_stands_there() -> None:
    wrong = {
        name: text for name, text in documented_settings().items() if not settings.default_is(name, text)
    }
    assert not wrong


def test_the_example_environment_lists_every_setting_and_no_other() -> None:
    listed = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", ENV_EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(settings.names())


def test_every_setting_that_the_example_leaves_unset_shows_its_default() -> None:
    shown = example_settings()
    wrong = {
        name: text for name, text in shown.items() if not settings.default_is(name, text or settings.UNSET)
    }
    assert shown
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_setting_that_does_not_exist(page: Path) -> None:
    known = (
        settings.names()
        | FOREIGN_NAMES
        | set(DecisionKind)
        | {"PORT", "SECONDS", "ALERTMANAGER", "SIZES", "UPGRADE"}
    )
    words = {
        word for text in code(prose(page)) for word in re.findall(r"\b[A-Z][A-Z0-9_]*_[A-Z0-9_]+\b", text)
    }
    words |= {name for text in code(prose(page)) for name in re.findall(r"\b([A-Z][A-Z0-9_]+)=", text)}
    words |= {name for block in blocks(page, "sh") for name in re.findall(r"\b([A-Z][A-Z0-9_]+)=", block)}
    assert words - known == set()


# --- Endpoints and commands -------------------------------------------------------------------------------


def test_the_page_of_the_api_lists_every_endpoint_and_no_other(app: Flask) -> None:
    served = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    listed = {name for row in tables(API, "request") for name in code(row[0])}
    assert listed == served


def test_the_page_of_the_api_lists_the_answers_as_its_document_does() -> None:
    # What every address can answer stands among the errors, not in each row.
    common = {"400", "401", "429"}
    rows = {code(row[0])[0]: row[2] for row in tables(API, "request") if "/api/v1/" in row[0]}
    listed = {name: set(re.findall(r"\b[2-5]\d\d\b", text)) - common for name, text in rows.items()}
    described = {
        name: set(OPERATIONS[re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", name)]["responses"]) - common
        for name in rows
    }
    assert listed == described


def test_the_page_of_the_api_says_what_to_do_about_every_problem() -> None:
    listed = {status for row in tables(API, "status") for status in row[0].split(", ")}
    assert listed == {status for one in OPERATIONS.values() for status in one["responses"] if status >= "400"}


def test_the_example_of_a_problem_is_a_real_one(app: Flask) -> None:
    (example,) = blocks(API, "json")
    assert app.test_client().post("/reconcile?dryrun=true").get_json() == json.loads(example)


def test_the_page_of_the_api_lists_the_parameters_of_a_trigger(app: Flask) -> None:
    parameters = [name for row in tables(API, "parameter") for name in code(row[0])]
    refused = app.test_client().post("/reconcile?no_such_parameter=1").get_json()
    assert refused["hint"] == f"allowed here: {', '.join(parameters)}"


def test_the_page_of_the_api_lists_the_parameters_of_the_lists(app: Flask) -> None:
    listed = {name for row in tables(API, "parameter of a list") for name in code(row[0])}
    allowed = set()
    for path in ("runs", "actions", "debts", "decisions", "silences"):
        hint = app.test_client().get(f"/api/v1/{path}?no_such_parameter=1").get_json()["hint"]
        allowed |= set(hint.removeprefix("allowed here: ").split(", "))
    assert listed == allowed


def test_every_field_of_an_answer_stands_in_the_page_of_the_api(app: Flask) -> None:
    run = Run("1", "http", dry_run=False, status=RunStatus.SUCCESS, message="", started_at=NOW, ended_at=NOW)
    services_of(app).store.save_run(run)
    shown = app.test_client().get("/api/v1/runs/1").get_json()
    text = API.read_text().partition("The answer is JSON:")[2].partition(".")[0]
    assert code(text) == list(shown)


def test_the_page_of_commands_lists_every_command_and_its_exit_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listed = [shlex.split(name)[-1] for row in tables(COMMANDS, "command") for name in code(row[0])]
    with pytest.raises(SystemExit):
        main(["--help"])
    offered = re.findall(r"^    ([\w-]+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    assert sorted(listed) == sorted(offered)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) [:?]?=", makefile, re.MULTILINE))
    for command in re.findall(r"(?:^|`)make ([^`\n]+)", page.read_text(), re.MULTILINE):
        for word in shlex.split(command):
            name, is_variable, _ = word.partition("=")
            assert name in (variables if is_variable else targets), command


# --- Metrics ----------------------------------------------------------------------------------------------


def documented_metrics() -> dict[str, tuple[str, set[str]]]:
    """Give the metrics of the page, name to type and labels (but those that settings name)."""
    rows = tables(METRICS, "metric")
    return {code(row[0])[0]: (row[1], {label for label in code(row[2]) if label.islower()}) for row in rows}


def test_the_page_of_metrics_lists_every_metric_with_its_type_and_no_other(app: Flask) -> None:
    served = {name: kind for name, (kind, _) in exposed(app).items()}
    assert {name: kind for name, (kind, _) in documented_metrics().items()} == served


def test_the_page_of_metrics_lists_every_label_and_no_other(app: Flask) -> None:
    documented = documented_metrics()
    without_series = {"flask_http_request_exceptions_total"}
    for name, (_, labels) in exposed(app).items():
        if name in documented and name not in without_series:
            assert documented[name][1] == labels, name


def test_the_page_of_metrics_lists_every_state_of_an_alert() -> None:
    row = next(row for row in tables(METRICS, "label") if row[0] == "`state`")
    assert set(code(row[1])) == set(AlertStatus)


def test_the_page_of_metrics_lists_every_state_of_what_is_owed() -> None:
    rows = tables(METRICS, "state of an owed alert")
    assert [code(row[0])[0] for row in rows] == list(Owing)


def test_the_page_of_metrics_lists_every_action_and_its_outcomes(app: Flask) -> None:
    page = app.test_client().get("/metrics").get_data(as_text=True)
    served = set(
        re.findall(r'^alertsync_actions_total\{action="(\w+)",outcome="(\w+)"\}', page, re.MULTILINE)
    )
    table = documented_outcomes()
    assert {(action, outcome) for action, outcomes in table.items() for outcome in outcomes} == served


def documented_outcomes() -> dict[str, set[str]]:
    """Give the outcomes that the page of metrics lists for each action."""
    page = METRICS
    (header,) = re.findall(r"^\| action \| (.*) \|$", page.read_text(), re.MULTILINE)
    found = {}
    for action, outcomes in tables(page, "action"):
        own, _, never = outcomes.partition("never")
        found[code(action)[0]] = set(code(own)) | (set(code(header)) - set(code(never)))
    return found


def known_series(app: Flask) -> set[str]:
    """Give every name that a query may use."""
    names = {"up"}
    for name, (kind, _) in exposed(app).items():
        names |= {f"{name}{end}" for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_metric_that_does_not_exist(page: Path, app: Flask) -> None:
    known = known_series(app) | set(exposed(app))
    named = set(re.findall(r"\b(?:alertmanager|alertsync|flask|process|python)_[a-z_]+\b", page.read_text()))
    dashed = {name for name in named if f"{name}…" in page.read_text()}  # `alertmanager_last_…`
    not_metrics = {"alertmanager_"} | dashed
    assert named - known - not_metrics <= {"legacy_alertmanager"}


def yaml_of(page: Path, key: str) -> dict[str, Any]:
    """Give the one YAML example of a page that begins with this key."""
    found = [example for example in map(yaml.safe_load, blocks(page, "yaml")) if key in example]
    assert len(found) == 1
    example: dict[str, Any] = found[0]
    return example


def test_the_example_queries_are_promql_and_ask_for_what_is_there(tmp_path: Path, app: Flask) -> None:
    queries = queries_of(METRICS)
    rules = [{"record": f"query:number{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "examples", "rules": rules}]}))
    assert len(queries) >= 10
    assert promtool("check", "rules", str(file)).returncode == 0
    known = known_series(app)
    for query in queries:
        assert any(re.search(rf"\b{name}\b", query) for name in known), query


def test_the_example_scrape_configuration_is_accepted_by_prometheus(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(yaml_of(DEPLOYMENT, "scrape_configs")))
    assert promtool("check", "config", str(file)).returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_an_alert_of_ours_that_does_not_exist(page: Path) -> None:
    rules = (ROOT / "deploy" / "monitoring" / "rules.yaml").read_text()
    named = {text for text in code(prose(page)) if re.fullmatch(r"Alertsync[A-Z]\w+", text)}
    assert named <= set(re.findall(r"- alert: (\w+)", rules))


# --- Decisions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "column", "values"),
    [
        ("what is known of the alert group", 1, set(DecisionKind)),
        ("`held`", 0, set(Held) - {Held.NOT_HELD}),
        ("outcome", 0, set(Outcome)),
        ("status", 0, (set(RunStatus) - {RunStatus.RUNNING}) | set(AlertStatus)),
    ],
    ids=["decisions", "held", "outcomes", "statuses"],
)
def test_the_page_of_reconciliation_has_a_row_for_each(header: str, column: int, values: set[str]) -> None:
    listed = [code(row[column])[0] for row in tables(DOCS / "RECONCILIATION.md", header)]
    assert sorted(listed) == sorted(values)


def test_the_table_of_decisions_has_the_order_of_the_code() -> None:
    tables_in_code = [
        (ROOT / "alertsync" / "planner" / name).read_text() for name in ("decide.py", "remember.py")
    ]
    in_code = re.findall(r"^ *\| .*\| ([A-Z_]+) +\|$", "".join(tables_in_code), re.MULTILINE)
    rows = tables(DOCS / "RECONCILIATION.md", "what is known of the alert group")
    assert [code(row[1])[0] for row in rows] == in_code


# --- Everything else --------------------------------------------------------------------------------------


def test_the_readme_names_the_programs_that_the_tests_are_given() -> None:
    (named,) = re.findall(r"^apt-get install (.*)$", README.read_text(), re.MULTILINE)
    (given,) = re.findall(r"^packages=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert named.split() == given.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    made_by_the_service = {
        row for rows in tables(DOCS / "RECONCILIATION.md", "file") for row in code(rows[0])
    }
    bases = (ROOT, page.parent, ROOT / "alertsync", ROOT / "alertsync" / "web")
    made_by_the_user = {".env", ".venv", ".netrc", "my-values.yaml"}
    for text in {*code(prose(page)), *re.findall(r"\S+", "\n".join(blocks(page, "sh")))}:
        if not re.fullmatch(r"\.?/?[\w.-]+(/[\w.-]+)*(\.(md|py|txt|toml|yaml|conf\.py|example)|/)", text):
            continue
        if text in made_by_the_service | made_by_the_user:
            continue
        assert any((base / text).exists() for base in bases), text


def test_the_examples_of_decisions_name_every_decision() -> None:
    text = (DOCS / "RECONCILIATION.md").read_text()
    assert all(f"`{kind}`" in text for kind in DecisionKind)


def test_the_picture_of_the_rooms_shows_every_room() -> None:
    picture = blocks(DOCS / "DEVELOPMENT.md", "")[0]
    package = Path(simulator.__file__).parent.parent
    rooms = {path.name for path in package.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    missing = {room for room in rooms if f"{room}/" not in picture}
    assert not missing
