"""Judges from the servers' side whether a page was lost, sent twice, or an alert group closed that was alive.

The judge believes Alertmanager's own view of its alerts and IRM's record of what it was told and asked to do. Of
our service it believes only that something is shown as due with an alarm. It says nothing at once, because it is
called from within our requests, where an exception would be taken for a fault: see `violations`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.simulation.evidence import Sightings, at_places, is_alive, streams
from tests.simulation.paging import LONG_AGO, Paging
from tests.simulation.servers import GROUP_INTERVAL, IRM_HOST, REPEAT_INTERVAL, is_inbound

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.models import Run
    from alertsync.simulator.irm_model import Integration
    from tests.simulation.record import Resolve
    from tests.simulation.wire import Exchange
    from tests.simulation.world import Instance, World

CONFIRMED = timedelta(seconds=12)
"""How long an alert may be active and be closed all the same: CONFIRM_AFTER, and the requests of one turn."""
CONFIRMED_AFTER_FAULTS = timedelta(seconds=45)
"""The same where requests of the run timed out: a reading that took 30 s more is still trusted."""
SPEAKS_AGAIN = GROUP_INTERVAL + timedelta(seconds=30)
"""How soon Alertmanager itself tells of what is active, if it last did longer ago than its repeat interval."""
RUNS_TO_PAY = 1
"""Runs without a fault, begun after an alert became active, within which IRM is told: the first."""
RUNS_TO_RECOVER = 5
"""The same after faults: a post whose answer was lost is waited for during two runs, then posted again."""


class Judge(Paging):
    """Watches a world; `violations` tells what went wrong, in sentences.

    `obliged_since` is the time since which our service may be expected to pay: later than what excuses it.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._seen = Sightings(world)
        self.run_faults = 0
        self.seen_alive: set[str] = set()
        world.observe, world.delivered = self._seen.observe, self._note_told
        world.wire.before, world.wire.done = self._before, self._done
        world.observe()

    # (a) What we close

    def _before(self, exchange: Exchange) -> None:
        self.follow_leases()
        self._was_open = {group.id for group in self._world.irm.groups() if group.state != "resolved"}
        parts = exchange.path.split("/")
        if (
            exchange.method == "POST"
            and exchange.host == IRM_HOST
            and parts[-2:-1] in (["resolve"], ["silence"])
        ):
            self._check_closing(parts[4], parts[5])

    def _check_closing(self, group_id: str, action: str) -> None:
        if group_id not in self._was_open:
            return
        self._seen.observe()
        group = self._world.irm.group(group_id)
        window = self._window()
        for stream in streams(group):
            here = {fp for place, fp in at_places(self._world) if place == stream.place}
            for fingerprint in here | stream.firing:
                since = (
                    self._seen.by_any.get((stream.place, fingerprint))
                    if fingerprint in here
                    else self._seen.anywhere.get(fingerprint)
                )
                if since is not None and self._world.now - since > window:
                    self.blame(
                        f"(a) {action} of {group.title}{group_id}: {self.name_of(fingerprint)} is active since {since}"
                    )

    def _window(self) -> timedelta:
        return CONFIRMED_AFTER_FAULTS if self.run_faults < self._world.wire.faults else CONFIRMED

    # What IRM did

    def _done(self, exchange: Exchange) -> None:
        if exchange.host != IRM_HOST or exchange.method != "POST" or exchange.status != 200:
            return
        parts = exchange.path.split("/")
        if is_inbound(exchange):
            integration = next(one for one in self._world.integrations.values() if exchange.path == one.path)
            payload = json.loads(exchange.body)
            self.check_post(integration, payload)
            self._note_told(integration, payload)
        elif parts[-2] == "resolve" and parts[4] in self._was_open:
            for where, alerts in self._note_resolve(self._world.irm.group(parts[4])):
                self.note_shared(where, alerts)
        elif parts[-2] in ("unsilence", "unresolve"):
            self.check_speech(parts[4], parts[-2], self._world.now - self._window())
        elif parts[-2] == "silence":
            self.leases[parts[4]] = self._world.irm.group(parts[4]).silenced_at

    # (b) What is due

    def note_run(self, instance: Instance, run: Run | None, *, disturbed: bool) -> None:
        """Count a run that began at `run_began`; it is clean if nothing went wrong in it."""
        if disturbed:
            self.faulty_until = self._world.now
        elif run is not None and run.status.value == "failed":
            self.blame(f"a run failed though nothing was wrong: {run.message}")
        elif run is not None and not run.dry_run:
            if instance.settings.get("REPAGE") != "false":
                self.clean_runs.append((self.run_began, instance.name))
            if instance is self._world.instances[0]:
                began = [group for group in self._world.irm.groups() if group.created_at < self.run_began]
                self.seen_alive |= {
                    one.id
                    for one in began
                    if one.state != "resolved"
                    and one.integration.maintenance_mode is None
                    and is_alive(one, self._world)
                }
        if run is not None and "unexpected error" in repr((run.message, run.actions)):
            self.blame(f"a run met an unexpected error: {run.message} {run.actions}")

    def check_due(self) -> None:
        """Check that whatever fires unsuppressed for long enough was told to IRM since our last resolve.

        An alert group that is open again, by whomever, tells IRM; what becomes of it then is a person's word.
        """
        self.resolves = {key: one for key, one in self.resolves.items() if not self._is_open(one.group_id)}
        for (place, fingerprint), since in self._seen.by_all.items():
            integration = self._world.integrations.get(place[0])
            if integration is None or integration.maintenance_mode is not None:
                continue
            here = self.resolves.get((integration.id, place))
            resolve = self.last_resolve(integration, fingerprint)
            if here is not None and resolve is not None and fingerprint in here.alerts:
                self._check_told(integration, fingerprint, since, resolve)

    def _check_told(
        self, integration: Integration, fingerprint: str, since: datetime, resolve: Resolve
    ) -> None:
        told_at, _ = self._told.get((integration.id, fingerprint), (LONG_AGO, ""))
        if told_at > resolve.at or resolve.instance is None or self._is_told_of(integration, fingerprint):
            return
        if self._world.now < since + SPEAKS_AGAIN and told_at < since - REPEAT_INTERVAL:
            return
        since = max(since, resolve.at, self.obliged_since)
        name = resolve.instance.name
        runs = [began for began, by in self.clean_runs if began > since and by == name]
        enough = RUNS_TO_RECOVER if self.faulty_until > resolve.at or resolve.attached else RUNS_TO_PAY
        if len(runs) < enough or self._shown_as_due(resolve.instance, fingerprint):
            return
        self.blame(
            f"(b) {self.name_of(fingerprint)} is active since {since}, and IRM was not told since "
            f"we resolved {resolve.group_id} at {resolve.at}, in {len(runs)} runs"
        )

    def _shown_as_due(self, instance: Instance, fingerprint: str) -> bool:
        return any(
            alert.fingerprint == fingerprint and alert.alarm
            for debt in self._world.ledger(instance).debts
            for alert in debt.alerts
        )

    def check_leases(self) -> None:
        """Check that no alert group stays silenced by us while one of its alerts is active, and that none runs out."""
        self.follow_leases()
        for group_id, silenced_at in self.leases.items():
            try:
                group = self._world.irm.group(group_id)
            except KeyError:
                continue
            if group.state != "silenced" or group.silenced_at != silenced_at or group.root_id is not None:
                continue
            places = {stream.place for stream in streams(group)}
            for (place, fingerprint), since in self._seen.by_all.items():
                due = max(since, silenced_at or since, self.obliged_since, self.faulty_until)
                if place in places and any(began > due for began, _ in self.clean_runs):
                    self.blame(
                        f"(b) {self.name_of(fingerprint)} is active since {since}, and {group_id} silenced by us"
                    )

    # What excuses us

    def excuse(self) -> None:
        """Begin anew: what happened so far excuses that nothing was paid."""
        self.obliged_since = self._world.now

    def store_lost(self, instance: Instance) -> None:
        """Forget what the lost store alone knew: not what our marker in IRM says, if it is young enough."""
        self.excuse()
        self.leases.clear()
        self.seen_alive.clear()
        for key, resolve in list(self.resolves.items()):
            if resolve.instance is not instance:
                continue
            if resolve.attached or not self._readable(resolve.group_id) or not self._marked(resolve):
                del self.resolves[key]
                self.lost.add(key)
                continue
            group = self._world.irm.group(resolve.group_id)
            resolve.alerts &= {
                fp for stream in streams(group) if stream.place == key[1] for fp in stream.firing
            }
