"""Now: is it working, what did it last do, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Summary, Upstream

if TYPE_CHECKING:
    from alertsync.services import Services
    from alertsync.web.pages.frame import Frame


class Peer(msgspec.Struct, frozen=True):
    """A system that alertsync reads, as the last run saw it; `seen` is None before there was one."""

    name: str
    where: str
    seen: Upstream | None


class Now(msgspec.Struct, frozen=True):
    """What the first page shows. `interval` in seconds, 0 with the loop off."""

    last: Summary | None
    interval: float
    peers: tuple[Peer, ...]


def view(frame: Frame, services: Services) -> Now:
    """Gather it."""
    settings = services.settings
    seen = frame.standing.upstreams
    return Now(
        last=frame.standing.last,
        interval=settings.interval,
        peers=(
            Peer("Alertmanager", ", ".join(settings.alertmanager.urls), seen.get("alertmanager")),
            Peer("Grafana IRM", settings.irm.url or "", seen.get("irm")),
        ),
    )
