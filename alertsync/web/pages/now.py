"""Now: is it working, what did it last do, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Action, RunStatus, Summary, Upstream
from alertsync.progress import Progress
from alertsync.redaction import strike
from alertsync.web.pages.words import utc

if TYPE_CHECKING:
    from alertsync.models import Policy, Standing
    from alertsync.services import Services
    from alertsync.web.pages.frame import Frame

_RECENT = 6


class Peer(msgspec.Struct, frozen=True):
    """A system that alertsync reads, as the last run saw it; `seen` is None before there was one."""

    name: str
    where: str
    seen: Upstream | None


class Now(msgspec.Struct, frozen=True):
    """What the first page shows. `interval` in seconds, 0 with the loop off; `mode` in words.

    `said` is what the last run says of itself, without what stands on the page by itself.
    """

    last: Summary | None
    said: str
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
        said=said(frame.standing),
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


def said(standing: Standing) -> str:
    """Give the first sentence of a run that did well: those behind it, and a failure, are told as concerns."""
    last = standing.last
    if last is not None and last.status is RunStatus.SUCCESS:
        return last.message.partition(". ")[0]
    if standing.last_success_at is not None:
        return f"The last run that did all that was due ended {utc(standing.last_success_at)}"
    return "No run has done all that was due yet"


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
