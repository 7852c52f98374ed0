"""A whole Alertmanager in memory, for the demo and for tests that a real one would make slow.

A real Alertmanager cannot be told what time it is, never says ``unprocessed``, and takes hours to show its
``repeat_interval``. This one has an injected clock, and a dispatcher that runs when told to. That it behaves
like the real one is not claimed but tested: one suite runs against both.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from alertsync.simulator.alertmanager_config import Configuration, InhibitRule, Route
from alertsync.simulator.alertmanager_dispatch import (
    AggregationGroup,
    Alert,
    Groups,
    NotificationLog,
    merge,
)
from alertsync.simulator.alertmanager_silences import (
    Silence,
    SilenceNotFoundError,
    SilenceRefusedError,
    Silences,
    equality,
)
from alertsync.simulator.alertmanager_text import Matcher, fingerprint
from alertsync.simulator.alertmanager_views import GroupView, Keep, Sighting, view_groups
from alertsync.simulator.alertmanager_webhook import Send, post, webhook_payload

__all__ = [
    "Alert",
    "Alertmanager",
    "GroupView",
    "InhibitRule",
    "Matcher",
    "Route",
    "Sighting",
    "Silence",
    "SilenceNotFoundError",
    "SilenceRefusedError",
    "fingerprint",
]

KEEPS_FIRING = timedelta(days=30)
RESOLVE_TIMEOUT = timedelta(minutes=5)
GENERATOR_URL = "http://prometheus.example:9090/graph"
_UTF8_SINCE = (0, 28)


class Alertmanager:
    """Alerts, silences, inhibition, mute times, the dispatcher and its notification log.

    ``clock`` returns an aware time in UTC. ``webhooks`` maps a receiver to the URL that it posts to,
    ``max_alerts`` to the length at which its webhooks are cut. ``send`` posts a payload and tells whether it
    was taken; what was not is tried again at the group's next turn. Of the values below, tests may set
    ``unprocessed`` (fingerprints to report so) and ``cluster_status`` (``settling``, ``disabled``).
    """

    def __init__(  # noqa: PLR0913 - each is a setting of the real program, and named at the call
        self,
        *,
        clock: Callable[[], datetime],
        routes: Sequence[Route],
        webhooks: Mapping[str, str],
        external_url: str = "http://alertmanager.example:9093",
        group_wait: timedelta = timedelta(seconds=1),
        group_interval: timedelta = timedelta(seconds=5),
        repeat_interval: timedelta = timedelta(hours=4),
        inhibit_rules: Sequence[InhibitRule] = (),
        max_alerts: Mapping[str, int] | None = None,
        version: str = "0.28.1",
        seed: int = 0,
        send: Send | None = None,
    ) -> None:
        self.configuration = Configuration(
            routes, webhooks, group_wait, group_interval, repeat_interval, inhibit_rules, max_alerts or {}
        )
        self.external_url = external_url
        self.version = version
        self.since_028 = tuple(int(part) for part in version.split(".")[:2]) >= _UTF8_SINCE
        self.clock = clock
        self.started_at = clock()
        self.cluster_status = "ready"
        self.unprocessed: set[str] = set()
        self._send = send or post
        self._lock = threading.RLock()
        self._turn = threading.Lock()
        self._muted: set[str] = set()
        self._alerts: dict[str, Alert] = {}
        self._groups = Groups(self.configuration)
        self._log = NotificationLog(repeat_interval)
        self._silences = Silences(random.Random(seed), utf8_names=self.since_028)

    def fire(
        self,
        labels: Mapping[str, str],
        annotations: Mapping[str, str] | None = None,
        *,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> str:
        """Let an alert fire until it is ended (or until ``ends_at``); return its fingerprint.

        An alert that fires already keeps its start.
        """
        now = self.clock()
        alert = Alert(
            labels, annotations or {}, starts_at or now, ends_at or now + KEEPS_FIRING, now, GENERATOR_URL
        )
        return self.put_alert(alert)

    def end(self, labels: Mapping[str, str]) -> None:
        """Let the alert with exactly these labels resolve now."""
        with self._lock:
            now = self.clock()
            known = self._alerts.get(fingerprint(labels)) or Alert(labels, {}, now, now, now)
            self.put_alert(replace(known, ends_at=now, updated_at=now))

    def put_alert(self, alert: Alert) -> str:
        """Take an alert as posted, and return its fingerprint; one that overlaps a known alert joins it.

        Raises ValueError, with Alertmanager's words, for an alert that it would refuse.
        """
        labels = {name: value for name, value in alert.labels.items() if value}
        alert = replace(alert, labels=labels, annotations=dict(alert.annotations))
        if not alert.labels:
            raise ValueError("at least one label pair required")
        if alert.ends_at < alert.starts_at:
            raise ValueError("start time must be before end time")
        with self._lock:
            now = self.clock()
            old = self._alerts.get(alert.fingerprint)
            merged = merge(old, alert, now) if old else alert
            self._alerts[alert.fingerprint] = merged
            self._groups.take(merged, now)
        return alert.fingerprint

    def silence(
        self,
        matchers: Mapping[str, str] | Sequence[Matcher],
        *,
        duration: timedelta,
        created_by: str,
        comment: str,
        starts_at: datetime | None = None,
    ) -> str:
        """Create a silence and return its id; a mapping means equality, a later start means pending."""
        begin = starts_at or self.clock()
        return self.put_silence(
            Silence("", equality(matchers), begin, begin + duration, begin, created_by, comment)
        )

    def put_silence(self, silence: Silence) -> str:
        """Create a silence (empty id) or change one, and return its id, which may be a new one."""
        with self._lock:
            return self._silences.put(silence, self.clock())

    def expire(self, silence_id: str) -> None:
        """End a silence now; SilenceNotFoundError for an unknown id."""
        with self._lock:
            self._silences.expire(silence_id, self.clock())

    def get_silence(self, silence_id: str) -> Silence:
        """Return one silence; SilenceNotFoundError for an unknown id."""
        with self._lock:
            return self._silences.get(silence_id)

    def silences(self) -> list[Silence]:
        """Return all silences, expired ones too, in the order of the API."""
        with self._lock:
            return self._silences.listed(self.clock())

    def mute(self, receiver: str, muted: bool) -> None:
        """Begin or end a mute time on the routes of a receiver; the API shows it from their next turn on."""
        with self._lock:
            (self._muted.add if muted else self._muted.discard)(receiver)

    def restart(self) -> None:
        """Forget all alerts, as a restart does; silences and the notification log stay."""
        with self._lock:
            self._alerts.clear()
            self._groups = Groups(self.configuration)
            self.started_at = self.clock()

    def alerts(self, keep: Keep) -> list[Sighting]:
        """Return the alerts that have not ended and that ``keep`` accepts, by fingerprint."""
        with self._lock:
            sightings = (self._sight(alert) for _, alert in sorted(self._alerts.items()))
            return [sighting for sighting in sightings if sighting and keep(sighting)]

    def groups(self, keep: Keep, keep_receiver: Callable[[str], bool]) -> list[GroupView]:
        """Return the aggregation groups of these receivers with the alerts that ``keep`` accepts."""
        with self._lock:
            groups = [group for group in self._groups if keep_receiver(group.route.receiver)]
            return view_groups(groups, self._sight, keep, show_mutes=self.since_028)

    def tick(self) -> None:
        """Give every aggregation group its turn that is due.

        Webhooks are posted outside the lock, so that their receivers may ask this Alertmanager meanwhile.
        """
        with self._turn:
            with self._lock:
                self._groups.sweep(self.clock())
                due = self._groups.due(self.clock())
            for group in due:
                self._flush(group)

    def run(self, stop: threading.Event, every: float = 0.2) -> None:
        """Tick every so many seconds until told to stop."""
        while not stop.wait(every):
            self.tick()

    def _flush(self, group: AggregationGroup) -> None:
        with self._lock:
            now = self.clock()
            alerts = group.sorted_alerts()
            heard = self._unmuted(group, alerts, now)
            needed = self._log.needs(group, heard, now) if heard else False
        if needed and not self._notify(group, heard, now):
            return
        with self._lock:
            if needed:
                self._log.write(group, heard, now)
            group.forget([alert for alert in alerts if alert.resolved(now)])

    def _unmuted(self, group: AggregationGroup, alerts: list[Alert], now: datetime) -> list[Alert]:
        """Return the alerts that neither inhibition, nor a mute time, nor a silence holds back."""
        heard = [alert for alert in alerts if not self._inhibitors(alert)]
        if heard:
            receiver = group.route.receiver
            group.muted_by = (f"{receiver}-muted",) if receiver in self._muted else ()
        if group.muted_by:
            return []
        return [alert for alert in heard if not self._silences.holding(alert.labels, now)]

    def _notify(self, group: AggregationGroup, alerts: list[Alert], now: datetime) -> bool:
        receiver = group.route.receiver
        url = self.configuration.webhooks.get(receiver)
        limit = self.configuration.max_alerts.get(receiver, 0)
        payload = webhook_payload(group, alerts, now, external_url=self.external_url, max_alerts=limit)
        return url is None or self._send(url, payload)

    def _sight(self, alert: Alert) -> Sighting | None:
        """Return what the API says about an alert; None once it has ended."""
        if alert.resolved(self.clock()):
            return None
        receivers = tuple(route.receiver for route in self.configuration.match(alert.labels))
        if alert.fingerprint in self.unprocessed:
            return Sighting(alert, receivers, "unprocessed")
        silenced_by = self._silences.holding(alert.labels, self.clock())
        inhibited_by = self._inhibitors(alert)
        state = "suppressed" if silenced_by or inhibited_by else "active"
        return Sighting(alert, receivers, state, silenced_by, inhibited_by)

    def _inhibitors(self, alert: Alert) -> tuple[str, ...]:
        """Return the fingerprint of one alert that inhibits this one, as Alertmanager names only one."""
        now = self.clock()
        for rule in self.configuration.inhibit_rules:
            for source in self._alerts.values():
                if not source.resolved(now) and rule.inhibits(source.labels, alert.labels):
                    return (source.fingerprint,)
        return ()
