"""Now: is it working, what did it last do, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Action, Summary, Upstream
from alertsync.progress import Progress
from alertsync.redaction import strike

if TYPE_CHECKING:
    from alertsync.models import Policy
    from alertsync.services import Services
    from alertsync.web.pages.frame import Frame

_RECENT = 6


class Peer(msgspec.Struct, frozen=True):
    """A system that alertsync reads, as the last run saw it; `seen` is None before there was one."""

    name: str
    where: str
    seen: Upstream | None


class Now(msgspec.Struct, frozen=True):
    """What the first page shows. `interval` in seconds, 0 with the loop off; `mode` in words."""

    last: Summary | None
    interval: float
    peers: tuple[Peer, ...]
    open_groups: int
    mode: str
    recent: tuple[Action, ...]
    progress: Progress | None


def view(frame: Frame, services: Services) -> Now:
    """Gather it."""
    settings = services.settings
    seen = frame.standing.upstreams
    where = strike(", ".join(settings.alertmanager.urls), settings.secrets)
    irm = strike(settings.irm.url or "", settings.secrets)
    return Now(
        last=frame.standing.last,
        interval=settings.interval,
        peers=(
            Peer("Alertmanager", where, seen.get("alertmanager")),
            Peer("Grafana IRM", irm, seen.get("irm")),
        ),
        open_groups=sum(frame.standing.decisions.values()),
        mode=mode(settings.policy),
        recent=services.store.actions(limit=_RECENT).items,
        progress=services.progress(),
    )


def mode(policy: Policy) -> str:
    """Say what is done about what is found."""
    silenced = {"resolve": "resolves what is silenced", "silence": "silences in IRM what is silenced"}
    gone = {"resolve": "resolves what is gone"}
    done = [
        silenced.get(policy.on_silenced, "reports what is silenced"),
        gone.get(policy.on_gone, "reports what is gone"),
    ]
    text = ", ".join(done)
    return f"dry run: decides, acts on nothing; else it {text}" if policy.dry_run else text
