"""How things stand, for programs and for probes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from alertsync.models import Summary, Upstream
from alertsync.progress import Progress
from alertsync.web.attention import Attention


class Mode(msgspec.Struct, frozen=True):
    """What alertsync is set to do."""

    dry_run: bool
    repage: bool
    on_silenced: str
    on_gone: str


class Loop(msgspec.Struct, frozen=True):
    """The loop: seconds between two runs (0: there is no loop), whether a worker leads it, and when it runs next."""

    interval: float
    leader: bool
    next_run_at: datetime | None


class Seen(msgspec.Struct, frozen=True):
    """How an upstream was last seen by a run; `reachable`, `seen_at` and `seconds` are null if it never was.

    The peers of a cluster of Alertmanager are read side by side, and `seconds` is how long they took together.
    """

    url: str
    reachable: bool | None = None
    seen_at: datetime | None = None
    seconds: float | None = None
    version: str = ""
    error: str = ""


class Upstreams(msgspec.Struct, frozen=True):
    """Alertmanager, peer by peer, and IRM; null while the address of IRM is not set."""

    alertmanager: tuple[Seen, ...]
    irm: Seen | None


class Status(msgspec.Struct, frozen=True):
    """How things stand. `missing` are settings without which there is no run, by name, with what is wrong.

    `last_run` is null before there was one, `progress` while no run goes on.
    """

    service: str
    version: str
    now: datetime
    ready: bool
    missing: dict[str, str]
    mode: Mode
    loop: Loop
    upstreams: Upstreams
    attention: Attention
    last_run: Summary | None
    progress: Progress | None


class LastSeen(msgspec.Struct, frozen=True):
    """Both systems as the last run saw them; null before there was one."""

    alertmanager: Upstream | None
    irm: Upstream | None


class Readiness(msgspec.Struct, frozen=True):
    """Whether the settings suffice for runs, and how things stand; `more` says what lets somebody read the rest."""

    status: str
    missing: tuple[str, ...]
    loop: str
    leader: bool
    next_run_at: datetime | None
    dry_run: bool
    attention: Attention | msgspec.UnsetType = msgspec.UNSET
    upstreams: LastSeen | msgspec.UnsetType = msgspec.UNSET
    last_run: Summary | msgspec.UnsetType | None = msgspec.UNSET
    more: str | msgspec.UnsetType = msgspec.UNSET


class Liveness(msgspec.Struct, frozen=True):
    """That the loop is not stuck: `status` is "alive"."""

    status: str


class Index(msgspec.Struct, frozen=True):
    """What is there: addresses, with what they are for."""

    service: str
    version: str
    addresses: dict[str, str]
