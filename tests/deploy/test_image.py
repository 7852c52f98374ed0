"""The Dockerfile is clean, and what it does makes something that serves."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.dockerfile import DOCKERFILE, Image, exec_form, instructions, last_stage
from tests.servers import free_port, poll_until

pytestmark = pytest.mark.timeout(180)  # the image is installed anew, once
COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "make", "rustc", "cargo", "go")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Do what the Dockerfile says."""
    directory = tmp_path_factory.mktemp("image")
    made = Image(directory)
    made.build()
    yield made
    shutil.rmtree(directory)


def files(folder: Path) -> dict[Path, int]:
    """Give every file below a folder with the time of its last change."""
    return {file: file.lstat().st_mtime_ns for file in folder.rglob("*") if not file.is_dir()}


def test_hadolint_finds_nothing_to_complain_about() -> None:
    hadolint = Path(sys.prefix) / "bin" / "hadolint"
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_is_fetched_but_by_pip_and_nothing_is_compiled() -> None:
    commands = " ".join(rest for word, rest in instructions() if word == "RUN").split()
    assert not {"apt-get", "apk", "curl", "wget", *COMPILERS} & set(commands)
    assert {"--only-binary=:all:", "--require-hashes"} <= set(commands)


def test_the_image_holds_what_runs_and_nothing_that_builds(image: Image) -> None:
    programs = {file.name for file in (image.root / "opt/venv/bin").iterdir()}
    assert {"python", "gunicorn"} <= programs
    assert not {*COMPILERS, "pip", "pip3"} & programs
    assert {entry.name for entry in image.root.iterdir()} == {"opt", "app", "var"}
    assert {entry.name for entry in (image.root / "app").iterdir()} - {"__pycache__"} == {
        "alertsync",
        "wsgi.py",
        "gunicorn.conf.py",
        "LICENSE",
    }


def test_the_image_can_speak_with_postgresql(image: Image) -> None:
    subprocess.run(
        [image.root / "opt/venv/bin/python", "-c", "import psycopg; psycopg.pq.version()"], check=True
    )


def test_every_module_is_compiled_as_nobody_can_do_it_later(image: Image) -> None:
    for folder in (image.root / "app", image.root / "opt/venv/lib"):
        # compileall looks for what Python would look for, and changes nothing that is up to date.
        before = files(folder)
        assert len([file for file in before if file.suffix == ".pyc"]) >= 40
        subprocess.run([image.root / "opt/venv/bin/python", "-m", "compileall", "-q", folder], check=True)
        assert files(folder) == before


def test_the_command_of_the_image_serves_and_writes_nowhere_but_to_its_state(image: Image) -> None:
    stage = last_stage()
    before = files(image.root)
    state = image.inside(exec_form(stage["VOLUME"])[0])
    # Nobody answers there: a run is tried, and written down.
    upstreams = {
        "ALERTMANAGER_HOST": "127.0.0.1:1",
        "GRAFANA_IRM_URL": "http://127.0.0.1:1",
        "GRAFANA_IRM_TOKEN": "t" * 20,
    }
    environment = {**image.environment(), **upstreams, "RECONCILE_INTERVAL": "60", "PORT": str(free_port())}

    def command(words: str) -> list[str]:
        return ["/usr/bin/env", *map(image.here, exec_form(words))]

    def lives() -> bool:
        check = command(stage["HEALTHCHECK"].partition("CMD ")[2])
        return subprocess.run(check, env=environment, stderr=subprocess.DEVNULL, check=False).returncode == 0

    with (
        (image.root.parent / "log").open("wb") as log,
        subprocess.Popen(
            command(stage["CMD"]), cwd=image.inside("."), env=environment, stdout=log, stderr=log
        ) as service,
    ):
        try:
            poll_until(lives, within=30, what="the health check of the image finds it alive")
            poll_until(lambda: files(state), within=30, what="it writes down its first run")
        finally:
            service.terminate()
            assert service.wait(45) == 0
    changed = {file for file, at in files(image.root).items() if before.get(file) != at}
    assert all(file.is_relative_to(state) for file in changed)
