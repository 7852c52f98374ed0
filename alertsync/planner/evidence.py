"""Reads what the deliveries of an alert group say, for one alert group can hold several stories.

`last_alert` is only the last delivery. A grouping template merges aggregation groups, and two clusters with
equal groupKeys share one alert group, so deliveries are sorted into streams, one for each (externalURL,
groupKey), and each stream is judged. An alert that an older delivery of a stream called firing, and no newer
one called resolved, still counts: Alertmanager leaves silenced alerts out of what it sends.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import LegacyAlert, Unreadable, Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertsync.models import AlertGroup, Deliveries, Delivery


Place = tuple[str, frozenset[tuple[str, str]]]
"""A receiver and the labels it groups by."""


def place(receiver: str, labels: Mapping[str, str]) -> Place:
    """Make a place that can be looked up."""
    return receiver, frozenset(labels.items())


class Stream(msgspec.Struct, frozen=True, gc=False):
    """The deliveries of one (externalURL, groupKey): the newest, and every fingerprint left firing.

    `last_word` is None for a legacy alert, which names no receiver and no labels, and so no place (`where`).
    `last_at` is when the newest delivery arrived, by IRM's clock; `cut` whether `max_alerts` cut alerts from any of
    them.
    """

    external_url: str | None
    last_word: Webhook | None
    firing: frozenset[str]
    last_at: datetime
    cut: bool = False
    where: Place | None = None

    @property
    def fires(self) -> bool:
        """Whether something may still fire: an alert that was left firing, or one that was cut from the payload."""
        return bool(self.firing) or (self.last_word is not None and self.last_word.truncated > 0)


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """The streams of an alert group, or `unknown`: why its deliveries cannot be judged.

    `whole` is false unless every delivery was read, and Alertmanager after them.
    """

    streams: tuple[Stream, ...] = ()
    unknown: str = ""
    whole: bool = True

    @property
    def last_at(self) -> datetime | None:
        """When the newest delivery arrived, by IRM's clock; None if there is none to judge by."""
        return max((stream.last_at for stream in self.streams), default=None)


def gather(
    alert_group: AlertGroup,
    deliveries: Deliveries | None,
    alerts_read_at: datetime,
    max_deliveries: int,
) -> Evidence:
    """Sort what is known of an alert group's deliveries into streams.

    Deliveries that were read after Alertmanager may name an alert that fired in between, which the older
    snapshot does not hold: they are no proof until Alertmanager has been read again.
    """
    if alert_group.alerts_count > max_deliveries or (deliveries and not deliveries.complete):
        return Evidence(unknown="it has more deliveries than MAX_DELIVERIES allows to read")
    if deliveries is None:
        if alert_group.last_delivery is None:
            return Evidence(unknown="it has no delivery to judge it by")
        return _streams((alert_group.last_delivery,), whole=alert_group.alerts_count <= 1)
    if len(deliveries.items) < max(alert_group.alerts_count, 1):
        counted = f"{len(deliveries.items)} of the {alert_group.alerts_count}"
        return Evidence(unknown=f"IRM lists {counted} deliveries that it counts for it")
    return _streams(deliveries.items, whole=deliveries.read_at <= alerts_read_at)


def told(deliveries: Deliveries) -> tuple[Stream, ...]:
    """Sort into streams what can be read of an alert group that is resolved already.

    No decision waits for proof there: what its deliveries name is owed, however many more cannot be read.
    """
    readable = [one for one in deliveries.items if not isinstance(one.content, Unreadable)]
    return _streams(readable, whole=False).streams


def _streams(deliveries: Sequence[Delivery], *, whole: bool) -> Evidence:
    if len(deliveries) == 1 and isinstance(only := deliveries[0].content, Webhook):
        # Nearly every alert group is such a one, in every plan.
        return Evidence((_stream(deliveries[0], only.firing, cut=only.truncated > 0),), whole=whole)
    newest: dict[tuple[str | None, str], Delivery] = {}
    said: dict[tuple[str | None, str], dict[str, bool]] = {}
    cut: set[tuple[str | None, str]] = set()
    for delivery in deliveries:
        content = delivery.content
        if isinstance(content, Unreadable):
            return Evidence(unknown=f"delivery {delivery.id} cannot be judged: {content.why}", whole=whole)
        key = _key(content)
        newest.setdefault(key, delivery)
        if isinstance(content, Webhook) and content.truncated:
            cut.add(key)
        # Newest first: what a newer delivery said of a fingerprint stands.
        for fingerprint, firing in _statuses(content).items():
            said.setdefault(key, {}).setdefault(fingerprint, firing)
    streams = tuple(
        _stream(delivery, _firing(said.get(key, {})), cut=key in cut) for key, delivery in newest.items()
    )
    return Evidence(streams=streams, whole=whole)


def _key(content: Webhook | LegacyAlert) -> tuple[str | None, str]:
    if isinstance(content, LegacyAlert):
        return None, content.fingerprint
    return content.external_url, content.group_key


def _statuses(content: Webhook | LegacyAlert) -> dict[str, bool]:
    if isinstance(content, LegacyAlert):
        return {content.fingerprint: content.firing}
    return dict.fromkeys(content.resolved, False) | dict.fromkeys(content.firing, True)


def _firing(said: dict[str, bool]) -> frozenset[str]:
    return frozenset(fingerprint for fingerprint, fires in said.items() if fires)


def _stream(newest: Delivery, firing: frozenset[str], *, cut: bool) -> Stream:
    word = newest.content if isinstance(newest.content, Webhook) else None
    return Stream(
        external_url=word.external_url if word else None,
        last_word=word,
        firing=firing,
        last_at=newest.created_at,
        cut=cut,
        where=place(word.receiver, word.group_labels) if word else None,
    )
