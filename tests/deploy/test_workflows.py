"""The workflows can be read, let nobody in, and call what exists. They run elsewhere, so what can be tried here is."""

import json
import os
import re
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

import alertsync
from tests.deploy.dockerfile import ROOT, instructions
from tests.deploy.schemas import hold_against

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FETCH = ROOT / ".ci" / "fetch-alertmanager"
NEEDS_MORE_THAN_READING = {("image.yml", "publish")}

Json = Any


def read(file: Path) -> Json:
    """Read a workflow."""
    # `on` is a yes in YAML 1.1 and a word in GitHub's.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(file.read_text()).items()}


def jobs() -> list[tuple[str, str, Json]]:
    """Give every job, with the workflow and the name that it has there."""
    return [(file.name, name, job) for file in WORKFLOWS for name, job in read(file)["jobs"].items()]


def scripts() -> list[str]:
    """Give every script that is run."""
    return [step["run"] for _, _, job in jobs() for step in job.get("steps", ()) if "run" in step]


def step(workflow: str, job: str, name: str) -> Json:
    """Give a step by its name."""
    (found,) = (
        it for it in read(GITHUB / "workflows" / workflow)["jobs"][job]["steps"] if it.get("name") == name
    )
    return found


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_github_understands_a_workflow(file: Path) -> None:
    hold_against("github-workflows", read(file))


def test_renovate_understands_its_settings() -> None:
    hold_against("renovate", json.loads((GITHUB / "renovate.json").read_text()))


def test_zizmor_finds_nothing_that_lets_strangers_in() -> None:
    zizmor = Path(sys.prefix) / "bin" / "zizmor"
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", GITHUB], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_and_always_the_same() -> None:
    text = "".join(file.read_text() for file in WORKFLOWS)
    used = re.findall(r"uses: (?!\./)(.+)$", text, re.MULTILINE)
    pins = {re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+", one) for one in used}
    assert all(pins), used
    assert len({pin[1] for pin in pins if pin}) == len({pin[0] for pin in pins if pin})


def test_no_job_may_do_more_than_read_but_the_one_that_publishes() -> None:
    for file in WORKFLOWS:
        assert read(file)["permissions"] == {}
    for workflow, name, job in jobs():
        reads = job["permissions"] == {"contents": "read"}
        assert reads != ((workflow, name) in NEEDS_MORE_THAN_READING), name


def test_every_job_ends() -> None:
    assert all("timeout-minutes" in job or "uses" in job for _, _, job in jobs())


def test_only_a_tag_whose_tests_passed_is_published() -> None:
    publish = read(GITHUB / "workflows" / "image.yml")["jobs"]["publish"]
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert publish["needs"] == ["build", "test"]


@pytest.mark.parametrize("script", scripts())
def test_a_shell_can_read_every_script(script: str) -> None:
    done = subprocess.run(["/bin/bash", "-n", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_target_that_a_workflow_asks_for_exists() -> None:
    asked = [word for script in scripts() for word in re.findall(r"(?:make|\.ci/run) ([a-z-]+)", script)]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"audit", "test-alertmanager"} <= set(asked) <= set(targets)
    for program in {word for script in scripts() for word in re.findall(r"\.ci/[a-z-]+", script)}:
        assert os.access(ROOT / program, os.X_OK), program


def test_the_tests_run_on_the_python_of_the_image_and_with_the_alertmanager_of_debian() -> None:
    its = read(GITHUB / "workflows" / "ci.yml")["jobs"]
    (image,) = {rest.split()[0].replace("-slim", "") for word, rest in instructions() if word == "FROM"}
    assert {job["container"]["image"] for job in its.values()} == {image}
    versions = its["alertmanager"]["strategy"]["matrix"]["version"]
    assert versions == sorted(set(versions))
    assert "0.25.0" in versions


def test_both_kinds_of_processors_are_built_tried_and_published() -> None:
    image = read(GITHUB / "workflows" / "image.yml")["jobs"]
    built = [f"linux/{one['architecture']}" for one in image["build"]["strategy"]["matrix"]["include"]]
    with_it = step(
        "image.yml", "publish", "Build for both and push, with what is in it and how it came about"
    )["with"]
    assert with_it["platforms"].split(",") == built == ["linux/amd64", "linux/arm64"]
    assert (with_it["sbom"], with_it["provenance"]) == (True, "mode=max")


@pytest.mark.parametrize(("tag", "good"), [(f"v{alertsync.__version__}", True), ("v9.9.9", False)])
def test_a_tag_that_is_not_the_version_of_the_code_is_not_published(
    tag: str, good: bool, tmp_path: Path
) -> None:
    script = step("image.yml", "publish", "Hold the tag against the version of the code")["run"]
    told = tmp_path / "output"
    done = subprocess.run(
        ["/bin/bash", "-e", "-o", "pipefail", "-c", script],  # as GitHub calls it
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "GITHUB_REF_NAME": tag,
            "GITHUB_REPOSITORY": "Some/One",
            "GITHUB_OUTPUT": str(told),
        },
        check=False,
    )
    assert (done.returncode == 0) is good
    if good:
        assert told.read_text().splitlines() == [
            f"version={alertsync.__version__}",
            "image=ghcr.io/some/one",
            "charts=ghcr.io/some/one/charts",
        ]
    else:
        assert not told.exists()


@pytest.mark.parametrize("spoiled", [False, True])
def test_an_alertmanager_is_taken_only_if_it_is_what_its_release_says(spoiled: bool, tmp_path: Path) -> None:
    name = "alertmanager-0.99.0.linux-amd64"
    program = tmp_path / "alertmanager"
    program.write_text("#!/bin/sh\necho of the release\n")
    program.chmod(0o755)
    archive = tmp_path / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(program, f"{name}/alertmanager")
    sums = tmp_path / "sha256sums.txt"
    sums.write_text(
        f"{sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n{'0' * 64}  another.tar.gz\n"
    )
    if spoiled:
        archive.write_bytes(archive.read_bytes() + b" ")
    # In place of the network: curl takes the last part of the address from here.
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(
        f'#!/bin/bash\nwhile [ "$1" != --output ]; do shift; done\ncp "{tmp_path}/${{3##*/}}" "$2"\n'
    )
    curl.chmod(0o755)

    wanted = tmp_path / "wanted"
    done = subprocess.run(
        [FETCH, "0.99.0", wanted],
        env={"PATH": f"{curl.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode == 0) is not spoiled
    assert wanted.exists() is not spoiled
    assert ("of the release" in done.stdout) is not spoiled
