"""What Alertmanager sends and, above all, what it does not: real and simulated side by side.

The product exists because of these silences of the wire: an alert that was silenced and comes back is not
notified again, one that ends meanwhile never says so. A simulator that was wrong here would let every other
test pass while pages are lost.
"""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from alertsync.simulator.irm_model import Irm
from alertsync.simulator.scenario import Scenario, demo_world
from alertsync.simulator.wire import Fault, Server
from tests.contract.alertmanagers import (
    EXTERNAL_URL,
    GROUP_INTERVAL_SECONDS,
    KINDS,
    Json,
    get,
    labels_of,
    payloads,
    started,
    webhook_receiver,
)
from tests.servers import AlertmanagerUnderTest, RealAlertmanager, SimulatedAlertmanager, poll_until

# "Nothing is sent" cannot be waited for, only watched: more than two group intervals pass.
WATCHED_SECONDS = 2.4 * GROUP_INTERVAL_SECONDS
WEBHOOK_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")
STILL_FIRING = "0001-01-01T00:00:00Z"


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


def silence(alertmanager: AlertmanagerUnderTest, **pairs: str) -> str:
    return alertmanager.silence(pairs, duration=timedelta(minutes=10), created_by="ana", comment="c")


def without_times(payload: dict[str, Json]) -> dict[str, Json]:
    """Take the times out of a webhook, having looked at their form."""
    for alert in payload["alerts"]:
        assert WEBHOOK_TIME.fullmatch(alert.pop("startsAt"))
        ends_at = alert.pop("endsAt")
        assert WEBHOOK_TIME.fullmatch(ends_at)
        assert (ends_at == STILL_FIRING) is (alert["status"] == "firing")
    return payload


def alert_of(instance: str, fingerprint: str, status: str = "firing") -> dict[str, Json]:
    return {
        "status": status,
        "labels": {"alertname": 'Disk\n"Full"', "instance": instance, "lab": 'a "quoted" one'},
        "annotations": {"summary": f"full on {instance}", "runbook": "http://runbook.example"},
        "generatorURL": "http://prometheus.example:9090/graph",
        "fingerprint": fingerprint,
    }


def test_a_group_is_one_webhook_of_version_4(alertmanager: AlertmanagerUnderTest, hooks: Server) -> None:
    prints = []
    for instance in ("b", "a"):
        alert = alert_of(instance, "")
        prints.append(alertmanager.fire(alert["labels"], alert["annotations"]))

    (firing,) = poll_until(lambda: payloads(hooks), what="the group is notified")

    common = {"alertname": 'Disk\n"Full"', "lab": 'a "quoted" one'}
    expected = {
        "receiver": r"team\.x\+prod \(1\)",
        "status": "firing",
        "alerts": [alert_of("a", prints[1]), alert_of("b", prints[0])],
        "groupLabels": {"alertname": 'Disk\n"Full"'},
        "commonLabels": common,
        "commonAnnotations": {"runbook": "http://runbook.example"},
        "externalURL": EXTERNAL_URL,
        "version": "4",
        "groupKey": r'{}/{lab="a \"quoted\" one"}:{alertname="Disk\n\"Full\""}',
        "truncatedAlerts": 0,
    }
    # Newer ones, by ALERTMANAGER_BIN, also say why they notify.
    assert without_times(firing) == expected | {
        key: firing[key] for key in {"notification_reason"} & firing.keys()
    }

    alertmanager.end(alert_of("a", "")["labels"])
    alertmanager.end(alert_of("b", "")["labels"])

    last = poll_until(lambda: payloads(hooks)[1:], what="the end is notified")[-1]
    assert without_times(last)["status"] == "resolved"
    assert {alert["status"] for alert in last["alerts"]} == {"resolved"}
    assert last["groupKey"] == expected["groupKey"]


def test_a_long_group_is_cut_and_the_rest_counted(alertmanager: AlertmanagerUnderTest, hooks: Server) -> None:
    for instance in "abcde":
        alertmanager.fire(labels_of("Cut", instance, lab="cut"))

    (payload,) = poll_until(lambda: payloads(hooks), what="the group is notified")

    assert [alert["labels"]["instance"] for alert in payload["alerts"]] == ["a", "b"]
    assert payload["truncatedAlerts"] == 3
    assert payload["groupKey"] == '{}/{lab="cut"}:{alertname="Cut"}'


def test_an_alert_on_two_routes_is_notified_once_for_each(
    alertmanager: AlertmanagerUnderTest, hooks: Server
) -> None:
    alertmanager.fire(labels_of("Twice", lab="twice", job="db"))

    poll_until(lambda: len(payloads(hooks)) == 2, what="both routes notify")

    assert {payload["receiver"] for payload in payloads(hooks)} == {"team-a", "team-b"}
    assert {payload["groupKey"] for payload in payloads(hooks)} == {
        '{}/{lab="twice"}:{alertname="Twice", job="db"}'
    }


def test_a_webhook_that_fails_is_sent_again(alertmanager: AlertmanagerUnderTest, hooks: Server) -> None:
    hooks.inject(Fault("status", status=503))

    alertmanager.fire(labels_of("One"))

    poll_until(lambda: len(payloads(hooks)) == 2, what="the webhook is tried again")


def test_a_restart_forgets_alerts_but_not_silences_nor_what_was_notified(
    alertmanager: AlertmanagerUnderTest, hooks: Server
) -> None:
    alertmanager.fire(labels_of("One"))
    silence_id = silence(alertmanager, alertname="Other")
    poll_until(lambda: payloads(hooks), what="the alert is notified")

    alertmanager.restart()

    assert get(alertmanager, "/api/v2/alerts") == []
    assert get(alertmanager, "/api/v2/alerts/groups") == []
    assert get(alertmanager, f"/api/v2/silence/{silence_id}")["status"]["state"] == "active"
    alertmanager.fire(labels_of("One"))
    time.sleep(WATCHED_SECONDS)
    assert len(payloads(hooks)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_round_of_the_demo_happens_to_both(kind: str, tmp_path: Path) -> None:
    demo = demo_world(Irm(), "http://127.0.0.1:1")
    settings: dict[str, Json] = {"routes": demo.routes, "inhibit_rules": demo.inhibit_rules}
    scenario, steps = Scenario(), iter(range(len(Scenario().steps)))
    said: list[str] = []
    target = RealAlertmanager(tmp_path, **settings) if kind == "real" else SimulatedAlertmanager(**settings)

    with target as alertmanager:
        scenario.run(alertmanager, Event(), said.append, lambda _: next(steps, None) is None)
        left = {alert["labels"]["alertname"] for alert in get(alertmanager, "/api/v2/alerts")}
        silences = {silence["status"]["state"] for silence in get(alertmanager, "/api/v2/silences")}

    assert said == [step.say for step in scenario.steps]
    assert left == {"Watchdog", "CertExpiry"}
    assert silences == {"expired"}


# One story with a group for each row, told once to each Alertmanager: the rows share its waiting.

# What is sent in each chapter: the instances of a webhook, with a minus if resolved.

STORY: dict[str, tuple[list[str], ...]] = {
    # all fire, some are silenced, some end or join, the silences end, some end
    "Silenced": (["a"], [], [], [], []),
    "Inhibited": (["a"], [], [], [], []),
    "EndsInhibited": (["a"], [], [], [], []),
    "EndsSilencedAndFiresAgain": (["a"], [], [], [], ["a-"]),
    "FirstFiresSilenced": ([], [], [], ["a"], []),
    "OneSilencedOtherEnds": (["a b"], [], ["b-"], ["a"], []),
    "OneSilencedOtherJoins": (["a b"], [], ["b c"], ["a b c"], []),
    "OneEndsSilenced": (["a b"], [], [], [], []),
    "TwoSilences": (["a b"], [], [], [], []),
    "OneEnds": (["a b"], [], ["a- b"], [], ["b-"]),
}
MINOR = {"severity": "minor", "site": "ams"}
INHIBITED = {"Inhibited", "EndsInhibited"}


class Story:
    """Plays the chapters to one Alertmanager."""

    def __init__(self, alertmanager: AlertmanagerUnderTest) -> None:
        self._alertmanager = alertmanager
        self._silences: list[str] = []
        self.chapters = (self.all_fire, self.silenced, self.end_or_join, self.silences_end, self.end)

    def all_fire(self) -> None:
        self._silence("FirstFiresSilenced")
        for name, (first, *_) in STORY.items():
            for instance in "ab" if first == ["a b"] else "a":
                self._fire(name, instance)

    def silenced(self) -> None:
        for name in ("Silenced", "EndsSilencedAndFiresAgain", "OneSilencedOtherEnds"):
            self._silence(name)
        for name in ("OneSilencedOtherJoins", "OneEndsSilenced", "TwoSilences"):
            self._silence(name)
        self._other = silence(self._alertmanager, alertname="TwoSilences", instance="b")
        self._alertmanager.fire(labels_of("Outage", site="ams"))

    def end_or_join(self) -> None:
        self._end("EndsInhibited")
        self._end("EndsSilencedAndFiresAgain")
        self._end("OneSilencedOtherEnds", "b")
        self._fire("OneSilencedOtherJoins", "c")
        self._end("OneEndsSilenced")
        self._alertmanager.expire(self._other)
        self._end("OneEnds")

    def silences_end(self) -> None:
        for silence_id in self._silences:
            self._alertmanager.expire(silence_id)
        self._alertmanager.end(labels_of("Outage", site="ams"))
        self._fire("EndsSilencedAndFiresAgain", "a")

    def end(self) -> None:
        self._end("EndsSilencedAndFiresAgain")
        self._end("OneEnds", "b")

    def _silence(self, name: str) -> None:
        self._silences.append(silence(self._alertmanager, alertname=name, instance="a"))

    def _fire(self, name: str, instance: str) -> None:
        self._alertmanager.fire(labels_of(name, instance, **(MINOR if name in INHIBITED else {})))

    def _end(self, name: str, instance: str = "a") -> None:
        self._alertmanager.end(labels_of(name, instance, **(MINOR if name in INHIBITED else {})))


def in_short(payload: dict[str, Json]) -> str:
    firing = {alert["status"] for alert in payload["alerts"]} & {"firing"}
    assert payload["status"] == ("firing" if firing else "resolved")
    return " ".join(
        alert["labels"]["instance"] + ("" if alert["status"] == "firing" else "-")
        for alert in payload["alerts"]
    )


def sent_for(name: str, received: list[dict[str, Json]]) -> list[str]:
    return [in_short(payload) for payload in received if payload["groupLabels"]["alertname"] == name]


def tell(kind: str, directory: Path) -> dict[str, list[list[str]]]:
    """Tell the story to an Alertmanager; return what it sent of each row, chapter by chapter."""
    sent: dict[str, list[list[str]]] = {name: [] for name in STORY}
    with webhook_receiver() as hooks, started(kind, directory, hooks) as alertmanager:
        for number, chapter in enumerate(Story(alertmanager).chapters):
            chapter()
            with suppress(AssertionError):  # what is missing shows in the row that it belongs to
                await_chapter(hooks, number)
            time.sleep(WATCHED_SECONDS)
            for name in STORY:
                sent[name].append(sent_for(name, payloads(hooks)))
            hooks.clear()
    return sent


def await_chapter(hooks: Server, number: int) -> None:
    """Wait until as many webhooks have come as the chapter should bring."""
    expected = sum(len(chapters[number]) for chapters in STORY.values())
    poll_until(
        lambda: sum(len(sent_for(name, payloads(hooks))) for name in STORY) >= expected,
        what=f"{expected} webhooks in chapter {number}",
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[list[str]]]]:
    """Return what each kind of Alertmanager sent; both hear the story at the same time."""
    directory = tmp_path_factory.mktemp("alertmanager")
    with ThreadPoolExecutor() as pool:
        return dict(zip(KINDS, pool.map(tell, KINDS, [directory] * len(KINDS)), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", STORY)
def test_the_story_is_told_alike(told: dict[str, dict[str, list[list[str]]]], kind: str, row: str) -> None:
    assert tuple(told[kind][row]) == STORY[row]
