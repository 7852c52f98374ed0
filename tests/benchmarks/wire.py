"""The smallest HTTP server that keeps connections alive: a thread a connection, and no framework in between.

What answers in a benchmark must not be what is measured. Requests are read as the product and the bare client send
them: a head, and a body of a known length.
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

_READ_BYTES = 1 << 16
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """A request as it arrived; `connection` tells connections apart."""

    connection: int
    method: str
    target: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is sent back: JSON, if anything."""

    body: bytes = b""
    status: str = "200 OK"


Answering = Callable[[Request], Answer]


class Listener:
    """Takes connections on a loopback port, each into a thread of its own, as long as the process lives."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        number = 0
        while True:
            client, _ = self._socket.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number += 1
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()


def serving(answering: Answering) -> Callable[[socket.socket, int], None]:
    """Make what `Listener` needs of what answers requests."""

    def serve(client: socket.socket, number: int) -> None:
        with client:
            received = b""
            while True:
                try:
                    while _END_OF_HEAD not in received:
                        received = _more(client, received)
                    head, _, received = received.partition(_END_OF_HEAD)
                    lines = head.decode("latin-1").split("\r\n")
                    length = _length(lines[1:])
                    while len(received) < length:
                        received = _more(client, received)
                except EOFError:
                    return
                body, received = received[:length], received[length:]
                method, target, _ = lines[0].split(" ")
                client.sendall(_written(answering(Request(number, method, target, body))))

    return serve


def _more(client: socket.socket, received: bytes) -> bytes:
    try:
        part = client.recv(_READ_BYTES)
    except ConnectionError:
        part = b""
    if not part:
        raise EOFError
    return received + part


def _length(lines: list[str]) -> int:
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


def _written(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status}\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(answer.body)}\r\n\r\n"
    )
    return head.encode("latin-1") + answer.body
