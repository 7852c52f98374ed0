"""Judges whether every page that is ours was due.

A person is called by what we post, by a silence of ours that IRM lets run out, and by what we un-silence or
un-resolve. Where two of us share no database, either may page for what the other has paid; that excuses the alerts
that both had to do with, and no others.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation.evidence import at_places, place_of, streams
from tests.simulation.record import Record

if TYPE_CHECKING:
    from alertsync.simulator.irm_model import Group, Integration, Page
    from tests.simulation.evidence import Place
    from tests.simulation.world import World

LONG_AGO = datetime.min.replace(tzinfo=UTC)
LEASE = timedelta(seconds=900)
"""SILENCE_LEASE."""
TOO_SHORT = timedelta(seconds=90)
"""MIN_SILENCE_REMAINING, and the requests of a run: what is silenced for so long only is not silenced anew."""


class Paging(Record):
    """Looks at the pages that came since it last looked.

    `lost` are the integrations and places of which a store that was lost alone knew that we had resolved them.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._pages_seen = 0
        self._shared: set[tuple[str, str]] = set()
        self.lost: set[tuple[str, Place]] = set()
        self.violations: list[str] = []
        self.clean_runs: list[tuple[datetime, str]] = []
        self.faulty_until = self.obliged_since = world.now

    # Two of us

    def another_came(self) -> None:
        """Let another instance begin, which adopts what is marked, and knows of nothing that was paid."""
        for (integration, _), resolve in self.resolves.items():
            self._shared |= {(integration, fingerprint) for fingerprint in resolve.alerts}

    def note_shared(self, integration: str, alerts: set[str]) -> None:
        """Remember whose the debt is that a resolve makes: of both, if there are two of us."""
        both = {(integration, fingerprint) for fingerprint in alerts}
        self._shared = self._shared | both if len(self._world.instances) > 1 else self._shared - both

    # What we post

    def check_post(self, integration: Integration, payload: dict[str, Any]) -> None:
        """Check a post of ours that made a page."""
        created = [page for page in self._world.irm.pages[self._pages_seen :] if page.text == "created"]
        if not created or payload["status"] != "firing":
            return
        firing = [alert["fingerprint"] for alert in payload["alerts"] if alert["status"] == "firing"]
        if any((integration.id, fingerprint) in self._shared for fingerprint in firing):
            return
        if not any(self._was_due(integration, place_of(payload), fingerprint) for fingerprint in firing):
            names = ", ".join(map(self.name_of, firing))
            self.blame(
                f"(d) {names} paged again at {integration.name}, though IRM was told since our resolve"
            )

    def _was_due(self, integration: Integration, place: Place, fingerprint: str) -> bool:
        told_at, group_id = self._told.get((integration.id, fingerprint), (LONG_AGO, ""))
        if self.is_in_doubt(integration, place, told_at):
            return True
        if (integration.id, place) not in self.resolves:
            # An older resolve of it may have been found, and a person has removed what was told since.
            return (integration.id, place) in self.lost and not self._readable(group_id)
        resolve = self.last_resolve(integration, fingerprint) or self.resolves[integration.id, place]
        # What was told after the run began, or to an alert group that a person has removed, we cannot know.
        return told_at <= resolve.at or told_at >= self.run_began or not self._readable(group_id)

    # What we let speak

    def check_speech(self, group_id: str, action: str, known_at: datetime) -> None:
        """Check an un-silence or un-resolve of ours: an alert of it, or of what is attached to it, is not silenced.

        Of a silence made after `known_at` we could not know.
        """
        groups = [one for one in self._world.irm.groups() if group_id in (one.id, one.root_id)]
        if all(self._holds_silenced(group, self._world.now, known_at) for group in groups):
            self.blame(f"(d) {action} of {group_id}, all of whose alerts are silenced")

    # What runs out

    def follow_leases(self) -> None:
        """Check the pages that came of silences of ours, and forget those that are ours no more."""
        pages = self._world.irm.pages
        for page in pages[self._pages_seen :]:
            if page.text == "silence ended" and page.group_id in self.leases:
                self._check_end(page, self._world.irm.group(page.group_id))
                del self.leases[page.group_id]
        self._pages_seen = len(pages)
        standing = {
            group.id: group.silenced_at for group in self._world.irm.groups() if group.state == "silenced"
        }
        self.leases = {name: at for name, at in self.leases.items() if standing.get(name) == at}

    def _check_end(self, page: Page, group: Group) -> None:
        set_at = self.leases[page.group_id]
        name = self._world.instances[0].name
        runs = [
            began for began, by in self.clean_runs if by == name and set_at is not None and began > set_at
        ]
        if len(self._world.instances) > 1 or not runs or group.root_id is not None:
            return
        looked_at = max(runs)
        quiet = max(self.faulty_until, self.obliged_since) < looked_at
        if (
            quiet
            and page.at < looked_at + LEASE - TOO_SHORT
            and self._holds_silenced(group, page.at, looked_at)
        ):
            self.blame(f"(d) our silence of {group.title}{group.id} ran out, and its alerts are silenced")

    def _holds_silenced(self, group: Group, at: datetime, known_at: datetime) -> bool:
        """Tell whether all alerts of a group were held at every peer, by silences as they were at `known_at`."""
        told = streams(group)
        places = {stream.place for stream in told}
        members = {fp for place, fp in at_places(self._world) if place in places}
        members |= {fingerprint for stream in told for fingerprint in stream.firing}
        return bool(members) and all(self._is_silenced(fp, at, known_at) for fp in members)

    def _is_silenced(self, fingerprint: str, at: datetime, known_at: datetime) -> bool:
        labels = self._world.fingerprints.get(fingerprint)
        peers = self._world.peers
        seen = [one for peer in peers for one in peer.alerts(lambda _: True)]
        if labels is None or sum(one.alert.fingerprint == fingerprint for one in seen) < len(peers):
            return False
        return all(
            any(
                one.matches(labels)
                and one.starts_at <= known_at
                and one.updated_at <= known_at
                and one.ends_at > at + TOO_SHORT
                for one in peer.silences()
            )
            for peer in peers
        )

    def name_of(self, fingerprint: str) -> str:
        """Name an alert."""
        labels = self._world.fingerprints.get(fingerprint, {})
        return f"{labels.get('alertname', fingerprint)}/{labels.get('instance', '')}"

    def blame(self, sentence: str) -> None:
        """Write down what went wrong, and when."""
        self.violations.append(f"{self._world.now:%H:%M:%S} {sentence}")
