"""What the simulated Alertmanager knows: alerts, silences and what it told, and who may change them.

Apart from the dispatcher, because what people and Prometheus do to an Alertmanager is one thing, and what it
makes of that, turn by turn, another.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from alertsync.simulator.alertmanager_config import Configuration
from alertsync.simulator.alertmanager_dispatch import Alert, Groups, NotificationLog, merge
from alertsync.simulator.alertmanager_gossip import Gossip, News
from alertsync.simulator.alertmanager_silences import Silence, Silences, equality
from alertsync.simulator.alertmanager_suppression import Suppression
from alertsync.simulator.alertmanager_text import Matcher, fingerprint

KEEPS_FIRING = timedelta(days=30)
GENERATOR_URL = "http://prometheus.example:9090/graph"


class State:
    """The alerts, silences and notification log of one Alertmanager, a peer of the cluster of ``gossip``.

    ``clock`` returns an aware time in UTC. ``utf8_names``: silences may name any label.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        configuration: Configuration,
        *,
        seed: int,
        gossip: Gossip | None,
        utf8_names: bool,
    ) -> None:
        self.clock = clock
        self.configuration = configuration
        self._lock = threading.RLock()
        self._peer = (gossip or Gossip()).join()
        ids = random.Random(f"{seed} {self._peer.position}" if self._peer.position else seed)
        self._silences = Silences(ids, utf8_names=utf8_names, tell=self._tell)
        self._log = NotificationLog(configuration.repeat_interval, lambda *entry: self._tell(entry))
        self._alerts: dict[str, Alert] = {}
        self._groups = Groups(configuration)
        self._suppression = Suppression(configuration, self._alerts, self._silences)

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
        with self._now() as now:
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
        with self._now() as now:
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
        with self._now() as now:
            return self._silences.put(silence, now)

    def expire(self, silence_id: str) -> None:
        """End a silence now; SilenceNotFoundError for an unknown id."""
        with self._now() as now:
            self._silences.expire(silence_id, now)

    def get_silence(self, silence_id: str) -> Silence:
        """Return one silence; SilenceNotFoundError for an unknown id."""
        with self._now():
            return self._silences.get(silence_id)

    def silences(self) -> list[Silence]:
        """Return all silences, expired ones too, in the order of the API."""
        with self._now() as now:
            return self._silences.listed(now)

    def mute(self, receiver: str, muted: bool) -> None:
        """Begin or end a mute time on the routes of a receiver; the API shows it from their next turn on."""
        with self._lock:
            (self._suppression.receivers.add if muted else self._suppression.receivers.discard)(receiver)

    def mute_time(self, name: str, holds: bool) -> None:
        """Let a mute time that routes name begin or end, with the same delay in the API."""
        with self._lock:
            (self._suppression.times.add if holds else self._suppression.times.discard)(name)

    @contextmanager
    def _now(self) -> Iterator[datetime]:
        """Hold the lock and give the time, once what peers told by then is known."""
        with self._lock:
            now = self.clock()
            self._peer.hear(self._silences, self._log, now)
            yield now

    def _tell(self, news: News) -> None:
        self._peer.tell(news, self.clock())
