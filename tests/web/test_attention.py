"""What holds alertsync back stands on its page, in its readiness and in its metrics, with what to do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from alertsync import bootstrap, metrics
from alertsync.errors import StoreDegradedError
from alertsync.models import (
    Brake,
    Counters,
    Credentials,
    IrmHeartbeat,
    LedgerChange,
    OwedAlert,
    Owing,
    Requests,
    Standing,
)
from alertsync.web import create_app
from tests.docs import settings
from tests.unit.clocks import START
from tests.unit.ledgers import debt, lease, run

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.services import Services

HTML = {"Accept": "text/html"}


class Shown:
    """What a service with these settings shows."""

    def __init__(self, directory: Path, **values: str) -> None:
        self.services: Services = bootstrap.build(
            settings.load(
                {
                    "STATE_DIR": str(directory),
                    "GRAFANA_IRM_URL": "http://127.0.0.1:1",
                    "GRAFANA_IRM_TOKEN": "no-such-token",
                    **values,
                }
            )
        )
        self._client = create_app(self.services).test_client()

    def remember(self, change: LedgerChange, **more: Any) -> None:
        """Let a run end that left this in the ledger."""
        store = self.services.store
        store.commit(change)
        ended = run(**more)
        standing = metrics.count(store.standing(), ended, store.ledger())
        store.end_run(ended, standing, Requests())

    def page(self, path: str = "/", **headers: str) -> str:
        return self._client.get(path, headers=HTML | headers).get_data(as_text=True)

    def attention(self, **headers: str) -> dict[str, Any]:
        answer = self._client.get("/readyz", headers=headers)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.get_json()["attention"]
        return found

    def metrics(self) -> str:
        return self._client.get("/metrics").get_data(as_text=True)


def test_a_healthy_service_holds_nothing_against_anybody(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    shown.remember(LedgerChange())
    attention = shown.attention()
    assert not any(attention.values())
    assert 'class="concern bad"' not in shown.page()
    assert 'class="concern warn"' not in shown.page()
    assert "Nothing is owed" in shown.page("/owed")
    assert "\nalertsync_state_degraded 0.0\n" in shown.metrics()


@pytest.mark.parametrize(
    ("values", "said"), [({"DRY_RUN": "true"}, "DRY_RUN is on"), ({"REPAGE": "false"}, "REPAGE=false")]
)
def test_the_mode_is_said_where_it_keeps_pages_back(
    tmp_path: Path, values: dict[str, str], said: str
) -> None:
    shown = Shown(tmp_path, **values)
    assert said in shown.attention()["mode"]
    assert said in shown.page()


def test_an_engaged_brake_comes_with_the_command_that_lifts_it(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    shown.remember(LedgerChange(), brakes=frozenset({Brake.GONE_RATIO}))
    (brake,) = shown.attention(Host="alertsync.example:8080")["brakes"]
    assert brake["brake"] == "gone_ratio"
    assert brake["lift"] == "curl -X POST 'http://alertsync.example:8080/reconcile?lift=gone_ratio'"
    page = shown.page(Host="alertsync.example:8080")
    assert "curl -X POST &#39;http://alertsync.example:8080/reconcile?lift=gone_ratio&#39;" in page


@pytest.mark.parametrize("host", ["a';rm -rf ~;'", "a b", "$(reboot)", "a/../b"])
def test_no_made_up_host_gets_into_a_command(tmp_path: Path, host: str) -> None:
    shown = Shown(tmp_path)
    shown.remember(LedgerChange(), brakes=frozenset(Brake))
    answer = shown._client.get("/readyz", headers={"Host": host})
    if answer.status_code == 200:
        for brake in answer.get_json()["attention"]["brakes"]:
            assert brake["lift"].startswith("curl -X POST 'http://localhost/reconcile?lift=")


def test_a_token_that_may_not_act_is_said_in_the_words_of_irm(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    refusal = "Service accounts are not allowed to resolve alert groups"
    shown.remember(LedgerChange(credentials=Credentials(START, refusal)))
    assert shown.attention()["cannot_act"] == refusal
    assert refusal in shown.page()
    assert "\nalertsync_credentials_can_act 0.0\n" in shown.metrics()


def test_a_heartbeat_that_irm_did_not_take_is_said_while_one_is_asked_for(tmp_path: Path) -> None:
    problem = "Grafana IRM: the integration CTYPO has no heartbeat, or is gone"
    shown = Shown(tmp_path, IRM_HEARTBEAT_INTEGRATION_ID="CTYPO")
    store = shown.services.store
    standing = Standing(
        last=None, counters=Counters(runs=1), heartbeat=IrmHeartbeat(failed=1, problem=problem)
    )
    store.end_run(run(), standing, Requests())
    assert shown.attention()["heartbeat"] == problem
    assert problem in shown.page()
    assert Shown(tmp_path).attention()["heartbeat"] == ""


def test_owed_pages_are_listed_with_their_ends_and_those_that_are_due_first(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    until = START + timedelta(hours=1)
    alarmed = OwedAlert("f0", {}, Owing.POSTED, posts=3, alarm="no delivery was seen")
    debts = (
        debt(Owing.DUE, name="I1"),
        debt(name="I2", alerts=(alarmed,)),
        *(debt(Owing.OWED, name=f"I{number}", silenced_until=until) for number in range(3, 20)),
        debt(Owing.PAID, name="I20", closed_at=START),
        debt(Owing.OWED, name="I21", void=True),
    )
    shown.remember(LedgerChange(debts=debts, leases=(lease("I30"),)))
    attention = shown.attention()
    assert (attention["due"], attention["owed"], attention["leases"]) == (2, 17, 1)
    owing = attention["owing"]
    assert len(owing) == 10
    assert attention["more"] is True
    assert [(one["alert_group_id"], one["due"], one["alarm"]) for one in owing[:2]] == [
        ("I2", True, "no delivery was seen"),
        ("I1", True, ""),
    ]
    assert all(one["until"] for one in owing[2:])
    page = shown.page("/owed")
    assert "Disk of I1" in page
    assert page.index("no delivery was seen") < page.index("Due now") < page.index("Disk of I3")
    assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "Disk of I20" not in page
    assert "Disk of I20" in shown.page("/owed?show=all")
    assert "Nobody is paged" in shown.page()


def test_a_store_that_degrades_after_the_last_run_shows_at_once_and_stays_ready(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    shown.remember(LedgerChange())
    assert "\nalertsync_state_degraded 0.0\n" in shown.metrics()
    for name in ("alertsync.db", "alertsync.db-wal", "alertsync.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "alertsync.db").mkdir()
    with pytest.raises(StoreDegradedError):
        shown.services.store.commit(LedgerChange(debts=(debt(Owing.OWED),)))
    assert "\nalertsync_state_degraded 1.0\n" in shown.metrics()
    assert shown.metrics().count("# TYPE alertsync_state_degraded") == 1
    assert shown.attention()["degraded"]
    assert "The store is degraded" in shown.page()


def test_what_strangers_call_things_is_text(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    shown.remember(LedgerChange(debts=(debt(Owing.DUE, title="<script>alert(1)</script>"),)))
    page = shown.page("/owed")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
