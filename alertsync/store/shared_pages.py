"""Publishes pages in the database that several hosts share, where `published.py` does so in files for one host.

A host keeps what it has read until something newer is published, which a small row tells: so a scrape costs one short
question, and the pages are there while the database cannot be used.
"""

from __future__ import annotations

import secrets
import threading
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import bindparam, select

from alertsync import exposition
from alertsync.exposition import Page
from alertsync.store import ledger_rows, published
from alertsync.store.faults import Fault
from alertsync.store.schema import facts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alertsync.clock import Clock
    from alertsync.models import Run, Standing
    from alertsync.store.database import Stamp
    from alertsync.store.postgresql import PostgresDatabase

_STAMPS, _METRICS, _ALERTS, _LAST_RUN = "page.stamps", "page.metrics", "page.alerts", "page.last-run"
_FACT = select(facts.c.body).where(facts.c.name == bindparam("wanted"))
_LOOK_SECONDS = 0.5
"""For how long it is taken for granted that nothing newer was published."""
_LEVEL = 1
_PAGE_SECONDS = 0.5


class _Kept(NamedTuple):
    """What was read, and under which stamp."""

    stamp: str = ""
    body: bytes = b""


class SharedPages:
    """Reads and writes the published pages in `database`."""

    def __init__(self, database: PostgresDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._stamps: dict[str, str] = {}
        self._looked_at = float("-inf")

    def metrics(self) -> tuple[Page, ...]:
        """Give the metrics as rendered after the last run: of reconciliation, and of alerts; nothing before there was one."""
        found = [_inflated(body) for name in (_METRICS, _ALERTS) if (body := self._read(name))]
        return tuple(found) if self._kept.get(_METRICS, _Kept()).body else ()

    def publish(self, metrics_page: bytes) -> None:
        """Publish the metrics of reconciliation."""
        self._write({_METRICS: exposition.deflate(metrics_page).deflated})

    def last_run(self) -> Run | None:
        """Give the last run that decided anything, with its decisions; None before there was one."""
        body = self._read(_LAST_RUN)
        return published.read_run(zlib.decompress(body)) if body else None

    def last_run_stamp(self) -> str:
        """Give a word that changes whenever another run is published."""
        return self._look().get(_LAST_RUN, "")

    def standing_stamp(self) -> str:
        """Give a word that changes whenever a run has ended, wherever."""
        return self._look().get(_METRICS, "")

    def publish_decisions(self, run: Run, alerts_page: bytes) -> None:
        """Publish the decisions of a run, and the metrics of the alerts that it saw."""
        self._write(
            {
                _LAST_RUN: zlib.compress(published.written(run), _LEVEL),
                _ALERTS: exposition.deflate(alerts_page).deflated,
            }
        )

    def standing(self) -> Standing | None:
        """Tell nothing: how things stand is in the database, or another host's to say."""
        return None

    def stand_in(self, standing: Standing) -> None:
        """Do nothing: what one host alone knows is told nowhere else."""

    def drop_standing(self) -> None:
        """Do nothing, as there is nothing."""

    def _look(self) -> dict[str, str]:
        """Give the stamps of what is published, as they were a moment ago at most."""
        now = self._clock.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            try:
                self._stamps = self._database.run(
                    lambda connection, _: _stamps(connection), patience=_PAGE_SECONDS
                )
            except Fault:
                # The store says so wherever it is asked; what was read stays.
                return self._stamps
        return self._stamps

    def _read(self, name: str) -> bytes:
        stamp = self._look().get(name, "")
        kept = self._kept.get(name, _Kept())
        if kept.stamp == stamp:
            return kept.body

        def read(connection: Connection, _: Stamp) -> _Kept:
            # Together, as another one may be published meanwhile.
            body = connection.scalar(_FACT, {"wanted": name})
            return _Kept(_stamps(connection).get(name, ""), body or b"")

        try:
            kept = self._database.run(read, patience=_PAGE_SECONDS)
        except Fault:
            return kept.body
        self._kept[name] = kept
        return kept.body

    def _write(self, pages: dict[str, bytes]) -> None:
        """Write pages under the run lock; a host that has lost it leaves them to the next run, wherever that is."""
        fresh = {name: _Kept(secrets.token_hex(8), body) for name, body in pages.items()}

        def write(connection: Connection, _: Stamp) -> dict[str, str]:
            stamps = _stamps(connection) | {name: one.stamp for name, one in fresh.items()}
            for name, one in fresh.items():
                ledger_rows.write_fact(connection, name, one.body)
            ledger_rows.write_fact(connection, _STAMPS, msgspec.json.encode(stamps))
            return stamps

        try:
            stamps = self._database.run(write, write=True, fenced=True)
        except Fault:
            return
        with self._guard:
            self._kept |= fresh
            self._stamps = stamps


_read_stamps = msgspec.json.Decoder(dict[str, str]).decode


def _stamps(connection: Connection) -> dict[str, str]:
    body = connection.scalar(_FACT, {"wanted": _STAMPS})
    try:
        return {} if body is None else _read_stamps(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _inflated(deflated: bytes) -> Page:
    return Page(zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(deflated), deflated)
