"""A whole Alertmanager in memory, for the demo and for tests that a real one would make slow.

A real Alertmanager cannot be told what time it is, never says ``unprocessed``, and takes hours to show its
``repeat_interval``. This one has an injected clock, and a dispatcher that runs when told to. That it behaves
like the real one is not claimed but tested: one suite runs against both.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from alertsync.simulator.alertmanager_config import Configuration, InhibitRule, Route
from alertsync.simulator.alertmanager_dispatch import Alert, Groups
from alertsync.simulator.alertmanager_gossip import Gossip
from alertsync.simulator.alertmanager_notifier import Notifier
from alertsync.simulator.alertmanager_silences import Silence, SilenceNotFoundError, SilenceRefusedError
from alertsync.simulator.alertmanager_state import GENERATOR_URL, KEEPS_FIRING, State
from alertsync.simulator.alertmanager_text import Matcher, fingerprint
from alertsync.simulator.alertmanager_views import GroupView, Keep, Sighting, view_groups
from alertsync.simulator.alertmanager_webhook import Send, post

__all__ = [
    "GENERATOR_URL",
    "KEEPS_FIRING",
    "RESOLVE_TIMEOUT",
    "Alert",
    "Alertmanager",
    "Gossip",
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

RESOLVE_TIMEOUT = timedelta(minutes=5)
_UTF8_SINCE = (0, 28)
_ENDED_ALERTS_STAY = timedelta(minutes=30)


class Alertmanager(State):
    """Alerts, silences, inhibition, mute times, the dispatcher and its notification log.

    ``clock`` returns an aware time in UTC. ``webhooks`` maps a receiver to the URL that it posts to,
    ``max_alerts`` to the length at which its webhooks are cut. ``send`` posts a payload and tells whether it
    was taken; what was not is tried again at the group's next turn. With ``gossip`` it is a peer of that cluster.
    Of the values below, tests may set ``cluster_status`` (``settling``, ``disabled``).
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
        gossip: Gossip | None = None,
    ) -> None:
        self.external_url = external_url
        self.version = version
        self.since_028 = tuple(int(part) for part in version.split(".")[:2]) >= _UTF8_SINCE
        configuration = Configuration(
            routes, webhooks, group_wait, group_interval, repeat_interval, inhibit_rules, max_alerts or {}
        )
        super().__init__(clock, configuration, seed=seed, gossip=gossip, utf8_names=self.since_028)
        self.started_at = self._settled_at = clock()
        self._cluster_status = "ready"
        self._turn = threading.Lock()
        self._reloaded = False
        self._notifier = Notifier(external_url, self._log, send or post)
        self.unprocessed = self._suppression.unprocessed

    @property
    def cluster_status(self) -> str:
        """What ``/api/v2/status`` says of the cluster: ``settling`` for some time after a start of a peer."""
        return "settling" if self.clock() < self._settled_at else self._cluster_status

    @cluster_status.setter
    def cluster_status(self, status: str) -> None:
        self._cluster_status = status

    def restart(self, *, settles_in: timedelta = timedelta()) -> None:
        """Forget all alerts, as a restart does; silences and the notification log stay.

        A peer of a cluster notifies nobody until it has settled.
        """
        with self._lock:
            self._alerts.clear()
            self._forget_groups()
            self.started_at = self.clock()
            self._settled_at = self.started_at + settles_in

    def reload(self, routes: Sequence[Route]) -> None:
        """Take new routes, as a reload of the configuration does; alerts, silences and the log stay.

        The groups are made anew: until the next turn, the API shows alerts that stand in no group.
        """
        with self._lock:
            self.configuration = replace(self.configuration, routes=routes)
            self._suppression.configuration = self.configuration
            self._forget_groups()
            self._reloaded = True

    def alerts(self, keep: Keep) -> list[Sighting]:
        """Return the alerts that have not ended and that ``keep`` accepts, by fingerprint."""
        with self._now() as now:
            sightings = (self._suppression.sight(alert, now) for _, alert in sorted(self._alerts.items()))
            return [sighting for sighting in sightings if sighting and keep(sighting)]

    def groups(self, keep: Keep, keep_receiver: Callable[[str], bool]) -> list[GroupView]:
        """Return the aggregation groups of these receivers with the alerts that ``keep`` accepts."""
        with self._now() as now:
            groups = [group for group in self._groups if keep_receiver(group.route.receiver)]
            return view_groups(
                groups, lambda alert: self._suppression.sight(alert, now), keep, show_mutes=self.since_028
            )

    def tick(self) -> None:
        """Give every aggregation group its turn that is due.

        Webhooks are posted outside the lock, so that their receivers may ask this Alertmanager meanwhile.
        """
        with self._turn:
            with self._now() as now:
                if now < self._settled_at:
                    return
                self._route_again(now)
                self._groups.sweep(now)
                patience = self._peer.patience
                for group in self._groups.due(now, patience):
                    self._notifier.begin(group, self._suppression, now, now + patience)
            while True:
                with self._now() as now:
                    news = self._notifier.next_news(now)
                if news is None:
                    return
                taken = self._notifier.send(news, self.configuration)
                with self._lock:
                    self._notifier.end(news, taken=taken)

    def next_turn(self) -> datetime | None:
        """Return when something happens here by itself next: a turn, news of a peer, or a silence begins or ends."""
        with self._now() as now:
            turns = [self._groups.next_due(), self._notifier.next_at(), now if self._reloaded else None]
            times = [max(turn, self._settled_at) for turn in turns if turn]
            others = (self._silences.next_change(now), self._peer.next_at())
            return min([*times, *(time for time in others if time)], default=None)

    def run(self, stop: threading.Event, every: float = 0.2) -> None:
        """Tick every so many seconds until told to stop."""
        while not stop.wait(every):
            self.tick()

    def _forget_groups(self) -> None:
        self._groups = Groups(self.configuration)
        self._notifier.forget()

    def _route_again(self, now: datetime) -> None:
        """Put all alerts into the groups of new routes, those too whose end is not forgotten yet."""
        if self._reloaded:
            self._reloaded = False
            for alert in self._alerts.values():
                if now < alert.ends_at + _ENDED_ALERTS_STAY:
                    self._groups.take(alert, now)
