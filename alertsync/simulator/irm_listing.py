"""IRM's lists: which alert groups a query selects, and how a list is cut into pages.

Both are forgiving in surprising ways (a page past the end is the last page again, a malformed
label is ignored), and a client that trusts its own arithmetic instead of the answer loses alert
groups. Observed on Grafana OnCall 2026-01.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlencode

from alertsync.simulator.irm_gate import RefusalError, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from werkzeug.datastructures import MultiDict

    from alertsync.simulator.irm_model import Group

    T = TypeVar("T")

_STATES = ("new", "acknowledged", "resolved", "silenced")
_DEFAULT_PAGE_SIZE = 50
_LARGEST_SHOWN_PAGE_SIZE = 100


class Listing(TypedDict):
    """One page of a list, as the API shows it."""

    count: int
    next: str | None
    previous: str | None
    results: list[object]
    page_size: int
    current_page_number: int
    total_pages: int


def select(groups: Sequence[Group], query: MultiDict[str, str]) -> list[Group]:
    """Return the groups that pass every filter of the query, newest first."""
    tests = _tests(query)
    chosen = [group for group in groups if all(test(group) for test in tests)]
    return sorted(chosen, key=lambda group: (group.created_at, group.serial), reverse=True)


def page(
    items: Sequence[T],
    show: Callable[[T], object],
    *,
    url: str,
    query: MultiDict[str, str],
    default_size: int | None = None,
) -> Listing:
    """Cut the page out of `items` that the query asks for, with links built from `url`.

    A `perpage` is taken without limit, yet `page_size` never shows more than 100. `default_size`
    is 50 unless given.
    """
    size = _positive(_last(query, "perpage")) or default_size or _DEFAULT_PAGE_SIZE
    pages = max(1, -(-len(items) // size))
    number = min(_positive(_last(query, "page")) or 1, pages)
    return {
        "count": len(items),
        "next": _link(url, query, number + 1) if number < pages else None,
        "previous": _link(url, query, number - 1) if number > 1 else None,
        "results": [show(item) for item in items[(number - 1) * size : number * size]],
        "page_size": min(size, _LARGEST_SHOWN_PAGE_SIZE),
        "current_page_number": number,
        "total_pages": pages,
    }


def _tests(query: MultiDict[str, str]) -> list[Callable[[Group], bool]]:
    tests: list[Callable[[Group], bool]] = []
    if state := _last(query, "state"):
        if state.lower() not in _STATES:
            problem = f"Must be one of the following: {', '.join(_STATES)}"
            raise RefusalError(HTTPStatus.BAD_REQUEST, {"state": problem})
        wanted = "firing" if state.lower() == "new" else state.lower()
        tests.append(lambda group: group.state == wanted)
    if started := _last(query, "started_at"):
        start, end = _range(started)
        tests.append(lambda group: start <= group.created_at <= end)
    if group_id := _last(query, "id"):
        tests.append(lambda group: group.id == group_id)
    if integration_id := _last(query, "integration_id"):
        tests.append(lambda group: group.integration.id == integration_id)
    if route_id := _last(query, "route_id"):
        tests.append(lambda group: group.route_id == route_id)
    if _last(query, "team_id"):
        tests.append(lambda _: False)  # no group here belongs to a team
    tests.extend(_label_test(label) for label in query.getlist("label") if ":" in label)
    return tests


def _label_test(label: str) -> Callable[[Group], bool]:
    name, _, value = label.partition(":")
    return lambda group: group.labels.get(name) == value


def _range(text: str) -> tuple[datetime, datetime]:
    try:
        start, end = (datetime.strptime(part, "%Y-%m-%dT%H:%M:%S") for part in text.split("_"))  # noqa: DTZ007 - UTC is added below
    except ValueError:
        raise refuse(HTTPStatus.BAD_REQUEST, "Invalid range value") from None
    return start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)


def _last(query: MultiDict[str, str], name: str) -> str | None:
    values = query.getlist(name)
    return values[-1] if values else None


def _positive(text: str | None) -> int | None:
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if number > 0 else None


def _link(url: str, query: MultiDict[str, str], number: int) -> str:
    values = {name: query.getlist(name) for name in query if name != "page"}
    if number > 1:
        values["page"] = [str(number)]
    return f"{url}?{urlencode(sorted(values.items()), doseq=True)}" if values else url
