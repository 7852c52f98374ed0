"""Holds the dashboard to the metrics, and to what Grafana needs of it. What its queries find is asked in tests/e2e."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from alertsync import bootstrap
from alertsync.heartbeat import Heartbeat
from alertsync.web import create_app
from tests.docs import settings
from tests.docs.monitoring import DASHBOARD, Panel, expressions, named, panels
from tests.docs.test_docs import known_series

ROWS = ["Now", "Inconsistencies", "Actions", "Debts", "Alertmanager and IRM", "Runs", "Process"]
DOCUMENT: dict[str, Any] = json.loads(DASHBOARD.read_text())
ALL: list[Panel] = DOCUMENT["panels"]


def sources(value: Any) -> list[Any]:
    """Give every data source that is named anywhere in a part of the dashboard."""
    if isinstance(value, list):
        return [found for one in value for found in sources(one)]
    if not isinstance(value, dict):
        return []
    own = [value["datasource"]] if "datasource" in value else []
    return own + [found for one in value.values() for found in sources(one)]


def test_the_dashboard_has_an_address_that_stays_and_the_rows_that_people_know() -> None:
    assert DOCUMENT["uid"] == "alertsync"
    assert "id" not in DOCUMENT, "Grafana gives it, and refuses one that another dashboard has"
    assert [panel["title"] for panel in ALL if panel["type"] == "row"] == ROWS


def test_the_data_source_is_chosen_and_nowhere_written_down() -> None:
    variables = {one["name"]: one for one in DOCUMENT["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    found = sources(DOCUMENT)
    assert len(found) > len(ALL)
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in found)


def test_every_variable_that_a_query_uses_is_there() -> None:
    known = {one["name"] for one in DOCUMENT["templating"]["list"]} | {"__rate_interval", "__range"}
    used = {name for _, expression in expressions() for name in re.findall(r"\$\{?(\w+)", expression)}
    assert used <= known


def test_panels_have_numbers_and_places_of_their_own() -> None:
    numbers = [panel["id"] for panel in ALL]
    assert len(numbers) == len(set(numbers))
    for one, other in combinations([panel["gridPos"] for panel in ALL], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in ALL)


@pytest.mark.parametrize("panel", list(panels()), ids=lambda panel: panel["title"])
def test_every_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel["description"].endswith(".")


def test_every_query_asks_for_metrics_that_there_are(tmp_path: Path) -> None:
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}), heartbeat=Heartbeat())
    known = known_series(create_app(services))
    for title, expression in expressions():
        asked = named(expression)
        assert asked or "ALERTS{" in expression, title
        assert asked <= known, title
