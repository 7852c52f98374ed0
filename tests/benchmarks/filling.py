"""A real Alertmanager that holds a world.

Its receiver posts to nowhere and its intervals are hours, so that between two requests it has nothing to do: the
aggregation groups are there all the same, and nothing but the requests is measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from alertsync.simulator.alertmanager_config import Route
from alertsync.simulator.real_alertmanager import RealAlertmanager
from tests.benchmarks.world import (
    BATCH,
    EXTERNAL_URL,
    GENERATOR_URL,
    GROUP_BY,
    QUIET,
    RECEIVER,
    World,
    annotations,
)
from tests.servers import poll_until

_A_POST = 2_000
_TIMEOUT_SECONDS = 60
_DAY = timedelta(days=1)


@contextmanager
def alertmanager(directory: Path, world: World) -> Iterator[RealAlertmanager]:
    """Start Alertmanager, give it the alerts of a world, and silence the standing share of them."""
    directory.mkdir()
    server = RealAlertmanager(
        directory,
        routes=(Route(RECEIVER, GROUP_BY),),
        group_wait="1h",
        group_interval="1h",
        external_url=EXTERNAL_URL,
    )
    with server:
        _fill(server.url, world)
        silence(server, QUIET, "yes")
        yield server


def silence_batch(server: RealAlertmanager, batch: int) -> None:
    """Silence every alert of a batch, so that the next run has its alert groups to resolve."""
    silence(server, BATCH, f"b{batch}")


def silence(server: RealAlertmanager, name: str, value: str) -> None:
    """Silence the alerts with this label for a day."""
    server.silence({name: value}, duration=_DAY, created_by="ann@example.com", comment="database upgrade")


def _fill(url: str, world: World) -> None:
    ends_at = (datetime.now(UTC) + _DAY).isoformat()
    alerts = [
        {
            "labels": labels,
            "annotations": annotations(labels),
            "startsAt": world.began(group).isoformat(),
            "endsAt": ends_at,
            "generatorURL": GENERATOR_URL,
        }
        for group in world
        for labels in group.alerts
    ]
    with requests.Session() as session:
        for begin in range(0, len(alerts), _A_POST):
            body = alerts[begin : begin + _A_POST]
            session.post(f"{url}/api/v2/alerts", json=body, timeout=_TIMEOUT_SECONDS).raise_for_status()

        def grouped() -> bool:
            answer = session.get(f"{url}/api/v2/alerts/groups", timeout=_TIMEOUT_SECONDS)
            answer.raise_for_status()
            return sum(len(group["alerts"]) for group in answer.json()) == len(alerts)

        poll_until(grouped, within=_TIMEOUT_SECONDS, what=f"{len(alerts)} alerts are in their groups")
