"""What the simulated peers of one cluster tell each other: silences, and what receivers were told.

Prometheus sends its alerts to every peer, and each peer notifies for itself; only gossip keeps them from
telling everybody twice. Gossip takes time, and a partition lets it take long, so that for a while the peers
differ about who is silenced. Alerts are not gossiped (prometheus/alertmanager, ``cluster/``, ``notify/notify.go``).
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alertsync.simulator.alertmanager_dispatch import LogEntry, LogKey, NotificationLog
from alertsync.simulator.alertmanager_silences import Silence, Silences

News = Silence | tuple[LogKey, LogEntry]


@dataclass(eq=False)
class Peer:
    """One member of a cluster: its position, from 0 on, and the news on their way to it, oldest first."""

    gossip: "Gossip"
    position: int
    inbox: deque[tuple[datetime, News]] = field(default_factory=deque)

    def tell(self, news: News, now: datetime) -> None:
        """Send news to every other peer."""
        self.gossip.spread(self, news, now)

    def hear(self, silences: Silences, log: NotificationLog, now: datetime) -> None:
        """Take all news that have arrived by now."""
        while self.inbox and self.inbox[0][0] + self.gossip.lag <= now:
            news = self.inbox.popleft()[1]
            if isinstance(news, Silence):
                silences.hear(news)
            else:
                log.hear(*news)

    def next_at(self) -> datetime | None:
        """Return when the next news arrive; None if none are on their way."""
        return self.inbox[0][0] + self.gossip.lag if self.inbox else None

    @property
    def patience(self) -> timedelta:
        """How long this peer lets those before it notify, before it looks into its log."""
        return self.position * self.gossip.peer_timeout


class Gossip:
    """The cluster that simulated Alertmanagers join: news arrive ``lag`` after they were sent.

    A test may change ``lag`` at any time; a long one is a partition, and with a short one after it all arrives.
    """

    def __init__(
        self, *, lag: timedelta = timedelta(), peer_timeout: timedelta = timedelta(seconds=15)
    ) -> None:
        self.lag = lag
        self.peer_timeout = peer_timeout
        self._lock = threading.Lock()
        self._peers: list[Peer] = []

    def join(self) -> Peer:
        """Add a member."""
        with self._lock:
            peer = Peer(self, len(self._peers))
            self._peers.append(peer)
            return peer

    def spread(self, sender: Peer, news: News, now: datetime) -> None:
        """Put news into the inbox of every peer but the sender."""
        with self._lock:
            for peer in self._peers:
                if peer is not sender:
                    peer.inbox.append((now, news))
