"""Holds the rules for Prometheus to the metrics, to their own cases, and to the runbook that they send people to."""

import re
from pathlib import Path

import pytest
import yaml

from alertsync import bootstrap
from alertsync.heartbeat import Heartbeat
from alertsync.web import create_app
from tests.docs import settings
from tests.docs.monitoring import CASES, RULES, Rule, named, promtool, rules
from tests.docs.readme import DOCS
from tests.docs.test_docs import known_series

RUNBOOK = DOCS / "RUNBOOK.md"
ALERTS = rules("alert")
BY_NAME = [pytest.param(rule, id=rule["alert"]) for rule in ALERTS]
TESTS = yaml.safe_load(CASES.read_text())["tests"]
PARTS = ("What it means", "How bad it is", "How to check", "What to do")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Give every series that a rule may ask for."""
    directory = str(tmp_path_factory.mktemp("state"))
    services = bootstrap.build(settings.load({"STATE_DIR": directory}), heartbeat=Heartbeat())
    return known_series(create_app(services)) | {one["record"] for one in rules("record")}


def cases_of(alert: str) -> list[bool]:
    """Give the cases of an alert: whether it fires in each."""
    found = [case for test in TESTS for case in test.get("alert_rule_test", ())]
    return [bool(case.get("exp_alerts")) for case in found if case["alertname"] == alert]


def section_of(rule: Rule) -> str:
    """Give the section of the runbook about an alert; AssertionError unless there is one."""
    found = re.findall(
        rf"^## {rule['alert']}\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(found) == 1, f"docs/RUNBOOK.md has {len(found)} sections about {rule['alert']}"
    section: str = found[0]
    return section


def test_prometheus_accepts_the_rules() -> None:
    checked = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_case_of_the_rules_comes_out_as_it_should() -> None:
    tested = promtool("test", "rules", str(CASES))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_name_is_given_once() -> None:
    names = [rule.get("alert") or rule["record"] for rule in (*ALERTS, *rules("record"))]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("rule", BY_NAME)
def test_every_alert_says_how_bad_it_is_and_what_it_is_about(rule: Rule) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert len(rule["annotations"]["description"]) > len(rule["annotations"]["summary"])
    assert rule["for"]


@pytest.mark.parametrize("rule", BY_NAME)
def test_every_alert_has_a_case_that_fires_and_one_that_stays_quiet(rule: Rule) -> None:
    assert set(cases_of(rule["alert"])) == {True, False}


def test_the_cases_are_about_alerts_that_there_are() -> None:
    named_there = {case["alertname"] for test in TESTS for case in test.get("alert_rule_test", ())}
    assert named_there == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize(
    "rule", [*ALERTS, *rules("record")], ids=lambda rule: rule.get("alert") or rule["record"]
)
def test_every_rule_asks_for_metrics_that_there_are(rule: Rule, known: set[str]) -> None:
    asked = named(rule["expr"])
    assert asked
    assert asked <= known


@pytest.mark.parametrize("rule", BY_NAME)
def test_every_alert_leads_to_its_section_of_the_runbook(rule: Rule) -> None:
    assert rule["annotations"]["runbook_url"] == f"docs/RUNBOOK.md#{rule['alert'].lower()}"
    section = section_of(rule)
    assert f"**{rule['labels']['severity']}**" in section
    for part in PARTS:
        assert f"**{part}.**" in section
    assert "```" in section.partition("**How to check.**")[2], "there is no command to check it with"


def test_the_runbook_is_about_alerts_that_there_are() -> None:
    told = re.findall(r"^## (Alertsync\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert told == [rule["alert"] for rule in ALERTS], "or they stand in another order"


def test_a_rule_that_is_broken_is_noticed(tmp_path: Path) -> None:
    about = [test for test in TESTS if test["name"].lower() == "a page cannot be sent"]
    (tmp_path / CASES.name).write_text(yaml.safe_dump({"rule_files": [RULES.name], "tests": about}))
    broken = RULES.read_text().replace("alertsync_debts_due > 0", "alertsync_debts_due > 9")
    (tmp_path / RULES.name).write_text(broken)
    assert about
    assert promtool("test", "rules", str(tmp_path / CASES.name)).returncode != 0
