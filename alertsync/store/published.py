"""Publishes pages as files that are replaced atomically, so that every worker tells the same story.

They are written by the holder of the run lock alone, and read by any worker of any number: a scrape costs a file
read, and is answered while the database cannot be used. A file that cannot be written is reported loudly and kept
in memory, so that this process at least keeps telling the truth.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync import exposition
from alertsync.models import Decision, Run, Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alertsync.exposition import Page

log = logging.getLogger(__name__)

_STANDING = "standing.json"
_LAST_RUN = "last-run.json"
_METRICS = "metrics.page"
_ALERTS = "alerts.page"

_MOST_KEPT = 1 << 20
"""Bytes of metrics that are kept between two scrapes: where there are more, reading them is not what takes long."""
_AT_A_TIME = 64
"""How many decisions are encoded in one piece."""
_WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

T = TypeVar("T")

_read_standing = msgspec.json.Decoder(Standing).decode
_read_fields = msgspec.json.Decoder(Run).decode
_read_decision = msgspec.json.Decoder(Decision).decode


class PublishedFiles:
    """Reads and writes the published files under `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unwritten: dict[str, tuple[bytes, int]] = {}
        self._guard = threading.Lock()
        self._kept: tuple[str, tuple[Page, ...]] = ("", ())

    def metrics(self) -> tuple[Page, ...]:
        """Give the metrics as rendered after the last run: of reconciliation, and of alerts; nothing before there was one."""
        # Before they are read: a stamp that is too old costs another reading, one that is too new hides a run.
        stamp = self._stamp(_METRICS, _ALERTS)
        known, pages = self._kept
        if known == stamp:
            return pages
        found = [exposition.unpack(self._read(name) or b"") for name in (_METRICS, _ALERTS)]
        pages = () if found[0] is None else tuple(page for page in found if page is not None)
        small = sum(len(page.plain) for page in pages) <= _MOST_KEPT
        self._kept = (stamp, pages) if small else ("", ())
        return pages

    def publish(self, metrics_page: bytes) -> None:
        """Publish the metrics of reconciliation."""
        self._write(_METRICS, exposition.pack(exposition.deflate(metrics_page)))

    def last_run(self) -> Run | None:
        """Give the last run that decided anything, with its decisions; None before there was one."""
        return self._decode(_LAST_RUN, read_run)

    def last_run_stamp(self) -> str:
        """Give a word that changes whenever another run is published."""
        return self._stamp(_LAST_RUN)

    def standing_stamp(self) -> str:
        """Give a word that changes whenever a run has ended, or how things stand is told here or no more."""
        return self._stamp(_METRICS, _STANDING)

    def publish_decisions(self, run: Run, alerts_page: bytes) -> None:
        """Publish the decisions of a run, and the metrics of the alerts that it saw."""
        self._write(_LAST_RUN, written(run))
        self._write(_ALERTS, exposition.pack(exposition.deflate(alerts_page)))

    def standing(self) -> Standing | None:
        """Tell how things stand, if that is told here; version 0.1.0 told it nowhere else."""
        return self._decode(_STANDING, _read_standing)

    def stand_in(self, standing: Standing) -> None:
        """Tell here how things stand, while the database cannot."""
        self._write(_STANDING, msgspec.json.encode(standing))

    def drop_standing(self) -> None:
        """Tell no more here how things stand: the database knows it."""
        with self._guard:
            self._unwritten.pop(_STANDING, None)
        try:
            (self._directory / _STANDING).unlink(missing_ok=True)
        except OSError as error:
            log.error(  # noqa: TRY400  the traceback says nothing more
                "a published file cannot be removed: other workers see how things stood",
                extra={"file": _STANDING, "reason": error.strerror},
            )

    def _decode(self, name: str, read: Callable[[bytes], T]) -> T | None:
        content = self._read(name)
        if content is None:
            return None
        try:
            return read(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.exception("a published file cannot be read, and is ignored", extra={"file": name})
            return None

    def _stamp(self, *names: str) -> str:
        """Give a word that changes whenever one of these files does, or what this process could not write of it."""
        return " ".join(map(self._stamp_of, names))

    def _stamp_of(self, name: str) -> str:
        with self._guard:
            kept = self._unwritten.get(name)
        try:
            status = (self._directory / name).stat()
            written = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
        except OSError:
            written = ""
        return written if kept is None else f"{written}+{kept[1]:x}"

    def _read(self, name: str) -> bytes | None:
        path = self._directory / name
        with self._guard:
            kept = self._unwritten.get(name)
        try:
            # What another worker wrote since is newer than what we could not write.
            if kept is not None and path.stat().st_mtime_ns <= kept[1]:
                return kept[0]
            return path.read_bytes()
        except OSError:
            return None if kept is None else kept[0]

    def _write(self, name: str, content: bytes | bytearray) -> None:
        try:
            _replace(self._directory / name, content)
        except OSError as error:
            log.error(  # noqa: TRY400  the traceback of a full disk says nothing more
                "STATE_DIR cannot be written: other workers do not see this run",
                extra={"file": name, "reason": error.strerror},
            )
            with self._guard:
                self._unwritten[name] = (bytes(content), time.time_ns())
        else:
            with self._guard:
                self._unwritten.pop(name, None)


def written(run: Run) -> bytearray:
    """Write a run as JSON, some decisions at a time: thousands of them in one piece would let no other thread run.

    They come last, so that nothing is copied once more.
    """
    encode = msgspec.json.Encoder().encode
    rest = {name: getattr(run, name) for name in run.__struct_fields__ if name != "decisions"}
    body = bytearray(encode(rest))
    body[-1:] = b',"decisions":['
    for first in range(0, len(run.decisions), _AT_A_TIME):
        body += encode(run.decisions[first : first + _AT_A_TIME])[1:-1]
        body += b","
    if run.decisions:
        del body[-1:]
    body += b"]}"
    return body


def read_run(content: bytes) -> Run:
    """Read what `written` wrote, decision by decision for the same reason."""
    fields = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    found = msgspec.json.decode(fields.pop("decisions", b"[]"), type=list[msgspec.Raw])
    run = _read_fields(msgspec.json.encode(fields))
    # Not `map`, which never lets another thread run.
    return msgspec.structs.replace(run, decisions=tuple([_read_decision(one) for one in found]))


def _replace(path: Path, content: bytes | bytearray) -> None:
    """Write a file beside the one at `path`, and put it in its place.

    It always has the same name: what a writer leaves that is killed here is written over by the next one. There is
    one at a time, who holds the run lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(temporary, _WRITING, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
