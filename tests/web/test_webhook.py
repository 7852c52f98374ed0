"""What IRM's webhooks tell is kept once, whatever order it comes in; what others send is refused, and said why."""

from __future__ import annotations

import base64
import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alertsync import bootstrap
from alertsync.errors import StoreDegradedError
from alertsync.models import IrmSilence, LedgerChange
from alertsync.progress import Phase
from alertsync.store import inbox
from alertsync.web import create_app, irm_events, webhook
from tests.docs import settings
from tests.docs.readme import DOCS, blocks
from tests.service import value
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from alertsync.models import WebhookEvent

RECORDED = sorted((Path(__file__).parent.parent / "contract/recordings/oncall-webhooks").glob("*.json"))
GROUP = "IFLYP2SHBG62Z"
USER, PASSWORD = "irm", "a long pässword: of irm"
ON = {"WEBHOOK_USERNAME": USER, "WEBHOOK_PASSWORD": PASSWORD}
PEOPLE = {
    "WEB_USERNAME": "ana",
    "WEB_PASSWORD": "the password of ana",
    "TRIGGER_TOKEN": "the-token-of-scripts",
}
AT = datetime(2026, 11, 23, 2, 52, 39, 956697, tzinfo=UTC)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


RIGHT = basic(USER, PASSWORD)


def recorded(name: str) -> Any:
    """Give the body of a recorded delivery."""
    (path,) = (path for path in RECORDED if path.stem == name)
    return json.loads(path.read_text(encoding="utf-8"))["body"]


class Receiver:
    """The service with these settings, on a clock that tests move by hand."""

    def __init__(self, directory: Path, **values: str) -> None:
        self.time = FakeTime()
        loaded = settings.load({"STATE_DIR": str(directory), "ALERTMANAGER_HOST": "127.0.0.1:1", **values})
        self.services = bootstrap.build(loaded, self.time.clock)
        self.client = create_app(self.services).test_client()

    def post(
        self, body: Any, *, shown: str | None = RIGHT, kind: str = "application/json", **headers: str
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**headers, **({} if shown is None else {"Authorization": shown})}
        return self.client.post("/webhook", data=data, content_type=kind, headers=sent)

    def told(self, body: Any) -> dict[str, Any]:
        """Deliver, and give the answer of a delivery that is taken."""
        answer = self.post(body)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        receipt: dict[str, Any] = answer.get_json()
        assert set(receipt) == {"outcome", "reason", "kind", "alert_group_id"}
        return receipt

    def waiting(self) -> tuple[WebhookEvent, ...]:
        return self.services.store.waiting_events()

    def counted(self, kind: str, outcome: str) -> float | None:
        page = self.client.get("/metrics").get_data(as_text=True)
        return value(page, "alertsync_webhook_deliveries_total", kind=kind, outcome=outcome)

    def follow(self, group_id: str = GROUP) -> None:
        """Let a silence of the alert group of the recordings be followed."""
        silence = IrmSilence(group_id, "Whk", "U1", "ana@example.org", AT, START)
        self.services.store.commit(LedgerChange(irm_silences=(silence,)))


@pytest.fixture
def irm(tmp_path: Path) -> Receiver:
    return Receiver(tmp_path, **ON)


@pytest.fixture(scope="module")
def bystander(tmp_path_factory: pytest.TempPathFactory) -> Receiver:
    """Give one that many tests may share, as none of them leaves anything behind."""
    return Receiver(tmp_path_factory.mktemp("bystander"), **ON)


# --- What IRM really sends --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_every_recorded_delivery_is_understood_and_one_that_may_matter_is_kept(
    irm: Receiver, path: Path
) -> None:
    said = json.loads(path.read_text(encoding="utf-8"))
    body = said["body"]
    kind = body["event"]["type"]
    matters = kind in ("silence", "unsilence", "acknowledge", "resolve")
    irm.follow(body["alert_group"]["id"])
    receipt = irm.told(body)
    group_id = body["alert_group"]["id"]
    assert (receipt["kind"], receipt["alert_group_id"]) == (kind, group_id)
    assert receipt["outcome"] == ("accepted" if matters else "ignored")
    assert len(irm.waiting()) == matters
    for event in irm.waiting():
        assert (event.kind, event.alert_group_id) == (kind, group_id)
        assert event.title == body["alert_group"]["title"].strip()
        assert event.received_at == START
        assert event.url == body["alert_group"]["permalinks"]["web"]
        assert event.user_email == (body["user"]["email"] if body["user"] else "")
        assert event.at == (
            datetime.fromisoformat(body["event"]["time"]) if "time" in body["event"] else None
        )
        until = body["event"].get("until")
        assert event.until == (datetime.fromisoformat(until) if until else None)


def test_there_are_recordings_of_every_way_to_begin_and_to_end_a_silence() -> None:
    names = {path.stem for path in RECORDED}
    assert len(names) == 23
    assert {
        "silence__silence",
        "silence_forever__status_change",
        "auto_unsilence__unsilence",
        "resolve__resolve",
    } <= names


def test_a_silence_says_who_set_it_and_until_when(irm: Receiver) -> None:
    irm.told(recorded("silence__silence"))
    (event,) = irm.waiting()
    assert (event.at, event.until) == (AT, AT + timedelta(hours=1))
    assert (event.user_id, event.user_email, event.username) == (
        "UL78DXLEREU7Y",
        "labadmin@lab.invalid",
        "labadmin",
    )


def test_a_silence_that_ran_out_was_ended_by_nobody(irm: Receiver) -> None:
    irm.follow()
    irm.told(recorded("auto_unsilence__unsilence"))
    (event,) = irm.waiting()
    assert (event.user_id, event.user_email, event.at) == ("", "", None)


def test_the_same_event_by_two_webhooks_or_delivered_again_is_one(irm: Receiver) -> None:
    assert irm.told(recorded("silence__silence"))["outcome"] == "accepted"
    irm.time.sleep(3600)
    for name in ("silence__silence", "silence__status_change"):
        assert irm.told(recorded(name))["outcome"] == "repeated"
    assert len(irm.waiting()) == 1
    assert irm.told(recorded("resilence__silence"))["outcome"] == "accepted"
    assert (irm.counted("silence", "accepted"), irm.counted("silence", "repeated")) == (2, 2)


def test_an_end_that_names_no_time_is_another_one_later(irm: Receiver) -> None:
    irm.follow()
    ended = recorded("unsilence__unsilence")
    assert [irm.told(ended)["outcome"] for _ in range(2)] == ["accepted", "repeated"]
    irm.time.sleep(600)
    assert irm.told(ended)["outcome"] == "accepted"


@pytest.mark.parametrize("name", ["unsilence__unsilence", "ack__acknowledge", "source_resolve__resolve"])
def test_the_end_of_a_silence_that_nobody_follows_is_ignored(irm: Receiver, name: str) -> None:
    receipt = irm.told(recorded(name))
    assert (receipt["outcome"], receipt["reason"]) == (
        "ignored",
        "no silence of this alert group is followed",
    )
    assert irm.waiting() == ()
    assert irm.counted(receipt["kind"], "ignored") == 1


def test_an_end_that_overtakes_what_is_to_be_done_about_its_silence_is_kept(irm: Receiver) -> None:
    irm.told(recorded("silence__silence"))
    assert irm.told(recorded("unsilence__unsilence"))["outcome"] == "accepted"
    assert [event.kind for event in irm.waiting()] == ["silence", "unsilence"]


def test_an_end_that_comes_while_a_run_goes_on_is_kept(irm: Receiver) -> None:
    # It may be about to follow what is ended here.
    board = irm.services.board
    with board.reporting("1", "loop", START, dry_run=False) as progress:
        progress.enter(Phase.READING_IRM)
        assert irm.told(recorded("unsilence__unsilence"))["outcome"] == "accepted"
    irm.time.sleep(60)
    assert irm.told(recorded("unsilence__unsilence"))["outcome"] == "accepted"  # as the first one waits


def test_an_end_is_kept_while_nobody_can_tell_what_is_followed(
    irm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(irm.services.store, "_read", lambda *_: None)
    assert irm.told(recorded("unsilence__unsilence"))["outcome"] == "accepted"


def test_times_in_other_zones_are_the_same_times(irm: Receiver) -> None:
    body = recorded("silence__silence")
    body["event"]["time"] = "2026-11-23T08:22:39.956697+05:30"
    body["event"]["until"] = "2026-11-22T23:52:39.956697-04:00"
    irm.told(body)
    (event,) = irm.waiting()
    assert (event.at, event.until) == (AT, AT + timedelta(hours=1))
    assert irm.told(recorded("silence__silence"))["outcome"] == "repeated"


# --- What others send -------------------------------------------------------------------------------------


def without(*path: str) -> Any:
    """Give a silence that lacks what this path leads to."""
    body = part = recorded("silence__silence")
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return body


def changed(to: Any, *path: str) -> Any:
    """Give a silence in which that is something else."""
    body = part = recorded("silence__silence")
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = to
    return body


REFUSED = {
    "no event": (without("event"), "event"),
    "no type": (without("event", "type"), "type"),
    "no time": (without("event", "time"), "time"),
    "no until, which would be for ever": (without("event", "until"), "until"),
    "no user, which would be nobody": (without("user"), "user"),
    "no alert group": (without("alert_group"), "alert_group"),
    "no id": (without("alert_group", "id"), "id"),
    "a list": ([recorded("silence__silence")], "object"),
    "a text": ("silence", "object"),
    "null": (None, "object"),
    "an event that is a text": (changed("silence", "event"), "$.event"),
    "a type that is none": (changed(7, "event", "type"), "$.event.type"),
    "an empty type": (changed("", "event", "type"), "$.event.type"),
    "a time that is none": (changed("tomorrow", "event", "time"), "$.event.time"),
    "a time without zone": (changed("2026-11-23T02:52:39", "event", "time"), "$.event.time"),
    "a time of no silence": (changed(None, "event", "time"), "$.event.time"),
    "a time that is a number": (changed(1764000000, "event", "until"), "$.event.until"),
    "the 31st of February": (changed("2026-02-31T00:00:00Z", "event", "until"), "$.event.until"),
    "a user that is a text": (changed("ana", "user"), "$.user"),
    "an address that is a list": (changed(["a@b"], "user", "email"), "$.user.email"),
    "an endless address": (changed("a" * 321, "user", "email"), "$.user.email"),
    "an id that is a path": (changed("../../x", "alert_group", "id"), "$.alert_group.id"),
    "an id that is a number": (changed(1, "alert_group", "id"), "$.alert_group.id"),
    "a link that is an object": (changed({}, "alert_group", "permalinks", "web"), "$.alert_group.permalinks.web"),
    "no JSON": (b"event=silence", "JSON"),
    "nothing": (b"", "truncated"),
    "half of it": (json.dumps(recorded("silence__silence")).encode()[:-9], "truncated"),
    "bytes that are no text": (b'{"event": "\xff\xfe"}', ""),
    "half a character": (json.dumps(recorded("silence__silence")).replace("Whk ", "\\ud800").encode(), ""),
    "a name that stands there twice": (json.dumps(recorded("silence__silence")).encode()[:-1] + b', "user": null}', "twice"),
    "a depth that no reader bears": (json.dumps({**recorded("silence__silence"), "deep": 0}).encode()[:-2] + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep"),
    "infinity": (json.dumps(recorded("silence__silence")).encode()[:-1] + b', "x": Infinity}', ""),
}  # fmt: skip


@pytest.mark.parametrize("body", REFUSED, ids=REFUSED)
def test_what_lacks_something_or_is_something_else_is_refused_with_a_hint(
    bystander: Receiver, body: str
) -> None:
    sent, says = REFUSED[body]
    before = bystander.counted("unread", "refused") or 0
    answer = bystander.post(sent)
    assert answer.status_code == 400, answer.get_data(as_text=True)
    problem = answer.get_json()
    assert answer.content_type == "application/problem+json"
    assert says in problem["detail"]
    assert "no custom payload template" in problem["hint"]
    assert bystander.waiting() == ()
    assert bystander.counted("unread", "refused") == before + 1


LIBERAL = {
    "fields that nobody knows": changed({"a": [1, {"b": None}]}, "new"),
    "labels as an object": changed({"team": "db", "ünï": "x"}, "alert_group", "labels"),
    "labels as a list": changed([{"key": {"id": "1"}}], "alert_group", "labels"),
    "no title": without("alert_group", "title"),
    "a title that is null": changed(None, "alert_group", "title"),
    "no links": without("alert_group", "permalinks"),
    "no link to the web": changed(None, "alert_group", "permalinks", "web"),
    "no payload": without("alert_payload"),
    "an integration that is null": changed(None, "integration"),
    "a user without an address": changed({"id": "U1"}, "user"),
    "a user with nothing": changed({}, "user"),
    "capitals": changed("Silence", "event", "type"),
}


@pytest.mark.parametrize("body", LIBERAL, ids=LIBERAL)
def test_what_is_not_needed_may_be_anything(irm: Receiver, body: str) -> None:
    assert irm.told(LIBERAL[body])["outcome"] == "accepted"


def test_what_strangers_wrote_is_kept_short_and_harmless(irm: Receiver) -> None:
    body = changed("javascript:alert(1)", "alert_group", "permalinks", "web")
    body["alert_group"]["title"] = "<script>" * 1000
    body["user"]["email"] = "ana@example.org\nlevel=error"
    body["user"]["username"] = "ana\x1b[31m"
    irm.told(body)
    (event,) = irm.waiting()
    assert (event.url, event.user_email, event.username, len(event.title)) == (None, "", "", 500)


def test_the_ends_of_time_are_times(irm: Receiver) -> None:
    for until in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        body = changed(until, "event", "until")
        assert irm.told(body)["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * (webhook.MOST_BYTES + 1), "application/json", 413),
        (b"event=silence", "application/x-www-form-urlencoded", 415),
        (b"<event/>", "text/xml", 415),
        (b"{}", "", 415),
    ],
)
def test_a_body_that_is_too_large_or_no_json_is_refused(
    irm: Receiver, body: bytes, kind: str, status: int
) -> None:
    assert irm.post(body, kind=kind).status_code == status
    assert irm.counted("unread", "refused") == 1


def test_a_delivery_of_many_alerts_is_taken(irm: Receiver) -> None:
    body = recorded("silence__silence")
    alerts = body["alert_payload"]["alerts"] * 2000
    body["alert_payload"]["alerts"] = body["alert_group"]["last_alert"]["payload"]["alerts"] = alerts
    data = json.dumps(body).encode()
    assert 1_000_000 < len(data) < webhook.MOST_BYTES
    assert irm.post(data).status_code == 200
    assert irm.post(data, kind="application/json; charset=utf-8").get_json()["outcome"] == "repeated"


def test_parameters_are_refused(irm: Receiver) -> None:
    answer = irm.client.post(
        "/webhook?source=irm", json=recorded("silence__silence"), headers={"Authorization": RIGHT}
    )
    assert answer.status_code == 400


# --- Who may ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, PEOPLE], ids=["open to all", "guarded"])
def test_without_credentials_there_is_no_such_address(tmp_path: Path, values: dict[str, str]) -> None:
    off = Receiver(tmp_path, **values)
    for shown in (None, RIGHT, basic("ana", "the password of ana")):
        answer = off.post(recorded("silence__silence"), shown=shown)
        assert answer.status_code == 404
        assert "WEBHOOK_USERNAME" in answer.get_json()["hint"]
    assert off.waiting() == ()


WRONG = {
    "nothing": None,
    "a wrong password": basic(USER, "wrong"),
    "a wrong name": basic("ana", PASSWORD),
    "the password of people": basic("ana", "the password of ana"),
    "the token of scripts": "Bearer the-token-of-scripts",
    "the token as a password": basic(USER, "the-token-of-scripts"),
    "the password as a token": f"Bearer {PASSWORD}".encode().decode("latin-1"),
    "no base64": "Basic !!!",
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("values", [{}, PEOPLE], ids=["open to all", "guarded"])
def test_only_the_credentials_of_the_webhook_open_it(
    tmp_path: Path, what: str, values: dict[str, str]
) -> None:
    receiver = Receiver(tmp_path, **ON, **values)
    answer = receiver.post(recorded("silence__silence"), shown=WRONG[what], Accept="text/html")
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers.getlist("WWW-Authenticate") == ['Basic realm="alertsync", charset="UTF-8"']
    assert "WEBHOOK_USERNAME" in answer.get_json()["hint"]
    assert receiver.waiting() == ()
    assert receiver.told(recorded("silence__silence"))["outcome"] == "accepted"


def test_the_credentials_of_the_webhook_open_nothing_else(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, **ON, **PEOPLE)
    for path in ("/", "/api/v1/status", "/api/v1/silences", "/reconcile"):
        assert receiver.client.get(path, headers={"Authorization": RIGHT}).status_code == 401


def test_whoever_guesses_is_slowed_and_counted_and_irm_is_not(irm: Receiver) -> None:
    statuses = [irm.post({}, shown=basic(USER, "wrong")).status_code for _ in range(60)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert irm.time.passed >= 30
    before = irm.time.passed
    assert irm.told(recorded("silence__silence"))["outcome"] == "accepted"
    assert irm.time.passed == before
    page = irm.client.get("/metrics").get_data(as_text=True)
    assert value(page, "alertsync_auth_failures_total", reason="wrong_password") == 60


def test_a_body_is_not_read_of_those_who_are_not_let_in(irm: Receiver) -> None:
    assert irm.post(b"x" * 5_000_000, shown=None).status_code == 401


@pytest.mark.parametrize("headers", [{"Origin": "https://irm.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_where_a_delivery_comes_from_does_not_matter(irm: Receiver, headers: dict[str, str]) -> None:
    assert irm.post(recorded("silence__silence"), **headers).status_code == 200


def test_other_methods_are_refused(irm: Receiver) -> None:
    answer = irm.client.get("/webhook", headers={"Authorization": RIGHT})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")


# --- Where it cannot be kept ------------------------------------------------------------------------------


def test_a_store_that_cannot_write_is_told_to_irm(irm: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def degraded(event: WebhookEvent) -> bool:
        raise StoreDegradedError(f"the disk is full, {event.kind}")

    monkeypatch.setattr(irm.services.store, "receive", degraded)
    answer = irm.post(recorded("silence__silence"))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "the disk is full" in answer.get_json()["detail"]
    assert irm.counted("silence", "not_kept") == 1


def test_a_full_inbox_is_told_to_irm_and_what_is_known_already_is_not(
    irm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING", 2)
    for name in ("silence__silence", "silence2__silence"):
        irm.told(recorded(name))
    answer = irm.post(recorded("resilence__silence"))
    assert answer.status_code == 503
    assert "RECONCILE_INTERVAL" in answer.get_json()["detail"]
    assert irm.told(recorded("silence__silence"))["outcome"] == "repeated"


def test_the_example_of_the_documentation_is_answered_as_it_says(irm: Receiver) -> None:
    page = DOCS / "WEBHOOK.md"
    (command,) = (block for block in blocks(page, "sh") if "curl" in block)
    (answer,) = blocks(page, "json")
    sent = command.partition("-d '")[2].rpartition("'")[0]
    assert irm.told(sent.encode()) == json.loads(answer)
    assert f"At most {inbox.MOST_WAITING} events wait" in page.read_text(encoding="utf-8")


# --- Reading alone ----------------------------------------------------------------------------------------


def test_every_series_is_there_from_the_start(irm: Receiver) -> None:
    page = irm.client.get("/metrics").get_data(as_text=True)
    series = [line for line in page.splitlines() if line.startswith("alertsync_webhook_deliveries_total{")]
    assert len(series) == len(webhook._SERIES) == 17
    assert all(line.endswith(" 0.0") for line in series)
    assert value(page, "alertsync_webhook_events_waiting") == 0


def test_events_that_differ_in_what_matters_have_other_ids() -> None:
    body = recorded("silence__silence")
    seen = {irm_events.read(json.dumps(body).encode(), START).id}
    for path, to in (
        (("event", "until"), None),
        (("event", "time"), "2026-11-23T02:52:40Z"),
        (("user", "id"), "U2"),
        (("user", "email"), "bob@example.org"),
        (("alert_group", "id"), "I2"),
    ):
        other = copy.deepcopy(body)
        other[path[0]][path[1]] = to
        seen.add(irm_events.read(json.dumps(other).encode(), START).id)
    assert len(seen) == 6
