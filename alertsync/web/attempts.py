"""Slows those who guess, without ever keeping out those who know.

What is right always passes, as a lock that failed attempts can close is a way to keep people out at 3 a.m. So only
failed attempts are slowed: each address may fail a few times in a row, and then as often as time gives back. Whoever
guesses is told to wait, and the log is not filled; what really protects is that a password is long.
"""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_A_ROW = 20
_SECONDS_EACH = 3.0
_MOST_ADDRESSES = 1000
_IPV6_NETWORK = 64
"""Bits of an IPv6 address that tell one customer from another; the rest of them anybody chooses freely."""


class Attempts:
    """Counts the failed attempts of each address, the addresses that failed last only; `monotonic` is in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def fail(self, address: str) -> int:
        """Count a failed attempt; give 0 if it was one of few, else the seconds until another one may be made."""
        client, now = _client(address), self._monotonic()
        with self._lock:
            # When all that was taken will have been given back.
            free_at = max(self._free_at.get(client, now), now)
            wait = free_at + _SECONDS_EACH - now - _IN_A_ROW * _SECONDS_EACH
            self._free_at[client] = free_at if wait > 0 else free_at + _SECONDS_EACH
            self._free_at.move_to_end(client)
            if len(self._free_at) > _MOST_ADDRESSES:
                self._free_at.popitem(last=False)
        return math.ceil(wait) if wait > 0 else 0


def _client(address: str) -> str:
    """Give what tells one client from another: an IPv4 address, or the network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip.packed, _IPV6_NETWORK), strict=False))
