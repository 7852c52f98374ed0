"""A stand-in for IRM that costs as good as nothing: its answers are bytes that were made before anybody asked.

A page takes 50 ms and everything else that IRM does for one alert group 20 ms, whatever the answer; there is no
rate limit. It answers field by field as IRM was recorded to. What was resolved can be taken back (`rewind`), so
that the bare client finds the same lists that the product found.
"""

import json
import re
import threading
import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from tests.benchmarks.recording import IRM, Recorder
from tests.benchmarks.wire import Answer, Listener, Request, serving
from tests.benchmarks.world import Group, World, webhook

PAGE_SECONDS, ACTION_SECONDS = 0.05, 0.02
INTEGRATION = "C7WH2HBH7PX4P"
_STATES = {"new": "firing", "acknowledged": "acknowledged", "silenced": "silenced", "resolved": "resolved"}
_GROUP = re.compile(r"/api/v1/alert_groups/([^/]+)/(?:(\w+)/)?")
_NOT_FOUND = Answer(b'{"detail": "Not found."}', "404 Not Found")


class Irm:
    """The stand-in, on a loopback port."""

    def __init__(self, world: World) -> None:
        self._guard = threading.Lock()
        self._recorder = Recorder(IRM)
        self._shown: dict[str, bytes] = {}
        self._deliveries: dict[str, list[bytes]] = {}
        self._listed: dict[str, dict[str, None]] = {state: {} for state in _STATES.values()}
        self._state: dict[str, str] = {}
        self._resolved_at: dict[str, tuple[float, str]] = {}
        for group in world:
            self._add(world, group)
        self._before = self._copy()
        self.url = Listener(serving(self._answer)).url
        self._integrations = _page([_integration(self.url)], 1, 1, 100, "")

    def taken(self) -> list[dict[str, object]]:
        """Give the requests since the last time."""
        return self._recorder.taken()

    def mark(self) -> None:
        """Remember what is open now."""
        with self._guard:
            self._before = self._copy()

    def rewind(self) -> None:
        """Go back to what was open at the last `mark`."""
        with self._guard:
            self._listed, self._state = self._before
            self._before = self._copy()

    def resolved(self) -> dict[str, float]:
        """Tell when each alert group was resolved last."""
        with self._guard:
            return {group_id: at for group_id, (at, _) in self._resolved_at.items()}

    def _copy(self) -> tuple[dict[str, dict[str, None]], dict[str, str]]:
        return {state: dict(ids) for state, ids in self._listed.items()}, dict(self._state)

    def _add(self, world: World, group: Group) -> None:
        at = _time(world.began(group))
        payload = json.dumps(webhook(world, group))
        self._deliveries[group.id] = [
            f'{{"id": "A{group.index:08d}{nth:04d}", "alert_group_id": "{group.id}", "created_at": "{at}", '
            f'"payload": {payload}}}'.encode()
            for nth in reversed(range(group.deliveries))
        ]
        shown: dict[str, object] = {
            "id": group.id,
            "integration_id": INTEGRATION,
            "team_id": None,
            "route_id": "RVCNDN7S6ACVR",
            "alerts_count": group.deliveries,
            "state": group.state,
            "created_at": at,
            "resolved_at": None,
            "resolved_by": None,
            "acknowledged_at": at if group.state == "acknowledged" else None,
            "acknowledged_by": "UL78DXLEREU7Y" if group.state == "acknowledged" else None,
            "labels": [],
            "title": f"{group.labels['alertname']} ",
            "permalinks": {
                "slack": None,
                "slack_app": None,
                "telegram": None,
                "web": f"http://grafana.example/a/grafana-oncall-app/alert-groups/{group.id}",
            },
            "silenced_at": at if group.state == "silenced" else None,
        }
        text = json.dumps(shown)[:-1].encode()
        self._shown[group.id] = text + b', "last_alert": ' + self._deliveries[group.id][0] + b"}"
        self._listed[group.state][group.id] = None
        self._state[group.id] = group.state

    # Answering

    def _answer(self, request: Request) -> Answer:
        recorded = self._recorder.begin(request.connection, request.method, request.target, request.body)
        address = urlsplit(request.target)
        query = dict(parse_qsl(address.query))
        listed = address.path in ("/api/v1/integrations/", "/api/v1/alert_groups/", "/api/v1/alerts/")
        answer = self._found(request, address.path, query)
        due = recorded.began + (PAGE_SECONDS if listed else ACTION_SECONDS)
        time.sleep(max(due - time.monotonic(), 0.0))
        recorded.bytes = len(answer.body)
        recorded.ended = time.monotonic()
        return answer

    def _found(self, request: Request, path: str, query: dict[str, str]) -> Answer:
        if path == "/api/v1/integrations/":
            return Answer(self._integrations)
        if path == "/api/v1/alert_groups/":
            with self._guard:
                ids = list(self._listed[_STATES[query["state"]]])
                return Answer(self._listing(request.target, ids, query))
        if path == "/api/v1/alerts/":
            items = self._deliveries[query["alert_group_id"]]
            return Answer(_page(items, len(items), 1, int(query["perpage"]), ""))
        if path == "/api/v1/resolution_notes/":
            return (
                Answer(b'{"id": "MCJ2W3GSYKZ6Q"}', "201 Created") if request.method == "POST" else _NOT_FOUND
            )
        if found := _GROUP.fullmatch(path):
            return self._one(found[1], found[2])
        return _NOT_FOUND

    def _listing(self, target: str, ids: list[str], query: dict[str, str]) -> bytes:
        number, size = int(query.get("page", 1)), int(query.get("perpage", 50))
        items = [self._shown_now(one) for one in ids[(number - 1) * size : number * size]]
        more = number * size < len(ids)
        address = urlsplit(target)
        # IRM builds it from an address of its own, which need not be the one that is asked.
        follow = f"http://irm.example{address.path}?page={number + 1}&perpage={size}&state={query['state']}"
        return _page(items, len(ids), number, size, follow if more else "")

    def _one(self, group_id: str, verb: str | None) -> Answer:
        with self._guard:
            if group_id not in self._state:
                return _NOT_FOUND
            if verb is None:
                return Answer(self._shown_now(group_id))
            if verb != "resolve":
                return _NOT_FOUND
            state = self._state[group_id]
            if state == "resolved":
                return Answer(b'{"detail": "Can\'t resolve a resolved alert group"}', "400 Bad Request")
            del self._listed[state][group_id]
            self._listed["resolved"][group_id] = None
            self._state[group_id] = "resolved"
            self._resolved_at[group_id] = (time.monotonic(), _time(datetime.now(UTC)))
            return Answer()

    def _shown_now(self, group_id: str) -> bytes:
        shown = self._shown[group_id]
        if self._state[group_id] != "resolved":
            return shown
        at = self._resolved_at[group_id][1].encode()
        shown = shown.replace(b'"state": "firing"', b'"state": "resolved"', 1)
        shown = shown.replace(b'"resolved_at": null', b'"resolved_at": "' + at + b'"', 1)
        return shown.replace(b'"resolved_by": null', b'"resolved_by": "UL78DXLEREU7Y"', 1)


def _page(items: list[bytes], total: int, number: int, size: int, follow: str) -> bytes:
    head = f'{{"count": {total}, "next": {json.dumps(follow or None)}, "previous": null, "results": ['
    tail = f'], "page_size": {size}, "current_page_number": {number}, "total_pages": {max(-(-total // size), 1)}}}'
    return head.encode() + b",".join(items) + tail.encode()


def _integration(url: str) -> bytes:
    link = f"{url}/integrations/v1/alertmanager/link-of-the-benchmark/"
    shown = {
        "maintenance_mode": None,
        "id": INTEGRATION,
        "name": "production",
        "team_id": None,
        "link": link,
        "type": "alertmanager",
        "templates": {"grouping_key": None, "resolve_signal": None},
        "heartbeat": {"link": f"{link}heartbeat/"},
    }
    return json.dumps(shown).encode()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
