"""The demo with Docker, without Docker: what its page says to do, done to the same commands with the same files."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from alertsync.simulator.__main__ import KEY, TOKEN
from tests.deploy.compose import DEMO, Demo, read
from tests.deploy.schemas import hold_against
from tests.docs import settings
from tests.docs.readme import blocks
from tests.servers import poll_until

SERVICES: dict[str, Any] = read()["services"]
BUILT = {name: service for name, service in SERVICES.items() if "build" in service}
PAGE = DEMO / "README.md"


def commands(program: str) -> list[list[str]]:
    """Give the commands of the page that `docker compose exec` runs in the Alertmanager, and that call a program."""
    words = [shlex.split(block.replace("\\\n", " ")) for block in blocks(PAGE, "sh")]
    inside = [one[one.index("alertmanager") + 1 :] for one in words if "exec" in one]
    return [one for one in inside if any(program in word for word in one)]


def states(demo: Demo) -> list[tuple[str, str]]:
    """Give title and state of the alert groups that IRM lists, oldest first."""
    answer = requests.get(
        f"{demo.url('irm')}/api/v1/alert_groups/", headers={"Authorization": TOKEN}, timeout=5
    )
    answer.raise_for_status()
    return [(one["title"], one["state"]) for one in reversed(answer.json()["results"])]


def until(demo: Demo, what: str, holds: Callable[[], object]) -> None:
    """Wait until something holds; what everybody said is told if it does not."""
    try:
        poll_until(holds, within=45, what=what)
    except AssertionError as error:
        said = "\n".join(f"--- {name}\n{demo.log(name)[-3000:]}" for name in SERVICES)
        raise AssertionError(f"{error}\n{said}") from None


@pytest.mark.timeout(240)
def test_a_silence_resolves_and_its_end_pages_again(tmp_path: Path) -> None:
    silence, expire = commands("amtool")
    with Demo(tmp_path) as demo:
        until(demo, "both alert groups fire in IRM", lambda: len(states(demo)) == 2)
        assert {state for _, state in states(demo)} == {"firing"}

        demo.run("alertmanager", silence)
        until(demo, "DiskFull is resolved", lambda: of("DiskFull", demo) == ["resolved"])
        assert of("CertExpiry", demo) == ["firing"]

        demo.run("alertmanager", expire)
        until(demo, "DiskFull fires anew", lambda: of("DiskFull", demo) == ["resolved", "firing"])
        until(demo, "the page for it came back", lambda: demo.log("irm").count("pages: DiskFull") == 2)
        until(demo, "Prometheus scrapes alertsync and knows its rules", lambda: scraped(demo))


def of(name: str, demo: Demo) -> list[str]:
    """Give the states of the alert groups about an alert, oldest first."""
    return [state for title, state in states(demo) if name in title]


def scraped(demo: Demo) -> bool:
    """Tell whether Prometheus scrapes alertsync, and evaluates the rules about it."""
    asked = f"{demo.url('prometheus')}/api/v1"
    up = requests.get(f"{asked}/query", params={"query": 'up{job="alertsync"}'}, timeout=5).json()["data"][
        "result"
    ]
    groups = requests.get(f"{asked}/rules", timeout=5).json()["data"]["groups"]
    unwell = [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]
    assert not unwell
    return [one["value"][1] for one in up] == ["1"] and len(groups) > 1


# --- As a file --------------------------------------------------------------------------------------------


def test_docker_understands_the_file() -> None:
    hold_against("compose-spec", read())


def test_every_image_is_pinned_or_built_here() -> None:
    for name, service in SERVICES.items():
        assert ("build" in service) is (service["image"] == "alertsync:demo"), name
        assert not service["image"].endswith(":latest")
        assert ":" in service["image"]
    assert (DEMO / BUILT["alertsync"]["build"] / "Dockerfile").exists()


def test_nobody_but_this_machine_reaches_it() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", ()):
            address, outside, inside = port.split(":")
            assert (address, outside) == ("127.0.0.1", inside)


def test_containers_of_the_image_may_write_nothing_but_their_volume() -> None:
    for service in BUILT.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_alertsync_understands_its_settings_and_has_time_to_end() -> None:
    values = SERVICES["alertsync"]["environment"]
    assert values.keys() <= settings.names()
    loaded = settings.load(values)
    assert not loaded.irm.problems
    assert not loaded.policy.dry_run
    assert values["GRAFANA_IRM_TOKEN"] == TOKEN
    assert int(SERVICES["alertsync"]["stop_grace_period"].removesuffix("s")) > loaded.irm.timeout + 20


def test_alertmanager_posts_to_the_integration_that_the_simulator_has() -> None:
    configuration = yaml.safe_load((DEMO / "alertmanager.yaml").read_text())
    (receiver,) = configuration["receivers"]
    assert receiver["webhook_configs"][0]["url"].endswith(f"/integrations/v1/alertmanager/{KEY}/")


def test_every_file_of_the_demo_is_mounted_or_is_its_page() -> None:
    mounted = {
        volume.partition(":")[0].removeprefix("./")
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
    }
    assert {file.name for file in DEMO.iterdir()} <= {*mounted, "compose.yaml", "README.md"}
