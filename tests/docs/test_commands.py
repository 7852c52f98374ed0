"""Every command of the documentation is run, or says what it needs that a test has not."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.commands import NEEDS, Stage, blocks_of, run_page, to_run, workplace
from tests.docs.readme import PAGES, ROOT
from tests.e2e.worlds import TOKEN, World, simulated_world
from tests.servers import free_port, poll_until
from tests.service import Service

LANGUAGES = {"", "json", "mermaid", "nginx", "promql", "sh", "yaml"}
NAME, PASSWORD, TRIGGER_TOKEN = "ana", "a-password-of-ana", "a-token-of-a-script"
IRM_NAME = "irm"
NEWEST_SILENCE = (
    "$(curl -s http://localhost:8080/api/v1/silences"
    """ | python -c 'import json, sys; print(json.load(sys.stdin)["items"][0]["id"])')"""
)

pytestmark = pytest.mark.timeout(120)  # one page installs all packages


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Make the two systems, with an alert group that is silenced as a whole and one that is not."""
    with simulated_world() as it:
        it.fire("DiskFull")
        it.fire("NodeDown")
        it.silence("DiskFull")
        yield it


@pytest.fixture(scope="module")
def done() -> dict[str, set[str]]:
    """Remember what was done with each service."""
    return defaultdict(set)


@pytest.fixture(scope="module")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start the service that the pages speak of at port 8080; whoever wants may use it."""
    settings = world.settings(RECONCILE_INTERVAL="60", DRY_RUN="true")
    with Service(tmp_path_factory.mktemp("service"), settings) as it:
        poll_until(it.runs, within=20, what="the first run ends")
        yield it


@pytest.fixture(scope="module")
def acting(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start a service that does what it is told, by IRM too."""
    settings = world.settings(WEBHOOK_USERNAME=IRM_NAME, WEBHOOK_PASSWORD=PASSWORD, RECONCILE_INTERVAL="60")
    with Service(tmp_path_factory.mktemp("acting"), settings) as it:
        poll_until(it.runs, within=20, what="the first run ends")
        yield it


@pytest.fixture(scope="module")
def guarded(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start a service that wants to know who asks."""
    more = {"WEB_USERNAME": NAME, "WEB_PASSWORD": PASSWORD, "TRIGGER_TOKEN": TRIGGER_TOKEN, "DRY_RUN": "true"}
    with Service(tmp_path_factory.mktemp("guarded"), world.settings(**more)) as it:
        yield it


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)], ids=name_of)
def test_the_commands_of_a_page_do_what_they_say(
    page: Path, world: World, done: dict[str, set[str]], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    blocks = to_run(page)
    text = "".join(block.text for block in blocks)
    begins = re.search(r"gunicorn|make demo", text) is not None
    if begins:
        # It starts what it speaks of, with settings of its own; only the port is ours.
        port = free_port()
        settings = {"PORT": str(port)}
    else:
        used: Service = request.getfixturevalue(
            "acting"
            if f"-u {IRM_NAME} " in text or "/silences" in text
            else "guarded"
            if "-u ana" in text
            else "service"
        )
        port = int(used.url.rpartition(":")[2])
        settings = {**used.settings, "TRIGGER_TOKEN": TRIGGER_TOKEN}
    where = workplace(tmp_path, installed="-m venv" not in text)
    swaps = {
        # What only an example can say, first: a silence that was made, and an alert group that is open.
        "20261123T093000-1f2e3d": NEWEST_SILENCE,
        "IPGQOUSLM4JUA": world.irm.group("NodeDown").id,
        "localhost:8080": f"127.0.0.1:{port}",
        f"-u {NAME} ": f"-u {NAME}:{PASSWORD} ",
        f"-u {IRM_NAME} ": f"-u {IRM_NAME}:{PASSWORD} ",
    }
    edited = {f"{name}={value}" for name, value in world.settings(GRAFANA_IRM_TOKEN=TOKEN).items()}
    after = {"cp .env.example .env": f"printf '%s\\n' {' '.join(sorted(edited))} >>.env"}
    stage = Stage(settings, swaps, after, done[str(port)])
    assert run_page(blocks, where, stage) == [str(block) for block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_that_is_not_run_says_why_and_nothing_else_looks_like_a_command(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block}: commands are headed sh"
        if block.comment.startswith("needs"):
            assert block.language == "sh", block
            assert block.needs in NEEDS, f"{block}: the reason is not one of {sorted(NEEDS)}"
            assert re.search(NEEDS[block.needs], block.text), f"{block} does not look as if it needs that"
        if block.language != "sh":
            assert not re.search(
                r"^(\$ |curl|make|docker|kubectl|helm|python|\.venv)\b", block.text, re.MULTILINE
            ), block


def test_no_block_escapes_the_search() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *(?:`{3,}|~{3,})", page.read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(blocks_of(page)), page


def test_the_runner_tells_a_command_that_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\ntrue\n```\n\n```sh\necho first\ncat no-such-file\n```\n\n```sh\ntrue\n```\n")
    where = tmp_path / "where"
    where.mkdir()
    with pytest.raises(AssertionError, match=r"page.md:5 failed:(.|\n)*first(.|\n)*no-such-file"):
        run_page(to_run(page), where, Stage())


def test_the_runner_tells_an_answer_that_is_an_error(tmp_path: Path, service: Service) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```sh\ncurl {service.url}/no-such-address\n```\n")
    where = tmp_path / "where"
    where.mkdir()
    with pytest.raises(AssertionError, match=r"page.md:1 failed:(.|\n)*404"):
        run_page(to_run(page), where, Stage())
