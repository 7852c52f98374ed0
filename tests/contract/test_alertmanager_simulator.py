"""The simulated Alertmanager and the real one, held against the same facts.

Every other test that uses the simulator believes it. So each fact that the product depends on is asserted
here on both, over HTTP, with webhooks received by a real server. Where Alertmanager's words changed between
versions, the simulator is compared at 0.25.0, the version of the recordings.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import yaml

from alertsync.simulator.alertmanager_model import fingerprint
from alertsync.simulator.wire import Server
from tests.contract.alertmanagers import KINDS, Json, ask, get, labels_of, started, webhook_receiver
from tests.servers import AlertmanagerUnderTest, poll_until

API_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOWHERE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def hooks() -> Iterator[Server]:
    with webhook_receiver() as server:
        yield server


@pytest.fixture(params=KINDS)
def alertmanager(
    request: pytest.FixtureRequest, tmp_path: Path, hooks: Server
) -> Iterator[AlertmanagerUnderTest]:
    with started(request.param, tmp_path, hooks) as running:
        yield running


def silence_for(alertmanager: AlertmanagerUnderTest, minutes: float = 10, **pairs: str) -> str:
    return alertmanager.silence(
        pairs, duration=timedelta(minutes=minutes), created_by="ana@example.org", comment="c"
    )


def silence_body(**changes: Json) -> dict[str, Json]:
    now = datetime.now(UTC)
    return {
        "matchers": [{"name": "alertname", "value": "One", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "lab",
        "comment": "c",
    } | changes


def names(alerts: Sequence[Mapping[str, Json]]) -> list[str]:
    return sorted(alert["labels"]["alertname"] for alert in alerts)


# The shapes of the API.


def check_alert(alert: dict[str, Json]) -> None:
    assert alert.keys() == {
        *("annotations", "endsAt", "fingerprint", "generatorURL", "labels"),
        *("receivers", "startsAt", "status", "updatedAt"),
    }
    assert alert["fingerprint"] == fingerprint(alert["labels"])
    assert all(API_TIME.fullmatch(alert[name]) for name in ("startsAt", "endsAt", "updatedAt"))
    assert alert["status"].keys() - {"mutedBy"} == {"state", "silencedBy", "inhibitedBy"}
    assert all(isinstance(alert["status"][name], list) for name in alert["status"].keys() - {"state"})
    assert all(receiver.keys() == {"name"} for receiver in alert["receivers"])


def test_alerts_have_the_recorded_shape_and_are_sorted_by_fingerprint(
    alertmanager: AlertmanagerUnderTest,
) -> None:
    for instance in "abcd":
        alertmanager.fire(labels_of("One", instance), {"summary": instance})

    alerts = get(alertmanager, "/api/v2/alerts")

    for alert in alerts:
        check_alert(alert)
    assert [alert["fingerprint"] for alert in alerts] == sorted(alert["fingerprint"] for alert in alerts)
    assert {alert["annotations"]["summary"] for alert in alerts} == set("abcd")
    assert {alert["status"]["state"] for alert in alerts} == {"active"}


def test_an_alert_without_generator_url_has_none(alertmanager: AlertmanagerUnderTest) -> None:
    posted = ask(alertmanager, "POST", "/api/v2/alerts", [{"labels": {"alertname": "Bare", "empty": ""}}])

    (alert,) = get(alertmanager, "/api/v2/alerts")

    assert (posted.status_code, posted.content) == (200, b"")
    assert "generatorURL" not in alert
    assert alert["labels"] == {"alertname": "Bare"}
    lasts = datetime.fromisoformat(alert["endsAt"]) - datetime.fromisoformat(alert["startsAt"])
    assert lasts == timedelta(minutes=5)


def test_groups_name_receiver_and_labels_and_an_alert_once_for_each_route(
    alertmanager: AlertmanagerUnderTest,
) -> None:
    alertmanager.fire(labels_of("Twice", lab="twice", job="db"))
    alertmanager.fire(labels_of("Twice", lab="twice"))
    alertmanager.fire(labels_of("One", "b"))
    alertmanager.fire(labels_of("One"))

    groups = get(alertmanager, "/api/v2/alerts/groups")

    seen = [
        (group["receiver"], group["labels"], [alert["labels"]["instance"] for alert in group["alerts"]])
        for group in groups
    ]
    assert seen == [
        ({"name": "default"}, {"alertname": "One"}, ["a", "b"]),
        ({"name": "team-a"}, {"alertname": "Twice"}, ["a"]),
        ({"name": "team-b"}, {"alertname": "Twice"}, ["a"]),
        ({"name": "team-a"}, {"alertname": "Twice", "job": "db"}, ["a"]),
        ({"name": "team-b"}, {"alertname": "Twice", "job": "db"}, ["a"]),
    ]
    for group in groups:
        assert group.keys() == {"alerts", "labels", "receiver"}
        for alert in group["alerts"]:
            check_alert(alert)
    assert groups[1]["alerts"][0]["receivers"] == [{"name": "team-a"}, {"name": "team-b"}]
    (only,) = get(alertmanager, "/api/v2/alerts/groups?receiver=team-a&filter=job=db")
    assert only["alerts"][0]["receivers"] == [{"name": "team-a"}]


def test_status_tells_start_cluster_version_and_configuration(alertmanager: AlertmanagerUnderTest) -> None:
    status = get(alertmanager, "/api/v2/status")

    assert status.keys() == {"cluster", "config", "uptime", "versionInfo"}
    assert API_TIME.fullmatch(status["uptime"])
    assert datetime.now(UTC) - datetime.fromisoformat(status["uptime"]) < timedelta(minutes=1)
    assert status["cluster"]["status"] in {"disabled", "settling", "ready"}
    assert isinstance(status["cluster"]["peers"], list)
    assert status["versionInfo"].keys() == {
        *("branch", "buildDate", "buildUser", "goVersion", "revision", "version")
    }
    route = yaml.safe_load(status["config"]["original"])["route"]
    assert (route["receiver"], route["repeat_interval"]) == ("default", "4h")
    assert route["routes"][1]["matchers"] == ['lab="cut"']
    assert [one["name"] for one in get(alertmanager, "/api/v2/receivers")] == [
        *("default", "team.x+prod (1)", "cut", "team-a", "team-b")
    ]


def test_probes_answer_ok(alertmanager: AlertmanagerUnderTest) -> None:
    for path in ("/-/healthy", "/-/ready"):
        answer = ask(alertmanager, "GET", path)
        assert (answer.status_code, answer.text.strip()) == (200, "OK")


# What suppresses an alert, and what the parameters leave out.


def test_a_silence_shows_in_the_very_next_answer_and_so_does_its_end(
    alertmanager: AlertmanagerUnderTest,
) -> None:
    alertmanager.fire(labels_of("One"))
    alertmanager.fire(labels_of("One", "b"))

    silence_id = silence_for(alertmanager, instance="a")

    silenced, other = sorted(get(alertmanager, "/api/v2/alerts"), key=lambda one: one["labels"]["instance"])
    assert silenced["status"]["state"] == "suppressed"
    assert silenced["status"]["silencedBy"] == [silence_id]
    assert other["status"]["state"] == "active"
    (group,) = get(alertmanager, "/api/v2/alerts/groups")
    assert [one["status"]["silencedBy"] for one in group["alerts"]] == [[silence_id], []]
    alertmanager.expire(silence_id)
    assert {one["status"]["state"] for one in get(alertmanager, "/api/v2/alerts")} == {"active"}


def test_an_inhibited_alert_names_the_alert_that_inhibits_it(alertmanager: AlertmanagerUnderTest) -> None:
    alertmanager.fire(labels_of("Slow", severity="minor", site="ams"))
    alertmanager.fire(labels_of("Slow", severity="minor", site="fra"))

    outage = alertmanager.fire(labels_of("Outage", site="ams"))

    (inhibited,) = get(alertmanager, "/api/v2/alerts?active=false")
    assert inhibited["labels"]["site"] == "ams"
    assert inhibited["status"]["state"] == "suppressed"
    assert inhibited["status"]["inhibitedBy"] == [outage]
    alertmanager.end(labels_of("Outage", site="ams"))
    poll_until(lambda: get(alertmanager, "/api/v2/alerts?active=false") == [], what="it is inhibited no more")


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ["Both", "Calm", "Outage", "Quoted", "Silenced"]),
        ("silenced=false", ["Calm", "Outage", "Quoted"]),
        ("silenced=nonsense", ["Calm", "Outage", "Quoted"]),
        ("inhibited=0", ["Calm", "Outage", "Quoted", "Silenced"]),
        ("active=false", ["Both", "Silenced"]),
        ("active=no&inhibited=no", ["Silenced"]),
        ("unknown=parameter", ["Both", "Calm", "Outage", "Quoted", "Silenced"]),
        ('filter=alertname="Calm"', ["Calm"]),
        ("filter=alertname=Calm", ["Calm"]),
        ('filter=alertname=~"C.*"', ["Calm"]),
        ('filter=alertname=~"C"', []),
        ('filter=alertname!="Calm"&filter=severity!="minor"', ["Outage", "Quoted", "Silenced"]),
        ('filter=lab="a \\"quoted\\" one"', ["Quoted"]),
        ('filter=lab!~".%2B"', ["Both", "Calm", "Outage", "Silenced"]),
        ("receiver=def.*", ["Both", "Calm", "Outage", "Silenced"]),
        ("receiver=def", []),
    ],
)
def test_parameters_leave_out_alerts(subject: AlertmanagerUnderTest, query: str, left: list[str]) -> None:
    assert names(get(subject, f"/api/v2/alerts?{query}")) == left
    groups = get(subject, f"/api/v2/alerts/groups?{query}")
    assert names([alert for group in groups for alert in group["alerts"]]) == left


@pytest.fixture(scope="module", params=KINDS)
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AlertmanagerUnderTest]:
    """One Alertmanager for many questions that change nothing."""
    directory = tmp_path_factory.mktemp("alertmanager")
    with webhook_receiver() as hooks, started(request.param, directory, hooks, "0.25.0") as running:
        running.fire(labels_of("Calm"))
        running.fire(labels_of("Silenced"))
        running.fire(labels_of("Quoted", lab='a "quoted" one'))
        running.fire(labels_of("Both", severity="minor", site="ams"))
        silence_for(running, alertname="Silenced")
        silence_for(running, alertname="Both")
        running.fire(labels_of("Outage", site="ams"))
        yield running


# Silences: what keeps its id, and what is refused.


def posted_id(alertmanager: AlertmanagerUnderTest, body: dict[str, Json]) -> str:
    answer = ask(alertmanager, "POST", "/api/v2/silences", body)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"silenceID"}
    silence_id: str = answer.json()["silenceID"]
    return silence_id


def stored(alertmanager: AlertmanagerUnderTest, silence_id: str) -> dict[str, Json]:
    silence: dict[str, Json] = get(alertmanager, f"/api/v2/silence/{silence_id}")
    return silence


def test_a_silence_has_the_recorded_shape(alertmanager: AlertmanagerUnderTest) -> None:
    silence_id = posted_id(alertmanager, silence_body())

    (silence,) = get(alertmanager, "/api/v2/silences")

    assert silence == stored(alertmanager, silence_id)
    assert silence.keys() == {
        *("comment", "createdBy", "endsAt", "id", "matchers", "startsAt", "status", "updatedAt")
    }
    assert all(API_TIME.fullmatch(silence[name]) for name in ("startsAt", "endsAt", "updatedAt"))
    assert silence["matchers"] == [{"name": "alertname", "value": "One", "isRegex": False, "isEqual": True}]
    assert silence["status"] == {"state": "active"}
    assert silence["startsAt"] == silence["updatedAt"]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"endsAt": "2099-01-01T00:00:00Z"}, True),
        ({"comment": "another", "createdBy": "bob"}, True),
        ({"matchers": [{"name": "alertname", "value": "Two", "isRegex": False}]}, False),
        ({"matchers": [{"name": "alertname", "value": "One", "isRegex": True}]}, False),
        ({"startsAt": "2020-01-01T00:00:00Z"}, False),
    ],
)
def test_an_edit_keeps_the_id_if_matchers_and_start_stay(
    alertmanager: AlertmanagerUnderTest, change: dict[str, Json], kept: bool
) -> None:
    first_id = posted_id(alertmanager, silence_body())
    before = stored(alertmanager, first_id)

    edited_id = posted_id(alertmanager, silence_body(id=first_id, startsAt=before["startsAt"]) | change)

    assert (edited_id == first_id) is kept
    assert stored(alertmanager, edited_id)["status"]["state"] == "active"
    if not kept:
        assert stored(alertmanager, first_id)["status"]["state"] == "expired"
        assert len(get(alertmanager, "/api/v2/silences")) == 2


def test_an_expired_silence_stays_listed_and_may_be_deleted_again(
    alertmanager: AlertmanagerUnderTest,
) -> None:
    silence_id = silence_for(alertmanager, alertname="One")

    first = ask(alertmanager, "DELETE", f"/api/v2/silence/{silence_id}")
    again = ask(alertmanager, "DELETE", f"/api/v2/silence/{silence_id}")

    assert [(answer.status_code, answer.content) for answer in (first, again)] == [(200, b"")] * 2
    (silence,) = get(alertmanager, "/api/v2/silences")
    assert silence["status"] == {"state": "expired"}
    assert silence["endsAt"] == silence["updatedAt"]


def test_editing_an_expired_silence_makes_another(alertmanager: AlertmanagerUnderTest) -> None:
    silence_id = silence_for(alertmanager, alertname="One")
    alertmanager.expire(silence_id)

    assert posted_id(alertmanager, silence_body(id=silence_id)) != silence_id


def test_a_pending_silence_holds_nothing_yet(alertmanager: AlertmanagerUnderTest) -> None:
    alertmanager.fire(labels_of("One"))
    later = datetime.now(UTC) + timedelta(minutes=5)

    silence_id = posted_id(alertmanager, silence_body(startsAt=later.isoformat()))

    assert stored(alertmanager, silence_id)["status"]["state"] == "pending"
    (alert,) = get(alertmanager, "/api/v2/alerts")
    assert alert["status"]["silencedBy"] == []
    moved = silence_body(id=silence_id, startsAt=(later + timedelta(minutes=5)).isoformat())
    assert posted_id(alertmanager, moved) == silence_id


def test_silences_are_listed_by_state_then_by_time(alertmanager: AlertmanagerUnderTest) -> None:
    now = datetime.now(UTC)
    expired = [silence_for(alertmanager, number=str(number)) for number in range(2)]
    for silence_id in expired:
        alertmanager.expire(silence_id)
    pending = posted_id(alertmanager, silence_body(startsAt=(now + timedelta(minutes=5)).isoformat()))
    late = silence_for(alertmanager, minutes=60, alertname="One")
    soon = silence_for(alertmanager, minutes=5, alertname="One")

    listed = [silence["id"] for silence in get(alertmanager, "/api/v2/silences")]

    assert listed == [soon, late, pending, *reversed(expired)]
    found = get(alertmanager, '/api/v2/silences?filter=number="1"')
    assert [silence["id"] for silence in found] == [expired[1]]


@pytest.mark.parametrize(
    ("matcher", "held"),
    [
        ({"value": "b.*", "isRegex": True}, "bc"),
        ({"value": "b", "isRegex": True}, "b"),
        ({"value": "b.*", "isRegex": True, "isEqual": False}, "a"),
        ({"value": "a", "isRegex": False, "isEqual": False}, "bc"),
    ],
)
def test_matchers_are_anchored_and_may_be_negative(
    subject: AlertmanagerUnderTest, matcher: dict[str, Json], held: str
) -> None:
    instances = {"a": "a", "b": "b", "c": "bc"}
    for instance in instances.values():
        subject.fire(labels_of("Matched", instance, lab="matched"))
    only = {"name": "alertname", "value": "Matched", "isRegex": False}
    silence_id = posted_id(subject, silence_body(matchers=[only, {"name": "instance", **matcher}]))

    alerts = get(subject, '/api/v2/alerts?filter=lab="matched"')

    suppressed = {alert["labels"]["instance"] for alert in alerts if alert["status"]["silencedBy"]}
    subject.expire(silence_id)
    for instance in instances.values():
        subject.end(labels_of("Matched", instance, lab="matched"))
    assert suppressed == {instances[name] for name in held}


def code(number: int, message: str) -> dict[str, Json]:
    return {"code": number, "message": message}


def one_matcher(**matcher: Json) -> dict[str, Json]:
    return silence_body(matchers=[{"name": "x", "value": "y", "isRegex": False} | matcher])


PAST = {"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:50Z"}
REFUSALS: list[tuple[str, str, Json, int, Json]] = [
    ("GET", "/alerts?filter=%7Bbad", None, 400, "bad matcher format: {bad"),
    ("GET", "/alerts/groups?filter=%7Bbad", None, 400, "bad matcher format: {bad"),
    ("GET", "/silences?filter=bad", None, 400, "bad matcher format: bad"),
    (
        "POST",
        "/silences",
        silence_body(**PAST),
        400,
        "Failed to create silence: end time can't be in the past",
    ),
    (
        *("POST", "/silences", silence_body(endsAt="2020-01-01T00:00:00Z"), 400),
        "Failed to create silence: start time must be before end time",
    ),
    (
        *("POST", "/silences", one_matcher(value=""), 400),
        "silence invalid: at least one matcher must not match the empty string",
    ),
    (
        *("POST", "/silences", one_matcher(value=".*", isRegex=True), 400),
        "silence invalid: at least one matcher must not match the empty string",
    ),
    (
        *("POST", "/silences", one_matcher(name="a-b"), 400),
        'silence invalid: invalid label matcher 0: invalid label name "a-b"',
    ),
    (
        *("POST", "/silences", silence_body(matchers=[]), 422),
        code(612, "matchers in body should have at least 1 items"),
    ),
    (
        *("POST", "/silences", silence_body(comment=None), 422),
        code(602, "comment in body is required"),
    ),
    ("POST", "/silences", {}, 422, code(602, "comment in body is required")),
    (
        *("POST", "/silences", one_matcher(isRegex=None), 422),
        code(602, "matchers.0.isRegex in body is required"),
    ),
    ("POST", "/silences", silence_body(id=NOWHERE), 404, "silence not found"),
    ("GET", f"/silence/{NOWHERE}", None, 404, ""),
    ("DELETE", f"/silence/{NOWHERE}", None, 500, "silence not found"),
    (
        *("GET", "/silence/nope", None, 422),
        code(601, 'silenceID in path must be of type uuid: "nope"'),
    ),
    (
        *("DELETE", "/silence/nope", None, 422),
        code(601, 'silenceID in path must be of type uuid: "nope"'),
    ),
    ("POST", "/alerts", [{"labels": {}}], 400, "at least one label pair required"),
    (
        *(
            "POST",
            "/alerts",
            [{"labels": {"a": "b"}, "startsAt": "2099-01-01T00:00:00Z", "endsAt": "2098-01-01T00:00:00Z"}],
        ),
        *(400, "start time must be before end time"),
    ),
    ("POST", "/alerts", [{"annotations": {}}], 422, code(602, "0.labels in body is required")),
    (
        *("POST", "/alerts", {}, 400),
        code(
            400,
            'parsing alerts body from "" failed, because json: cannot unmarshal object into Go value of type models.PostableAlerts',
        ),
    ),
    ("GET", "/nope", None, 404, code(404, "path /api/v2/nope was not found")),
    ("DELETE", "/status", None, 405, code(405, "method DELETE is not allowed, but [GET] are")),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), REFUSALS)
def test_refusals_have_the_recorded_status_and_body(  # noqa: PLR0913, PLR0917 - a row of the table
    subject: AlertmanagerUnderTest, method: str, path: str, body: Json, status: int, words: Json
) -> None:
    answer = ask(subject, method, f"/api/v2{path}", body)

    if not version_of(subject).startswith("0.25."):  # another program, by ALERTMANAGER_BIN: other words
        # And since 0.27 any text is a name of a label.
        may_be_taken = {200} if "invalid label name" in str(words) else set()
        assert answer.status_code in {404 if status == 500 else status} | may_be_taken
        return
    assert (answer.status_code, answer.json() if answer.content else "") == (status, words)
    assert answer.headers.get("Content-Type") == ("application/json" if answer.content else None)


def version_of(alertmanager: AlertmanagerUnderTest) -> str:
    version: str = get(alertmanager, "/api/v2/status")["versionInfo"]["version"]
    return version


@pytest.mark.parametrize(
    ("path", "data", "status", "beginning"),
    [
        ("/silences", "{bad", 400, 'parsing silence body from "" failed, because '),
        ("/silences", '{"startsAt": "yesterday"}', 400, 'parsing silence body from "" failed, because '),
        ("/alerts", '[{"labels": {"a": "b"}, "endsAt": "x"}]', 400, 'parsing alerts body from "" failed, '),
    ],
)
def test_an_unreadable_body_is_refused(
    subject: AlertmanagerUnderTest, path: str, data: str, status: int, beginning: str
) -> None:
    answer = requests.post(
        f"{subject.url}/api/v2{path}", data, headers={"Content-Type": "application/json"}, timeout=5
    )

    assert answer.status_code == status
    assert answer.json()["code"] == status
    assert answer.json()["message"].startswith(beginning)


def test_a_body_must_say_that_it_is_json(subject: AlertmanagerUnderTest) -> None:
    answer = requests.post(f"{subject.url}/api/v2/alerts", {"a": "b"}, timeout=5)

    assert answer.status_code == 415
    assert answer.json()["message"] == (
        'unsupported media type "application/x-www-form-urlencoded", only [application/json] are allowed'
    )


@pytest.mark.parametrize("query", ["receiver=(", "receiver=[a"])
def test_a_bad_receiver_pattern_is_refused(subject: AlertmanagerUnderTest, query: str) -> None:
    for path in ("/alerts", "/alerts/groups"):
        answer = ask(subject, "GET", f"/api/v2{path}?{query}")
        assert answer.status_code == 400
        assert answer.json().startswith("failed to parse receiver param: error parsing regexp: missing ")


def test_a_bad_regex_in_a_silence_is_refused(subject: AlertmanagerUnderTest) -> None:
    answer = ask(subject, "POST", "/api/v2/silences", one_matcher(value="(", isRegex=True))

    assert answer.status_code == 400
    # Newer ones, by ALERTMANAGER_BIN, turn the first words around, and name the set of matchers.
    refusal = r'(silence invalid|invalid silence): invalid label matcher 0( in set 0)?: invalid regular expression "\(": .+'
    assert re.fullmatch(refusal, answer.json())
