"""What the servers saw: every request, from when it had arrived to when its answer was complete.

Requests are counted where they arrive, not where they are sent, so that nothing the product does can hide from the
count. What each was for is told by its address and by what came before it.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs, urlsplit

ALERTMANAGER, IRM = "alertmanager", "irm"

_GROUP = re.compile(r"/api/v1/alert_groups/([^/]+)/(?:(\w+)/)?")


@dataclass
class Recorded:
    """One request. Times are of the clock that all processes of a machine share; `bytes` counts the answer."""

    server: str
    connection: int
    method: str
    target: str
    body: str
    began: float
    ended: float = 0.0
    bytes: int = 0


class Recorder:
    """Keeps what a server saw, for several threads."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._guard = threading.Lock()
        self._seen: list[Recorded] = []

    def begin(self, connection: int, method: str, target: str, body: bytes = b"") -> Recorded:
        """Note that a request has arrived."""
        one = Recorded(self._server, connection, method, target, body.decode(), time.monotonic())
        with self._guard:
            self._seen.append(one)
        return one

    def taken(self) -> list[dict[str, object]]:
        """Give what was seen since the last time, as JSON can carry it."""
        with self._guard:
            seen, self._seen = self._seen, []
        return [asdict(one) for one in seen]


FLOOR = (
    "read aggregation groups",
    "read silences",
    "read status",
    "list integrations",
    "list alert groups",
    "list deliveries",
    "write note",
    "resolve",
)
"""What no run can do without, by operation; how many of each is worked out by `floor_of`."""
SECOND = "second reading, proven"
CONFIRMED = "confirmations"
READ_BACK = "read back after a resolve"
OTHER = "other"


@dataclass(frozen=True)
class Count:
    """Where the requests of a run went: those of the floor by operation, and those that safety needs."""

    floor: Mapping[str, int]
    safety: Mapping[str, int]
    other: Sequence[str]

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.floor.values()) + sum(self.safety.values()) + len(self.other)


def count(seen: Iterable[Recorded]) -> Count:
    """Tell what each request of one run was for.

    Alertmanager's first groups, silences and status are the floor. What follows before the first action is the
    second reading, and what comes later confirms. An alert group that is read before its resolve is confirmed, one
    that is read after it is read back.
    """
    floor: Counter[str] = Counter()
    safety: Counter[str] = Counter()
    other: list[str] = []
    resolved: set[str] = set()
    for one in sorted(seen, key=lambda each: each.began):
        what, group_id = operation(one)
        if what == "read alert group":
            safety[READ_BACK if group_id in resolved else CONFIRMED] += 1
        elif one.server == ALERTMANAGER and (what == "read alerts" or floor[what]):
            acting = floor["resolve"] or floor["write note"] or safety[CONFIRMED]
            safety[CONFIRMED if acting else SECOND] += 1
        elif what in FLOOR:
            floor[what] += 1
            if what == "resolve":
                resolved.add(group_id)
        else:
            other.append(f"{one.method} {one.target}")
    return Count(floor, safety, other)


def operation(one: Recorded) -> tuple[str, str]:
    """Give what a request does, and the id of the alert group it is about, if it is about one."""
    address = urlsplit(one.target)
    if one.server == ALERTMANAGER:
        path = address.path.partition("/api/v2/")[2]
        known = {"alerts/groups": "aggregation groups"}.get(path, path)
        return f"read {known}", ""
    query = parse_qs(address.query)
    if address.path == "/api/v1/integrations/":
        return "list integrations", ""
    if address.path == "/api/v1/alert_groups/":
        return ("list resolved" if query.get("state") == ["resolved"] else "list alert groups"), ""
    if address.path == "/api/v1/alerts/":
        return "list deliveries", query["alert_group_id"][0]
    if address.path == "/api/v1/resolution_notes/" and one.method == "POST":
        return "write note", json.loads(one.body)["alert_group_id"]
    if found := _GROUP.fullmatch(address.path):
        return (found[2] or "read alert group"), found[1]
    return address.path, ""


def in_flight(seen: Iterable[Recorded]) -> float:
    """Give for how many seconds at least one request was under way, as the servers saw it."""
    total, until = 0.0, 0.0
    for one in sorted(seen, key=lambda each: each.began):
        total += max(one.ended - max(one.began, until), 0.0)
        until = max(until, one.ended)
    return total
