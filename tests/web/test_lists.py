"""The lists of runs, actions and debts: bounded pages in a stable order, whatever is added meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from alertsync import bootstrap
from alertsync.errors import StoreDegradedError
from alertsync.models import ActionKind, LedgerChange, Outcome, Owing
from alertsync.web import create_app
from tests.docs import settings
from tests.unit.clocks import START
from tests.unit.ledgers import action, debt, run

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

    from alertsync.store import Store

LISTS = ("/api/v1/runs", "/api/v1/actions", "/api/v1/debts")


@pytest.fixture
def services(tmp_path: Path) -> Any:
    return bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))


@pytest.fixture
def client(services: Any) -> FlaskClient:
    return create_app(services).test_client()


@pytest.fixture
def store(services: Any) -> Store:
    store: Store = services.store
    return store


def fill(store: Store, numbers: range) -> None:
    """Record a run with an action and a debt for each number."""
    for number in numbers:
        done = action(
            ActionKind.RESOLVE, Outcome.RESOLVED, f"I{number}", run_id=run(number).run_id, reason="so it is"
        )
        store.save_run(run(number, actions=(done,)))
        state = Owing.PAID if number % 2 else Owing.OWED
        closed = {"closed_at": START} if number % 2 else {}
        made = debt(state, name=f"I{number}", made_at=START + timedelta(seconds=number), **closed)
        store.commit(LedgerChange(debts=(made,)))


def name_of(item: dict[str, Any]) -> str:
    return str(item.get("alert_group_id") or f"I{int(item['run_id'][12:15])}")


def walk(client: FlaskClient, path: str, limit: int) -> list[list[str]]:
    """Read a list to its end; give the names on each page."""
    pages = []
    more = "?" if "?" not in path else "&"
    address: str | None = f"{path}{more}limit={limit}"
    while address is not None:
        page = client.get(address).get_json()
        assert set(page) == {"items", "next"}
        pages.append([name_of(item) for item in page["items"]])
        address = f"{path}{more}limit={limit}&cursor={page['next']}" if page["next"] else None
    return pages


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_list_has_no_next_page(client: FlaskClient, path: str) -> None:
    assert client.get(path).get_json() == {"items": [], "next": None}


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/actions", "/api/v1/debts?state=all"])
def test_a_list_is_read_page_by_page_newest_first(client: FlaskClient, store: Store, path: str) -> None:
    fill(store, range(7))
    assert walk(client, path, 3) == [["I6", "I5", "I4"], ["I3", "I2", "I1"], ["I0"]]
    assert walk(client, path, 7) == [[f"I{number}" for number in reversed(range(7))]]


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/actions", "/api/v1/debts?state=all"])
def test_what_is_added_meanwhile_shifts_no_page(client: FlaskClient, store: Store, path: str) -> None:
    fill(store, range(4))
    more = "&" if "?" in path else "?"
    first = client.get(f"{path}{more}limit=2").get_json()
    fill(store, range(4, 8))
    second = client.get(f"{path}{more}limit=2&cursor={first['next']}").get_json()
    assert [name_of(item) for item in second["items"]] == ["I1", "I0"]
    assert second["next"] is None


def test_fifty_are_listed_unless_asked_for_more(client: FlaskClient, store: Store) -> None:
    fill(store, range(52))
    assert len(client.get("/api/v1/runs").get_json()["items"]) == 50
    assert len(client.get("/api/v1/runs?limit=500").get_json()["items"]) == 52


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "501", "-1", "", "many", "1e2", "%D9%A3", "99999999999"])
def test_a_limit_that_cannot_be_used_is_refused(client: FlaskClient, path: str, limit: str) -> None:
    answer = client.get(f"{path}?limit={limit}")
    assert answer.status_code == 400
    assert "1 to 500" in answer.get_json()["hint"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["", "nonsense", "%00", "e30", "a" * 3000])
@pytest.mark.parametrize("name", ["cursor", "before"])
def test_a_cursor_that_is_not_ours_is_refused(client: FlaskClient, path: str, name: str, cursor: str) -> None:
    answer = client.get(f"{path}?{name}={cursor}")
    assert answer.status_code == 400
    assert answer.get_json()["title"] == "Unknown cursor"
    assert "next" in answer.get_json()["hint"]


@pytest.mark.parametrize("query", ["limits=3", "limit=3&limit=4", "page=2"])
@pytest.mark.parametrize("path", LISTS)
def test_a_parameter_that_is_not_known_is_refused(client: FlaskClient, path: str, query: str) -> None:
    assert client.get(f"{path}?{query}").status_code == 400


def test_debts_are_the_open_ones_unless_all_are_asked_for(client: FlaskClient, store: Store) -> None:
    fill(store, range(4))
    assert walk(client, "/api/v1/debts", 9) == [["I2", "I0"]]
    assert walk(client, "/api/v1/debts?state=open", 9) == [["I2", "I0"]]
    assert walk(client, "/api/v1/debts?state=all", 9) == [["I3", "I2", "I1", "I0"]]
    refused = client.get("/api/v1/debts?state=closed")
    assert refused.status_code == 400
    assert refused.get_json()["hint"] == "write state=open or state=all"


def test_a_debt_shows_what_is_owed_alert_by_alert(client: FlaskClient, store: Store) -> None:
    fill(store, range(1))
    (shown,) = client.get("/api/v1/debts").get_json()["items"]
    assert shown["open"] is True
    assert shown["reason"] == "its only alert is silenced by ana@example.org"
    assert [(alert["fingerprint"], alert["state"]) for alert in shown["alerts"]] == [("f0", "owed")]


def test_actions_of_one_alert_group_are_found(client: FlaskClient, store: Store) -> None:
    fill(store, range(4))
    assert walk(client, "/api/v1/actions?alert_group_id=I2", 9) == [["I2"]]
    assert walk(client, "/api/v1/actions?alert_group_id=nobody", 9) == [[]]
    for wanted in ("", "x" * 65):
        assert client.get(f"/api/v1/actions?alert_group_id={wanted}").status_code == 400


def test_a_run_of_the_list_can_be_read_whole(client: FlaskClient, store: Store) -> None:
    fill(store, range(1))
    (listed,) = client.get("/api/v1/runs").get_json()["items"]
    assert "decisions" not in listed
    whole = client.get(f"/api/v1/runs/{listed['run_id']}").get_json()
    assert whole["actions"][0]["alert_group_id"] == "I0"


def test_a_list_says_when_the_store_cannot_be_trusted_to_be_whole(tmp_path: Path) -> None:
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))
    (tmp_path / "alertsync.db").mkdir()
    with pytest.raises(StoreDegradedError):
        services.store.commit(LedgerChange(fresh=False))
    for path in LISTS:
        answer = create_app(services).test_client().get(path)
        assert answer.status_code == 200
        assert answer.get_json()["degraded"]
