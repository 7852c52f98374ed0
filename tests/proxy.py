"""A TCP proxy on a loopback port, which a test can cut, hold up and close: the network between two programs."""

import contextlib
import socket
import struct
import threading
from typing import Self

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing throws away what is on its way, and the other end learns of it at once."""


class Proxy:
    """Passes connections on to another port, as a context manager."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()
        self._closed = False

    @property
    def port(self) -> int:
        """The port that stands for the other one."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._flows.set()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones are passed on as before."""
        with self._guard:
            ending, self._open = self._open, set()
        for one in ending:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """Reset every connection, and every new one, until it is opened again."""
        self._closed = True
        self.cut()

    def open(self) -> None:
        """Let connections be made again."""
        self._closed = False

    def hold(self) -> None:
        """Pass nothing on any more, and tell nobody: what is sent is taken, and waits."""
        self._flows.clear()

    def go_on(self) -> None:
        """Pass on what waited."""
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._guard:
                self._open |= {client, server}
            if self._closed:
                self.cut()
                continue
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := one.recv(_CHUNK):
                self._flows.wait()
                other.sendall(chunk)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        with self._guard:
            self._open.discard(one)
        one.close()
