"""The floor: what a run's requests cost somebody who sends them and does nothing else.

The requests are those that the servers recorded, sent again in that order and side by side where they were side by
side: each waits for the answers that were complete before it began. The answers are read to their end and thrown
away.
"""

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.benchmarks.recording import Recorded

_BUFFER_BYTES = 1 << 20
_TIMEOUT_SECONDS = 120


@dataclass
class _Step:
    """A request that is to be sent, and those that must have been answered before."""

    recorded: Recorded
    after: list["_Step"]
    done: threading.Event = field(default_factory=threading.Event)


def replay(seen: Sequence[Recorded], addresses: dict[str, str], token: str) -> float:
    """Send what was recorded again, to the servers at these addresses; give how many seconds it took."""
    lanes = _lanes(seen)
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=_send, args=(lane, addresses[server], token, errors), daemon=True)
        for (server, _), lane in lanes.items()
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    if errors:
        raise RuntimeError("the requests of a run could not be sent again") from errors[0]
    return took


def _lanes(seen: Sequence[Recorded]) -> dict[tuple[str, int], list[_Step]]:
    """Sort requests by the connection they came through; on each, one follows another."""
    lanes: dict[tuple[str, int], list[_Step]] = {}
    for recorded in sorted(seen, key=lambda one: one.began):
        lane = lanes.setdefault((recorded.server, recorded.connection), [])
        # On another connection, only the last that had been answered needs to be waited for.
        ended = [
            [step for step in other if step.recorded.ended <= recorded.began] for other in lanes.values()
        ]
        after = [
            steps[-1]
            for other, steps in zip(lanes.values(), ended, strict=True)
            if steps and other is not lane
        ]
        lane.append(_Step(recorded, after))
    return lanes


def _send(lane: list[_Step], address: str, token: str, errors: list[BaseException]) -> None:
    location = urlsplit(address)
    connection = http.client.HTTPConnection(location.hostname or "", location.port, timeout=_TIMEOUT_SECONDS)
    buffer = bytearray(_BUFFER_BYTES)
    try:
        for step in lane:
            for before in step.after:
                before.done.wait()
            if not errors:
                _exchange(connection, step.recorded, token, buffer)
            step.done.set()
    except BaseException as error:  # noqa: BLE001  it is raised where the threads are waited for
        errors.append(error)
        for step in lane:
            step.done.set()
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, recorded: Recorded, token: str, buffer: bytearray
) -> None:
    headers = {"Authorization": token}
    body = recorded.body.encode() or None
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection.request(recorded.method, recorded.target, body=body, headers=headers)
    answer = connection.getresponse()
    while answer.readinto(buffer):
        pass
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise RuntimeError(f"{recorded.method} {recorded.target}: {answer.status}")
