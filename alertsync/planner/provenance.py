"""Tells whose an alert group is: only those that come from this Alertmanager are judged.

IRM may serve other sources and other Alertmanager clusters. An alert group is ours if its integration is
Alertmanager's, not in maintenance and not excluded by the operator, and its deliveries name an `externalURL`
that is ours: one that the operator listed, or else one that was learned, because an alert that fires in a
delivery from there was found in our Alertmanager. An alert that fires under two addresses (two clusters may
have alerts with equal labels, such as a watchdog) teaches nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from alertsync.models import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alertsync.models import AlertGroup, Deliveries, Integration, Policy
    from alertsync.planner.evidence import Stream
    from alertsync.planner.membership import AlertIndex

_TYPES = frozenset({"alertmanager", "legacy_alertmanager"})


def foreign_integration(
    alert_group: AlertGroup, integrations: Mapping[str, Integration], policy: Policy
) -> str:
    """Tell why alert groups of this integration are not judged; "" if they are."""
    integration = integrations.get(alert_group.integration_id)
    if integration is None:
        return "its integration is not among those that IRM lists"
    if integration.type not in _TYPES:
        return f"its integration «{integration.name}» is of type {integration.type}, not alertmanager"
    if policy.integration_ids and integration.id not in policy.integration_ids:
        return f"its integration «{integration.name}» ({integration.id}) is not in IRM_INTEGRATION_IDS"
    if integration.in_maintenance:
        return f"its integration «{integration.name}» is in maintenance"
    return ""


def our_external_urls(
    alert_groups: Iterable[AlertGroup],
    deliveries: Mapping[str, Deliveries],
    alerts: AlertIndex,
    policy: Policy,
) -> frozenset[str]:
    """Give the addresses whose deliveries are ours: the operator's list, or else what was learned."""
    if policy.external_urls:
        return policy.external_urls
    addresses: dict[str, set[str]] = defaultdict(set)
    for group in alert_groups:
        read = deliveries[group.id].items if group.id in deliveries else ()
        last = (group.last_delivery,) if group.last_delivery else ()
        for content in (delivery.content for delivery in (*read, *last)):
            if isinstance(content, Webhook):
                for fingerprint in content.firing:
                    addresses[fingerprint].add(content.external_url)
    return frozenset(
        url
        for fingerprint, urls in addresses.items()
        if len(urls) == 1 and fingerprint in alerts
        for url in urls
    )


def foreign_stream(stream: Stream, ours: frozenset[str], alerts: AlertIndex, policy: Policy) -> str:
    """Tell why this stream is not from our Alertmanager; "" if it is.

    A legacy alert names no address; it is ours if our Alertmanager knows it.
    """
    if stream.external_url is None:
        if all(fingerprint in alerts for fingerprint in stream.firing):
            return ""
        return "it is a legacy delivery, which names no externalURL, and its alert is not in Alertmanager"
    if stream.external_url in ours:
        return ""
    origin = stream.external_url or "an Alertmanager without externalURL"
    if policy.external_urls:
        return f"it comes from {origin}, which is not in ALERTMANAGER_EXTERNAL_URLS"
    return (
        f"it comes from {origin}, and nothing shows that this is our Alertmanager: no alert that fires in deliveries "
        "from there is in it (ALERTMANAGER_EXTERNAL_URLS can name the addresses that are ours)"
    )
