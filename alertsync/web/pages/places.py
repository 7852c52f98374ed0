"""Where a silence can be looked at: Alertmanager's own page, if its address is one that a browser can be sent to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from alertsync.web.links import safe_link

if TYPE_CHECKING:
    from collections.abc import Iterable

_INSIDE = (".svc", ".local", ".internal", ".localdomain")
"""Ends of names that are known within a cluster or a network only."""


def silences_at(configured: Iterable[str], learned: Iterable[str], *, own_host: str) -> str:
    """Give the address before the id of a silence; "" if no address is known that a reader could open.

    `configured` are the external URLs that the operator named, `learned` those that deliveries came from: one that is not
    the only one might be another cluster's. `own_host` is the host at which this page was opened.
    """
    named = sorted(configured) or sorted(learned)
    if len(named) != 1 or not _opens(named[0], own_host):
        return ""
    return f"{named[0].rstrip('/')}/#/silences/"


def silence_link(before: str, silence_id: str) -> str:
    """Give the address of a silence; "" where there is none."""
    return f"{before}{quote(silence_id, safe='')}" if before else ""


def _opens(address: str, own_host: str) -> bool:
    """Tell whether the reader's browser could know this host: not the name of a pod, nor a loopback of another machine."""
    if not safe_link(address):
        return False
    host = (urlsplit(address).hostname or "").lower()
    if _is_loopback(host):
        return _is_loopback(own_host.rpartition(":")[0].strip("[]") or own_host)
    return ("." in host or ":" in host) and not host.endswith(_INSIDE)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
