"""When the simulated Alertmanager notifies, and about what: the behaviour that the product exists for.

Alertmanager mutes alerts *before* it looks at its notification log. So an alert that was silenced and comes
back is already in the log and is not notified again, and one that ends while silenced never sends its
``resolved``. This module keeps that order of things. Facts: recorded exchanges and prometheus/alertmanager,
``dispatch/dispatch.go``, ``notify/notify.go``, ``types/types.go``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from alertsync.simulator.alertmanager_config import Configuration, Route
from alertsync.simulator.alertmanager_text import alert_order, fingerprint, label_set_text

_EMPTY_GROUPS_STAY = timedelta(seconds=30)


@dataclass(frozen=True)
class Alert:
    """An alert as it was last posted; ``ends_at`` in the future means that it fires until then.

    ``timeout``: nobody said when it ends, the time is Alertmanager's ``resolve_timeout``.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    generator_url: str = ""
    timeout: bool = False
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.labels))

    def resolved(self, now: datetime) -> bool:
        """Tell whether the alert has ended."""
        return self.ends_at <= now


@dataclass
class AggregationGroup:
    """The alerts of one route that share their group labels, and when they are looked at next."""

    route: Route
    labels: dict[str, str]
    due: datetime
    alerts: dict[str, Alert] = field(default_factory=dict)
    flushed: bool = False
    muted_by: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The groupKey of the webhook: ``{}/{lab="trunc"}:{alertname="Trunc"}``."""
        return f"{self.route.key}:{label_set_text(self.labels)}"

    def sorted_alerts(self) -> list[Alert]:
        """Return the alerts in the order of the API and of webhooks."""
        return sorted(self.alerts.values(), key=lambda alert: alert_order(alert.labels))

    def forget(self, alerts: Sequence[Alert]) -> None:
        """Drop alerts whose end was dealt with, unless they were posted again meanwhile."""
        for alert in alerts:
            if self.alerts.get(alert.fingerprint) is alert:
                del self.alerts[alert.fingerprint]


class Groups:
    """The dispatcher's aggregation groups. Not thread-safe: the simulator's lock guards it."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._groups: dict[tuple[int, str], AggregationGroup] = {}
        self._swept: datetime | None = None

    def __iter__(self) -> Iterator[AggregationGroup]:
        return iter(self._groups.values())

    def take(self, alert: Alert, now: datetime) -> None:
        """Put an alert into the groups of all its routes; an old alert makes a new group due at once."""
        wait = self._configuration.group_wait
        for route in self._configuration.match(alert.labels):
            labels = route.group_labels(alert.labels)
            key = (id(route), label_set_text(labels))
            group = self._groups.setdefault(key, AggregationGroup(route, labels, now + wait))
            group.alerts[alert.fingerprint] = alert
            if not group.flushed and alert.starts_at + wait < now:
                group.due = now

    def due(self, now: datetime, busy: timedelta = timedelta()) -> list[AggregationGroup]:
        """Return the groups whose turn it is, and set their next turn; a turn lasts as long as it is ``busy``."""
        due = [group for group in self._groups.values() if group.due <= now]
        for group in due:
            group.due = now + max(self._configuration.group_interval, busy)
            group.flushed = True
        return due

    def next_due(self) -> datetime | None:
        """Return when the next group has its turn; None without groups."""
        return min((group.due for group in self._groups.values()), default=None)

    def sweep(self, now: datetime) -> None:
        """Drop empty groups, as rarely as Alertmanager does: until then a new alert waits group_interval."""
        if self._swept is None:
            self._swept = now
        if now - self._swept >= _EMPTY_GROUPS_STAY:
            self._swept = now
            self._groups = {key: group for key, group in self._groups.items() if group.alerts}


@dataclass(frozen=True)
class LogEntry:
    """What a receiver was last told about a group."""

    at: datetime
    firing: frozenset[str]
    resolved: frozenset[str]


LogKey = tuple[str, str]
"""The receiver and the groupKey."""


class NotificationLog:
    """What each receiver was told, so that it is not told again. Survives a restart.

    ``tell`` is called with each entry that is written here, so that peers can be told.
    """

    def __init__(self, repeat_interval: timedelta, tell: Callable[[LogKey, LogEntry], None]) -> None:
        self._repeat_interval = repeat_interval
        self._tell = tell
        self._entries: dict[LogKey, LogEntry] = {}

    def needs(self, group: AggregationGroup, alerts: Sequence[Alert], now: datetime) -> bool:
        """Tell whether these alerts, muted ones already taken out, are worth a notification."""
        news = _entry(alerts, now)
        told = self._entries.get((group.route.receiver, group.key))
        if told is None:
            return bool(news.firing)
        if not news.firing <= told.firing:
            return True
        if not news.firing:
            return bool(told.firing)
        return not news.resolved <= told.resolved or told.at < now - self._repeat_interval

    def write(self, group: AggregationGroup, alerts: Sequence[Alert], now: datetime) -> None:
        """Remember that the group's receiver was told about these alerts."""
        key = (group.route.receiver, group.key)
        self._entries[key] = _entry(alerts, now)
        self._tell(key, self._entries[key])

    def hear(self, key: LogKey, entry: LogEntry) -> None:
        """Take what a peer wrote, unless what stands here is newer."""
        known = self._entries.get(key)
        if known is None or known.at < entry.at:
            self._entries[key] = entry


def _entry(alerts: Sequence[Alert], now: datetime) -> LogEntry:
    resolved = frozenset(alert.fingerprint for alert in alerts if alert.resolved(now))
    return LogEntry(now, frozenset(alert.fingerprint for alert in alerts) - resolved, resolved)


def merge(old: Alert, new: Alert, now: datetime) -> Alert:
    """Join two reports of one alert whose times overlap: the earliest start, the latest stated end."""
    overlaps = old.starts_at < new.ends_at < old.ends_at or old.starts_at < new.starts_at < old.ends_at
    if not overlaps:
        return new
    ends_at = new.ends_at
    if old.resolved(now) if new.resolved(now) else not old.timeout:
        ends_at = max(old.ends_at, new.ends_at)
    return replace(new, starts_at=min(old.starts_at, new.starts_at), ends_at=ends_at)
