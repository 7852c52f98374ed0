"""Reads every peer of an Alertmanager cluster side by side, so that a run can compare what they say.

One peer is the common case: it is read in the caller's thread, and costs nothing more than without this module.
What peers that differ mean is the planner's business; here they only stand beside each other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from alertsync.clients.abreast import Abreast
from alertsync.errors import UpstreamError
from alertsync.models import AlertmanagerSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from alertsync.clients.alertmanager import AlertmanagerClient
    from alertsync.clock import Deadline
    from alertsync.models import Silence

T = TypeVar("T")

_MAX_THREADS = 8


class Readings(msgspec.Struct, frozen=True):
    """What the peers said that answered, in the order of the settings, and by address why the others did not."""

    snapshots: tuple[AlertmanagerSnapshot, ...]
    errors: dict[str, UpstreamError] = {}


class Peers:
    """All peers of one Alertmanager cluster; `addresses` are those of the settings, at least one.

    Every method raises the first `UpstreamError` if no peer answered.
    """

    def __init__(self, clients: Sequence[AlertmanagerClient]) -> None:
        self._clients = {client.address: client for client in clients}
        self.addresses = tuple(self._clients)
        self._absent: dict[str, UpstreamError] = {}
        self._threads: Abreast | None = None
        if len(self.addresses) > 1:
            self._threads = Abreast(min(len(self.addresses), _MAX_THREADS), "alertmanager-peer")

    def snapshots(self, deadline: Deadline, *, proven: bool, detailed: bool = False) -> Readings:
        """Read everything from every peer; `proven` to lack no alert, or not; `detailed` as a payload needs it."""

        def read(client: AlertmanagerClient) -> AlertmanagerSnapshot:
            one = client.proven_snapshot if proven else client.snapshot
            return one(deadline, detailed=detailed)

        self._absent = {}
        return self._read(read, self.addresses)

    def place(
        self, receiver: str, group_labels: Mapping[str, str], deadline: Deadline, *, proven: bool = False
    ) -> Readings:
        """Read again what every peer says of one place: its aggregation groups, silences and status; `proven` or not.

        The snapshots hold no other receiver's groups. A peer that failed is not asked again before the next
        `snapshots`, as each wait for it would make what the others said grow old: its error stands.
        """
        present = tuple(address for address in self.addresses if address not in self._absent)
        return self._read(
            lambda client: client.place(receiver, group_labels, deadline, proven=proven),
            present or self.addresses,
        )

    def alerts(self, deadline: Deadline) -> tuple[list[dict[str, Any]], tuple[Silence, ...]]:
        """Read the alerts as the first peer that answers shows them (JSON objects), and the silences."""
        first: UpstreamError | None = None
        for tried, address in enumerate(sorted(self.addresses, key=self._absent.__contains__)):
            try:
                return self._clients[address].alerts(_share(deadline, len(self.addresses) - tried))
            except UpstreamError as error:
                first = first or error
        raise first or AssertionError("there is no peer")

    def active_silences(self, deadline: Deadline) -> dict[str, frozenset[tuple[str, datetime]]]:
        """Read which silences are active, and when each ends, by the address of each peer that answers."""
        found: dict[str, frozenset[tuple[str, datetime]]] = {}
        first: UpstreamError | None = None
        for asked, (address, client) in enumerate(self._clients.items()):
            try:
                found[address] = client.active_silences(_share(deadline, len(self._clients) - asked))
            except UpstreamError as error:
                first = first or error
        if first is not None and not found:
            raise first
        return found

    def post_silence(self, wanted: Silence, starts_at: datetime, deadline: Deadline) -> str:
        """Make or change a silence at the first peer that takes it, and give its id; the peers tell each other.

        Another peer is tried only where it is certain that the one before has not acted: else there might be two.
        """
        first: UpstreamError | None = None
        for tried, client in enumerate(self._likely()):
            try:
                return client.post_silence(wanted, starts_at, _share(deadline, len(self.addresses) - tried))
            except UpstreamError as error:
                if not error.never_arrived:
                    raise
                first = first or error
        raise first or AssertionError("there is no peer")

    def expire_silence(self, silence_id: str, deadline: Deadline) -> bool:
        """End a silence at the first peer that knows it; False if all that answer say that there is none."""
        first: UpstreamError | None = None
        answered = False
        for tried, client in enumerate(self._likely()):
            try:
                if client.expire_silence(silence_id, _share(deadline, len(self.addresses) - tried)):
                    return True
                answered = True
            except UpstreamError as error:
                first = first or error
        if first is not None and not answered:
            raise first
        return False

    def _likely(self) -> list[AlertmanagerClient]:
        """Give the peers, those first that answered the last reading."""
        return [self._clients[address] for address in sorted(self.addresses, key=self._absent.__contains__)]

    def _read(
        self, read: Callable[[AlertmanagerClient], AlertmanagerSnapshot], asked: Sequence[str]
    ) -> Readings:
        clients = [self._clients[address] for address in asked]
        if self._threads is None:
            return Readings(snapshots=tuple(map(read, clients)))
        found = self._threads.all(partial(_attempt, read, client) for client in clients)
        answers = dict(zip(asked, found, strict=True))
        failed = {address: answer for address, answer in answers.items() if isinstance(answer, UpstreamError)}
        self._absent = {
            address: error for address, error in self._absent.items() if address not in asked
        } | failed
        snapshots = tuple(answer for answer in answers.values() if isinstance(answer, AlertmanagerSnapshot))
        if not snapshots:
            raise next(iter(failed.values()))
        return Readings(snapshots=snapshots, errors=dict(self._absent))


def _share(deadline: Deadline, peers: int) -> Deadline:
    """Give one of so many peers its share of the time: one that hangs must leave some for the others."""
    return deadline if peers == 1 else deadline.without_stop(deadline.remaining() / peers)


def _attempt(
    read: Callable[[AlertmanagerClient], AlertmanagerSnapshot], client: AlertmanagerClient
) -> AlertmanagerSnapshot | UpstreamError:
    """Give the error of one peer as a value, as those of the others are wanted too; a stop is raised."""
    try:
        return read(client)
    except UpstreamError as error:
        return error
