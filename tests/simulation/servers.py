"""The servers of the simulated world and what feeds them, on one clock: IRM, Alertmanagers and Prometheus.

Time moves from one event to the next, so that nothing that the servers do by themselves happens late.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from alertsync.simulator import alertmanager_api, irm_api
from alertsync.simulator.alertmanager_model import Alertmanager, Gossip, InhibitRule, Route, fingerprint
from alertsync.simulator.irm_model import Irm
from tests.simulation.wire import Exchange, Wire
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from alertsync.simulator.alertmanager_model import Silence
    from alertsync.simulator.irm_model import Integration

TOKEN = "token-of-an-editor"
IRM_HOST = "irm.example"
GROUP_WAIT, GROUP_INTERVAL = timedelta(seconds=10), timedelta(seconds=120)
REPEAT_INTERVAL = timedelta(hours=1)
RESENT_WITHIN = 60.0
"""Seconds after which Prometheus has sent all its alerts again to an Alertmanager that has forgotten them."""
SETTLES_IN = timedelta(seconds=6)

TEAM_A = Route("payments", ("alertname",), {"team": "a"}, mute_times=("night",))
DEFAULT = Route("platform", ("alertname",))
WATCHDOG = Route("watchdog", ("alertname",), {"alertname": "Watchdog"})
ROUTINGS = {
    "usual": (WATCHDOG, TEAM_A, DEFAULT),
    "by instance": (WATCHDOG, Route("payments", ("alertname", "instance"), {"team": "a"}), DEFAULT),
    "all to one": (WATCHDOG, DEFAULT),
}
RACK = InhibitRule({"alertname": "Rack"}, {"alertname": "Two"}, ())

Labels = dict[str, str]


class WorldTime(FakeTime):
    """Time that stops at every event on its way: `due` names the next, in seconds, `happen` lets it happen."""

    def __init__(self) -> None:
        super().__init__()
        self.due: Callable[[], float | None] = lambda: None
        self.happen: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        until = self.passed + seconds
        while (due := self.due()) is not None and due <= until:
            self.passed = max(self.passed, due)
            self.happen()
        self.passed = until


class Servers:
    """All servers; the hooks `observe` and `delivered` let a judge see what happens there.

    `peers` is 1 or 2, `merging` whether an integration groups by severity rather than by groupKey.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, peers: int, merging: bool) -> None:
        self.time = WorldTime()
        self.wire = Wire(self.time)
        self.wire.install(monkeypatch)
        self.observe: Callable[[], None] = lambda: None
        self.delivered: Callable[[Integration, dict[str, Any]], None] = lambda _integration, _payload: None
        self.irm = Irm(clock=self.time.clock.now, api_url=f"http://{IRM_HOST}")
        self.us = self.irm.add_user(TOKEN)
        self.person = self.irm.add_user("token-of-a-person")
        self.integrations = {
            "payments": self.irm.add_integration("payments"),
            "platform": self.irm.add_integration("platform", grouping="label:severity" if merging else None),
        }
        self.wire.mount(IRM_HOST, irm_api.create_app(self.irm))
        self.gossip = Gossip()
        self.peers = [self._peer(number) for number in range(peers)]
        self.firing: dict[str, tuple[Labels, datetime]] = {}
        self._resends: list[tuple[float, int]] = []
        self.time.due, self.time.happen = self._due, self._happen
        self.fire({"alertname": "Watchdog", "severity": "none"})

    @property
    def now(self) -> datetime:
        """The time."""
        return self.time.clock.now()

    def _due(self) -> float | None:
        turns = [peer.next_turn() for peer in self.peers]
        times = [max((turn - START).total_seconds(), self.time.passed) for turn in turns if turn]
        return min([*times, *(at for at, _ in self._resends)], default=None)

    def _happen(self) -> None:
        for at, number in [one for one in self._resends if one[0] <= self.time.passed]:
            self._resends.remove((at, number))
            for labels, since in self.firing.values():
                self.peers[number].fire(labels, {"summary": "bad"}, starts_at=since)
        for peer in self.peers:
            peer.tick()
        self.observe()

    def _peer(self, number: int) -> Alertmanager:
        model = Alertmanager(
            clock=self.time.clock.now,
            routes=ROUTINGS["usual"],
            webhooks={name: f"http://{IRM_HOST}{one.path}" for name, one in self.integrations.items()},
            group_wait=GROUP_WAIT,
            group_interval=GROUP_INTERVAL,
            repeat_interval=REPEAT_INTERVAL,
            inhibit_rules=(RACK,),
            send=self._send,
            gossip=self.gossip,
        )
        self.wire.mount(f"am{number}.example", alertmanager_api.create_app(model))
        return model

    # Prometheus and Alertmanager

    def fire(self, labels: Labels) -> None:
        """Let an alert fire; Prometheus tells every peer."""
        self.firing.setdefault(str(sorted(labels.items())), (labels, self.now))
        for peer in self.peers:
            peer.fire(labels, {"summary": "bad"})
        self.observe()

    def end(self, labels: Labels) -> None:
        """Let an alert end."""
        if self.firing.pop(str(sorted(labels.items())), None):
            for peer in self.peers:
                peer.end(labels)
        self.observe()

    def silence(self, matchers: Labels, seconds: float, *, peer: int = 0) -> str:
        """Silence alerts at one peer, which tells the other."""
        made = self.peers[peer % len(self.peers)].silence(
            matchers,
            duration=timedelta(seconds=seconds),
            created_by="ana@example.org",
            comment="db migration",
        )
        self.observe()
        return made

    def change_silence(self, peer: Alertmanager, silence: Silence, ends_at: datetime | None) -> None:
        """Give a silence another end, or take it away (None)."""
        if ends_at is None:
            peer.expire(silence.id)
        else:
            peer.put_silence(replace(silence, ends_at=ends_at))
        self.observe()

    def let_gossip_take(self, seconds: float) -> None:
        """Let news take so long from peer to peer, those too that are on their way."""
        self.gossip.lag = timedelta(seconds=seconds)
        self.observe()

    def restart(self, number: int) -> None:
        """Restart a peer: it forgets all alerts until Prometheus sends them again."""
        number %= len(self.peers)
        self.peers[number].restart(settles_in=SETTLES_IN if len(self.peers) > 1 else timedelta())
        self._resends.append((self.time.passed + RESENT_WITHIN, number))
        self.observe()

    def reload(self, routing: str) -> None:
        """Let every peer read other routes."""
        for peer in self.peers:
            peer.reload(ROUTINGS[routing])
        self.observe()

    def _send(self, url: str, payload: dict[str, Any]) -> bool:
        integration = next(one for one in self.integrations.values() if url.endswith(one.path))
        self.irm.deliver(integration, payload)
        self.delivered(integration, payload)
        return True

    @property
    def fingerprints(self) -> dict[str, Labels]:
        """The alerts that fire, whether Alertmanager remembers them or not: fingerprint to labels."""
        return {fingerprint(labels): labels for labels, _ in self.firing.values()}

    def is_silenced(self, labels: Labels) -> bool:
        """Tell whether any peer knows a silence that holds an alert with these labels now."""
        found = (one for peer in self.peers for one in peer.silences() if one.state(self.now) == "active")
        return any(one.matches(labels) for one in found)


def is_inbound(exchange: Exchange) -> bool:
    """Tell whether a request posts to an integration."""
    return exchange.host == IRM_HOST and exchange.path.startswith("/integrations/")
