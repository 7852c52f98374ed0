"""Stands before the real Alertmanager and counts what it is asked, without touching what it answers.

Alertmanager's own metrics do not tell its paths apart. So the bytes pass through here, in large pieces and unread
but for the first line of each request. The bare client passes here too, so that what it costs is in the floor.
"""

import select
import socket
import time
from urllib.parse import urlsplit

from tests.benchmarks.recording import ALERTMANAGER, Recorded, Recorder
from tests.benchmarks.wire import Listener

_PIECE_BYTES = 1 << 20


class Tap:
    """A relay to `upstream`, on a loopback port."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname, address.port)
        self._recorder = Recorder(ALERTMANAGER)
        self.url = Listener(self._serve).url

    def taken(self) -> list[dict[str, object]]:
        """Give the requests since the last time."""
        return self._recorder.taken()

    def _serve(self, client: socket.socket, number: int) -> None:
        with client, socket.create_connection(self._upstream) as upstream:
            buffer = bytearray(_PIECE_BYTES)
            current: Recorded | None = None
            while True:
                ready, _, _ = select.select((client, upstream), (), ())
                source = ready[0]
                try:
                    size = source.recv_into(buffer)
                    if not size:
                        return
                    if source is client:
                        current = self._asked(number, bytes(buffer[:size])) or current
                        upstream.sendall(memoryview(buffer)[:size])
                        continue
                    # The client may ask for more before this thread comes to write down that it may.
                    if current is not None:
                        current.ended = time.monotonic()
                        current.bytes += size
                    client.sendall(memoryview(buffer)[:size])
                except ConnectionError:
                    return

    def _asked(self, number: int, piece: bytes) -> Recorded | None:
        words = piece.partition(b"\r\n")[0].split(b" ")
        if len(words) == 3 and words[2].startswith(b"HTTP/"):
            return self._recorder.begin(number, words[0].decode(), words[1].decode("latin-1"))
        return None
