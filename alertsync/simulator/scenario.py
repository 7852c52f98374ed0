"""The demo's story: a small company's alerts that move by themselves, so that there is something to see.

Whoever tries the product wants to see each of its decisions once within two minutes, and to be told in a
sentence what just happened in Alertmanager. The story knows nothing of the product and nothing of the clock:
it tells a target what to do next, and the target is a simulated or a real Alertmanager.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from alertsync.simulator.alertmanager_config import InhibitRule, Route
from alertsync.simulator.irm_model import Integration, Irm

# Longer than the service's MIN_SILENCE_REMAINING by far, so that it acts on every silence of the story.
SILENCE_LASTS = timedelta(minutes=10)

PAYMENTS = "payments"
PLATFORM = "platform"
WATCHDOG = "watchdog"

ROUTES = (
    Route(WATCHDOG, ("alertname",), {"alertname": "Watchdog"}),
    Route(PAYMENTS, ("alertname", "service"), {"team": PAYMENTS}),
    Route(PLATFORM, ("alertname",)),
)
INHIBIT_RULES = (InhibitRule({"alertname": "RackDown"}, {"alertname": "HostUnreachable"}, ("rack",)),)

Labels = dict[str, str]


class Target(Protocol):
    """The Alertmanager to which the story happens."""

    def fire(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> str:
        """Let an alert fire until it is ended; return its fingerprint."""

    def end(self, labels: Mapping[str, str]) -> None:
        """Let an alert resolve."""

    def silence(
        self, matchers: Mapping[str, str], *, duration: timedelta, created_by: str, comment: str
    ) -> str:
        """Silence the alerts whose labels equal these; return the silence's id."""

    def expire(self, silence_id: str) -> None:
        """End a silence."""


@dataclass(frozen=True)
class DemoWorld:
    """How to configure the Alertmanager of the demo: ``webhooks`` maps a receiver to an inbound URL of IRM."""

    routes: tuple[Route, ...]
    inhibit_rules: tuple[InhibitRule, ...]
    webhooks: Mapping[str, str]
    integrations: Mapping[str, Integration]


def demo_world(irm: Irm, irm_url: str) -> DemoWorld:
    """Give IRM an integration for each team, and return the configuration that notifies them.

    ``irm_url`` is where that IRM is served, without a trailing slash. The watchdog notifies nobody.
    """
    integrations = {team: irm.add_integration(f"Alertmanager {team}") for team in (PAYMENTS, PLATFORM)}
    webhooks = {team: irm_url + integration.path for team, integration in integrations.items()}
    return DemoWorld(ROUTES, INHIBIT_RULES, webhooks, integrations)


@dataclass(frozen=True)
class Step:
    """Something that happens ``at`` a time after the beginning of a round, and the sentence that tells it."""

    at: timedelta
    say: str
    do: Callable[[Target], None]


def _disk(number: int) -> Labels:
    return {"alertname": "DiskFull", "instance": f"db-{number}", "severity": "critical", "team": PLATFORM}


def _latency(number: int) -> Labels:
    return {
        "alertname": "HighLatency",
        "instance": f"checkout-{number}",
        "service": "checkout",
        "severity": "critical",
        "team": PAYMENTS,
    }


DISKS = (_disk(1), _disk(2), _disk(3))
LATENCIES = (_latency(1), _latency(2))
CERTIFICATE = {"alertname": "CertExpiry", "instance": "shop.example", "severity": "warning", "team": PLATFORM}
BACKLOG = {"alertname": "QueueBacklog", "service": "orders", "severity": "critical", "team": PAYMENTS}
UNREACHABLE = {"alertname": "HostUnreachable", "instance": "web-4", "rack": "r1", "severity": "warning"}
RACK = {"alertname": "RackDown", "rack": "r1", "severity": "critical", "team": PLATFORM}
ALWAYS = {"alertname": "Watchdog", "severity": "none"}


class Scenario:
    """One round of the story, told again and again until it is stopped.

    A round ends as it began, but for what keeps firing, so the number of alerts stays bounded.
    """

    def __init__(self) -> None:
        self._silences: dict[str, str] = {}
        self.round = timedelta(seconds=150)
        self.steps: tuple[Step, ...] = tuple(self._tell())

    def run(
        self,
        target: Target,
        stop: threading.Event,
        say: Callable[[str], None],
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Let the story happen to a target until told to stop; each sentence is said before its step.

        ``wait`` sleeps for so many seconds and tells whether to stop; by default it is ``stop.wait``.
        """
        pause = wait or stop.wait
        while True:
            now = timedelta()
            for step in self.steps:
                if pause((step.at - now).total_seconds()):
                    return
                now = step.at
                say(step.say)
                step.do(target)
            if pause((self.round - now).total_seconds()):
                return

    def _tell(self) -> Iterator[Step]:
        disk, first, second = {"alertname": "DiskFull"}, _only(LATENCIES[0]), _only(LATENCIES[1])
        yield _step(
            0, "Alerts fire: three full disks, a slow checkout, an old certificate, a lost host.", _begin
        )
        yield self._silence(8, "ana@example.org", "db migration", disk, "DiskFull, all of it")
        yield self._silence(12, "bob@example.org", "restarting it", second, "checkout-2, not checkout-1")
        yield _step(20, "DiskFull on db-3 ends while it is silenced: nobody is told.", _ends(DISKS[2]))
        yield _step(30, "QueueBacklog begins to fire.", _fires((BACKLOG, "Orders wait for minutes")))
        yield _step(
            36, "RackDown fires and inhibits HostUnreachable.", _fires((RACK, "Rack r1 has no power"))
        )
        yield self._silence(44, "cy@example.org", "renewal ordered", _only(CERTIFICATE), "CertExpiry")
        yield self._expire(60, disk, "The silence of DiskFull is taken away: it still fires on two hosts.")
        yield _step(75, "QueueBacklog ends: Alertmanager tells IRM itself.", _ends(BACKLOG))
        yield self._silence(84, "bob@example.org", "same restart", first, "checkout-1 too")
        yield _step(96, "RackDown ends: HostUnreachable is inhibited no more.", _ends(RACK))
        yield self._expire(110, first, "The silence of checkout-1 is taken away: it is still slow.")
        yield self._expire(114, second, "The silence of checkout-2 is taken away: it is still slow, too.")
        yield self._expire(
            122, _only(CERTIFICATE), "The silence of CertExpiry is taken away: it still fires."
        )
        recovered = (*DISKS[:2], *LATENCIES, UNREACHABLE)
        yield _step(132, "Disks, checkout and the lost host recover.", _ends(*recovered))

    def _silence(self, seconds: int, who: str, why: str, matchers: Labels, what: str) -> Step:
        def do(target: Target) -> None:
            self._silences[repr(matchers)] = target.silence(
                matchers, duration=SILENCE_LASTS, created_by=who, comment=why
            )

        return _step(seconds, f'{who} silences {what}: "{why}".', do)

    def _expire(self, seconds: int, matchers: Labels, say: str) -> Step:
        return _step(seconds, say, lambda target: target.expire(self._silences.pop(repr(matchers))))


def _step(seconds: int, say: str, do: Callable[[Target], None]) -> Step:
    return Step(timedelta(seconds=seconds), say, do)


def _only(labels: Labels) -> Labels:
    """Return the matchers of a silence for this alert and no other."""
    return {name: labels[name] for name in ("alertname", "instance")}


def _fires(*alerts: tuple[Labels, str]) -> Callable[[Target], None]:
    def do(target: Target) -> None:
        for labels, summary in alerts:
            target.fire(labels, {"summary": summary})

    return do


def _ends(*alerts: Labels) -> Callable[[Target], None]:
    def do(target: Target) -> None:
        for labels in alerts:
            target.end(labels)

    return do


_begin = _fires(
    (ALWAYS, "Always fires, to show that alerting works"),
    *((labels, f"Less than 5 % left on {labels['instance']}") for labels in DISKS),
    *((labels, f"{labels['instance']} answers in 4 s") for labels in LATENCIES),
    (CERTIFICATE, "The certificate of shop.example ends in 3 days"),
    (UNREACHABLE, "web-4 does not answer"),
)
