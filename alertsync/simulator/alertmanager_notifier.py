"""How the simulated Alertmanager takes a group from its turn to its receiver, a step at a time.

Muting comes first, then, for a peer of a cluster, patience with those before it, and only then a look into the
notification log: so an alert that is silenced while a peer waits is still told, and one that another peer told of
meanwhile is not (prometheus/alertmanager, ``notify/notify.go``). Not thread-safe: the simulator's lock guards it.
"""

from dataclasses import dataclass
from datetime import datetime

from alertsync.simulator.alertmanager_config import Configuration
from alertsync.simulator.alertmanager_dispatch import AggregationGroup, Alert, NotificationLog
from alertsync.simulator.alertmanager_suppression import Suppression
from alertsync.simulator.alertmanager_webhook import Send, webhook_payload


@dataclass(frozen=True, eq=False)
class Turn:
    """A group at its turn: all its alerts, those of them that were heard, and when the log is looked at."""

    group: AggregationGroup
    alerts: list[Alert]
    heard: list[Alert]
    began_at: datetime
    due: datetime


class Notifier:
    """The turns that are under way. ``send`` posts a payload to a URL and tells whether it was taken."""

    def __init__(self, external_url: str, log: NotificationLog, send: Send) -> None:
        self._external_url = external_url
        self._log = log
        self._send = send
        self._turns: list[Turn] = []

    def begin(self, group: AggregationGroup, suppression: Suppression, now: datetime, due: datetime) -> None:
        """Give a group its turn; whether anything is news is looked up when it is ``due``."""
        alerts = group.sorted_alerts()
        self._turns.append(Turn(group, alerts, suppression.heard(group, alerts, now), now, due))

    def next_at(self) -> datetime | None:
        """Return when the next turn goes on; None if none is under way."""
        return min((turn.due for turn in self._turns), default=None)

    def next_news(self, now: datetime) -> Turn | None:
        """Return the next turn with something to tell, and end those with nothing; None once all are over."""
        while turn := next((one for one in self._turns if one.due <= now), None):
            if turn.heard and self._log.needs(turn.group, turn.heard, turn.began_at):
                return turn
            self._over(turn)
        return None

    def send(self, turn: Turn, configuration: Configuration) -> bool:
        """Tell the receiver; return whether it took it. The one step that needs no lock."""
        receiver = turn.group.route.receiver
        url = configuration.webhooks.get(receiver)
        limit = configuration.max_alerts.get(receiver, 0)
        payload = webhook_payload(
            turn.group, turn.heard, turn.began_at, external_url=self._external_url, max_alerts=limit
        )
        return url is None or self._send(url, payload)

    def end(self, turn: Turn, *, taken: bool) -> None:
        """Write down that the receiver was told; what it did not take is news again at the next turn."""
        if taken:
            self._log.write(turn.group, turn.heard, turn.began_at)
        if taken and turn in self._turns:
            self._over(turn)
        elif turn in self._turns:
            self._turns.remove(turn)

    def forget(self) -> None:
        """Drop every turn, as a restart does."""
        self._turns.clear()

    def _over(self, turn: Turn) -> None:
        turn.group.forget([alert for alert in turn.alerts if alert.resolved(turn.began_at)])
        self._turns.remove(turn)
