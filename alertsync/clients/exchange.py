"""Ends an exchange when its time is over, however slowly the server drips its answer.

A timeout bounds the wait for the next byte, and a server that sends one byte now and then never meets it: neither
in the body nor, which no caller can see, in the headers. So the time that an answer may take in all is checked
below HTTP, before each read from the socket.
"""

from __future__ import annotations

import http.client
import io
import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from urllib3 import ProxyManager

_ends: ContextVar[float] = ContextVar("exchange_ends", default=math.inf)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Let answers that are asked for in here arrive within `seconds`, or raise TimeoutError."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


class _Reading(io.RawIOBase):
    """What arrives at a socket, until its time is over. `patience` bounds the wait for each part of it."""

    def __init__(self, connection: socket.socket, ends: float) -> None:
        self._socket = connection
        self._raw: Any = connection.makefile("rb", buffering=0)
        self._patience = connection.gettimeout()
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  whatever bytes can be written into
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time of the exchange is over")
        self._socket.settimeout(left if self._patience is None else min(left, self._patience))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401  as in the base class
        super().__init__(sock, *args, **options)
        if (ends := _ends.get()) < math.inf:
            self.fp.close()
            self.fp = io.BufferedReader(_Reading(sock, ends))


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class BoundedAdapter(HTTPAdapter):
    """Sends the requests of a session so that `bounded` holds for their answers, through a proxy too."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  as in the base class
        """Make the pools of connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:  # noqa: ANN401  as in the base class
        """Give the pools of connections through a proxy; a SOCKS proxy has its own kind, and is left alone."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
