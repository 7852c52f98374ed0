"""What keeps an alert quiet in the simulated Alertmanager: silences, inhibition and mute times.

The same three are asked when a group has its turn and when the API shows an alert, and not alike: a mute time
holds back the whole group, shows only once the group has had its turn, and is not looked at for alerts that are
inhibited (prometheus/alertmanager, ``notify/notify.go``, ``types/types.go``).
"""

from collections.abc import Mapping
from datetime import datetime

from alertsync.simulator.alertmanager_config import ALWAYS, Configuration, Route
from alertsync.simulator.alertmanager_dispatch import AggregationGroup, Alert
from alertsync.simulator.alertmanager_silences import Silences
from alertsync.simulator.alertmanager_views import Sighting


class Suppression:
    """Tells what is kept quiet, of alerts and by silences that change while it looks.

    ``configuration`` may be replaced, ``receivers`` (muted ones) and ``times`` (mute times that hold now) changed.
    """

    def __init__(self, configuration: Configuration, alerts: Mapping[str, Alert], silences: Silences) -> None:
        self.configuration = configuration
        self.receivers: set[str] = set()
        self.times: set[str] = {ALWAYS}
        self.unprocessed: set[str] = set()
        self._alerts = alerts
        self._silences = silences

    def heard(self, group: AggregationGroup, alerts: list[Alert], now: datetime) -> list[Alert]:
        """Return the alerts that neither inhibition, nor a mute time, nor a silence holds back."""
        heard = [alert for alert in alerts if not self._inhibitors(alert, now)]
        if heard:
            group.muted_by = self._muting(group.route)
        if group.muted_by:
            return []
        return [alert for alert in heard if not self._silences.holding(alert.labels, now)]

    def sight(self, alert: Alert, now: datetime) -> Sighting | None:
        """Return what the API says about an alert; None once it has ended."""
        if alert.resolved(now):
            return None
        receivers = tuple(route.receiver for route in self.configuration.match(alert.labels))
        if alert.fingerprint in self.unprocessed:
            return Sighting(alert, receivers, "unprocessed")
        silenced_by = self._silences.holding(alert.labels, now)
        inhibited_by = self._inhibitors(alert, now)
        state = "suppressed" if silenced_by or inhibited_by else "active"
        return Sighting(alert, receivers, state, silenced_by, inhibited_by)

    def _muting(self, route: Route) -> tuple[str, ...]:
        by_receiver = (f"{route.receiver}-muted",) if route.receiver in self.receivers else ()
        return by_receiver + tuple(name for name in route.mute_times if name in self.times)

    def _inhibitors(self, alert: Alert, now: datetime) -> tuple[str, ...]:
        """Return the fingerprint of one alert that inhibits this one, as Alertmanager names only one."""
        for rule in self.configuration.inhibit_rules:
            if not rule.may_inhibit(alert.labels):
                continue
            for source in self._alerts.values():
                if not source.resolved(now) and rule.inhibits(source.labels, alert.labels):
                    return (source.fingerprint,)
        return ()
