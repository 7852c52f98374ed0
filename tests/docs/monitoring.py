"""What stands in `deploy/monitoring`: the rules, the dashboard, and which metrics their expressions name."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.docs.readme import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "rules.yaml"
CASES = MONITORING / "rules_test.yaml"
DASHBOARD = MONITORING / "dashboard.json"

Rule = dict[str, Any]
Panel = dict[str, Any]

_NAME = re.compile(
    r"\b(?:[a-z]\w*:)*(?:up|(?:alertmanager|alertsync|flask|process|python)_[a-z0-9_]+)\b(?::\w+)?"
)
_STRING = re.compile(r'"[^"]*"|\'[^\']*\'')


def rules(kind: str) -> list[Rule]:
    """Give the rules that have this key: "alert" or "record"."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def named(expression: str) -> set[str]:
    """Give the metrics, recorded ones too, that an expression asks for."""
    return set(_NAME.findall(_STRING.sub("", expression)))


def panels() -> Iterator[Panel]:
    """Give the panels of the dashboard that ask for something, those in closed rows too."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (one for one in (panel, *panel.get("panels", ())) if one.get("targets"))


def expressions() -> list[tuple[str, str]]:
    """Give every query of the dashboard with the title of its panel; of those with several, the later ones are numbered."""
    found = []
    for panel in panels():
        for number, target in enumerate(panel["targets"]):
            title = f"{panel['title']} ({number + 1})" if number else panel["title"]
            found.append((title, target["expr"]))
    return found


def promtool(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end; a missing one is an error, as for every program that the tests drive."""
    binary = shutil.which("promtool")
    assert binary, "promtool is not installed: apt-get install prometheus"
    return subprocess.run(
        [binary, *arguments], capture_output=True, text=True, check=False, timeout=30, cwd=directory
    )
