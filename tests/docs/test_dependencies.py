"""Holds the locks of the dependencies to what they were made from, and to what is installed here.

A lock is only worth its hashes if it names all that gets installed and nothing else. So what each input needs in
turn is worked out once more, from what the installed packages say about themselves, and without the network.
"""

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.readme import DOCS, ROOT

EXCLUDED = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-dependencies"])
"""What `pyproject.toml` keeps out of the locks."""

LOCKS = sorted(path.stem for path in ROOT.glob("requirements*.in"))
INSTALLED = [name for name in LOCKS if name != "requirements-tools"]
"""The tools live in an environment of their own, which is made when they are called for."""
TITLES = {
    "requirements": "At run time",
    "requirements-postgresql": "With PostgreSQL",
    "requirements-dev": "For development",
    "requirements-tools": "For the dependencies themselves",
}
"""Under which heading each input is explained."""


def inputs(name: str) -> dict[str, str]:
    """Give what stands in an input, name to version; everything there must be pinned exactly."""
    lines = [line for line in (ROOT / f"{name}.in").read_text().splitlines() if line[:1] not in ("#", "-")]
    pins = [re.fullmatch(r"([\w-]+)==([\w.]+)", line) for line in lines]
    assert pins
    assert all(pins), lines
    return {canonicalize_name(pin[1]): pin[2] for pin in pins if pin}


def entries(name: str) -> dict[str, tuple[Requirement, str]]:
    """Give what stands in a lock: name to the requirement and to all that follows it."""
    text = (ROOT / f"{name}.txt").read_text()
    found = re.findall(r"^(\S+==[^\\\n]+) \\\n((?:    .*\n)+)", text, re.MULTILINE)
    assert len(found) == len(re.findall(r"^[^#\s]", text, re.MULTILINE))
    return {canonicalize_name(Requirement(line).name): (Requirement(line), rest) for line, rest in found}


def here(name: str) -> dict[str, str]:
    """Give what a lock says is installed on a machine like this one, name to version."""
    return {
        package: str(one.specifier).removeprefix("==")
        for package, (one, _) in entries(name).items()
        if one.marker is None or one.marker.evaluate()
    }


def needed(name: str) -> dict[str, str]:
    """Give what an input needs on this machine, itself included, name to the installed version."""
    found: dict[str, str] = {}
    extras: dict[str, set[str]] = {}
    waiting = [Requirement(package) for package in inputs(name)]
    while waiting:
        one = waiting.pop()
        package = canonicalize_name(one.name)
        wanted = {"", *one.extras}
        if package in EXCLUDED or wanted <= extras.get(package, set()):
            continue
        extras[package] = extras.get(package, set()) | wanted
        found[package] = metadata.version(package)
        for text in metadata.requires(package) or ():
            further = Requirement(text)
            marker = further.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras[package]):
                waiting.append(further)
    return found


def test_every_lock_has_an_input() -> None:
    assert sorted(path.stem for path in ROOT.glob("requirements*.txt")) == LOCKS


@pytest.mark.parametrize("name", INSTALLED)
def test_a_lock_names_all_that_its_input_needs_and_nothing_else(name: str) -> None:
    assert here(name) == needed(name), "run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_was_made_from_what_its_input_says_today(name: str) -> None:
    found = entries(name)
    direct = {package for package, (_, rest) in found.items() if f"-r {name}.in" in rest}
    assert direct == set(inputs(name)), "run `make lock`"
    pinned = {package: str(found[package][0].specifier) for package in direct}
    assert pinned == {package: f"=={version}" for package, version in inputs(name).items()}


@pytest.mark.parametrize("name", LOCKS)
def test_everything_in_a_lock_has_a_hash(name: str) -> None:
    for package, (one, rest) in entries(name).items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), package
        assert re.fullmatch(r"==[\w.]+", str(one.specifier)), package


def test_what_runs_and_what_tests_it_have_the_same_versions() -> None:
    runs, tests = here("requirements"), here("requirements-dev")
    shared = runs.keys() & tests.keys()
    assert {name: runs[name] for name in shared} == {name: tests[name] for name in shared}


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", "docs/FIRST-STEPS.md"])
def test_whatever_installs_a_lock_wants_the_hashes(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ").replace("$(INSTALL)", install_line())
    lines = [line for line in text.splitlines() if re.search(r"pip install .*requirements", line)]
    assert lines
    assert all("--require-hashes" in line for line in lines), lines


def install_line() -> str:
    """Give what the Makefile calls INSTALL."""
    (found,) = re.findall(r"^INSTALL := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("name", LOCKS)
def test_every_direct_dependency_is_explained_and_no_other(name: str) -> None:
    text = (DOCS / "DEPENDENCIES.md").read_text()
    page = text.partition(f"## {TITLES[name]}\n")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE)
    assert sorted(explained) == sorted(inputs(name))
