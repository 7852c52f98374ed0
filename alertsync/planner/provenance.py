"""Tells whose an alert group is: only those that come from our Alertmanager are judged.

IRM may serve other sources and other Alertmanager clusters. An alert group is ours if its integration is
Alertmanager's, not in maintenance and not excluded by the operator, and its deliveries name an `externalURL`
that is ours: one that the operator listed, or else one that was learned, because an alert that fires in a
delivery from there was found in our Alertmanager.

Two clusters may have alerts with equal labels, and then fingerprints cannot tell them apart. So addresses that
were ever seen to deliver the same fingerprint are rivals, and more rivals than Alertmanager has peers teach
nothing, now or later: what is remembered keeps the other cluster's address from being learned on the day on
which ours is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import Address, Webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from alertsync.models import AlertGroup, Delivery, Integration, Policy, Snapshots
    from alertsync.planner.evidence import Stream
    from alertsync.planner.membership import AlertIndex

_TYPES = frozenset({"alertmanager", "legacy_alertmanager"})


def foreign_integration(
    alert_group: AlertGroup, integrations: Mapping[str, Integration], policy: Policy, *, leased: bool = False
) -> str:
    """Tell why an alert group of this integration is not judged; "" if it is.

    One that we hold silenced (`leased`) is judged whatever maintenance and settings say: we owe it that.
    """
    integration = integrations.get(alert_group.integration_id)
    if integration is None:
        return "its integration is not among those that IRM lists"
    if integration.type not in _TYPES:
        return f"its integration «{integration.name}» is of type {integration.type}, not alertmanager"
    if leased:
        return ""
    if policy.integration_ids and integration.id not in policy.integration_ids:
        return f"its integration «{integration.name}» ({integration.id}) is not in IRM_INTEGRATION_IDS"
    if integration.in_maintenance:
        return f"its integration «{integration.name}» is in maintenance"
    return ""


def learn(
    snapshots: Snapshots, remembered: Mapping[str, Address], peers: Sequence[AlertIndex], policy: Policy
) -> tuple[dict[str, Address], frozenset[str]]:
    """Give what is known of each address now, and those whose deliveries are ours."""
    seen: dict[str, datetime] = {}
    namer: dict[str, str] = {}
    known: set[str] = set()
    rivals: set[str] = set()
    for delivery in _deliveries(snapshots):
        content = delivery.content
        if not isinstance(content, Webhook):
            continue
        url = content.external_url
        seen[url] = max(seen.get(url, delivery.created_at), delivery.created_at)
        for fingerprint in content.firing:
            if (other := namer.setdefault(fingerprint, url)) != url:
                rivals |= {url, other}
            if url not in known and any(fingerprint in peer for peer in peers):
                known.add(url)
    addresses = dict(remembered)
    for url, at in seen.items():
        address = addresses.get(url, Address(seen_at=at))
        addresses[url] = Address(
            seen_at=max(address.seen_at, at),
            known=address.known or url in known,
            rival=address.rival or url in rivals,
        )
    if policy.external_urls:
        return addresses, policy.external_urls
    return addresses, _learned(addresses, len(snapshots.configured))


def _learned(addresses: Mapping[str, Address], peers: int) -> frozenset[str]:
    """Give the addresses that were learned: none of the rivals, unless there is a peer for each of them."""
    rivals = {url for url, address in addresses.items() if address.rival}
    suspect = rivals if len(rivals) > peers else set()
    return frozenset(url for url, address in addresses.items() if address.known and url not in suspect)


def _deliveries(snapshots: Snapshots) -> Iterator[Delivery]:
    for group in snapshots.irm.alert_groups:
        if group.last_delivery is not None:
            yield group.last_delivery
    for deliveries in snapshots.deliveries.values():
        yield from deliveries.items


def foreign_stream(
    stream: Stream,
    ours: frozenset[str],
    addresses: Mapping[str, Address],
    peers: Iterable[AlertIndex],
    policy: Policy,
) -> str:
    """Tell why this stream is not from our Alertmanager; "" if it is.

    A legacy alert names no address; it is ours if our Alertmanager knows it.
    """
    if stream.external_url is None:
        known = [peer for peer in peers if all(fingerprint in peer for fingerprint in stream.firing)]
        if known:
            return ""
        return "it is a legacy delivery, which names no externalURL, and its alert is not in Alertmanager"
    if stream.external_url in ours:
        return ""
    origin = stream.external_url or "an Alertmanager without externalURL"
    if policy.external_urls:
        return f"it comes from {origin}, which is not in ALERTMANAGER_EXTERNAL_URLS"
    address = addresses.get(stream.external_url)
    if address is not None and address.known and address.rival:
        return (
            f"it comes from {origin}, and other addresses delivered the same alerts, so that it cannot be told which "
            "are ours: name them in ALERTMANAGER_EXTERNAL_URLS"
        )
    return (
        f"it comes from {origin}, and nothing shows that this is our Alertmanager: no alert that fires in deliveries "
        "from there is in it (ALERTMANAGER_EXTERNAL_URLS can name the addresses that are ours)"
    )
