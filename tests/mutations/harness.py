"""Proves that the tests would notice: one line of a copy of the product is sabotaged, and a named test must fail.

A test that cannot fail is worse than none, because somebody relies on it. So the rules that keep pages from being
lost, and alert groups from being closed wrongly, are each broken on purpose.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "alertsync"
_FAILED, _PASSED = 1, 0
_SECONDS = 50
_SECONDS_OF_ALL = 150
"""All tests that are named, one after the other, while whatever else is tested goes first."""
of_all = pytest.mark.timeout(_SECONDS_OF_ALL + 10)
_SPARED = ("cacheprovider", "xdist", "hypothesispytest", "doctest", "unittest", "junitxml", "pastebin")
_OPTIONS = ("-x", "-q", "--no-header", "--import-mode=importlib", *(f"-pno:{name}" for name in _SPARED))


class Sabotage(NamedTuple):
    """One line that is made wrong. `file` is below the product, `test` below the tests."""

    sentence: str
    file: str
    old: str
    new: str
    test: str


def cases(sabotages: Iterable[Sabotage]) -> pytest.MarkDecorator:
    """Make a test of each sabotage, named by its sentence."""
    return pytest.mark.parametrize("sabotage", [pytest.param(one, id=one.sentence) for one in sabotages])


def assert_noticed(sabotage: Sabotage, directory: Path) -> None:
    """Assert that the test that is named fails, and does not merely stumble, when the line is sabotaged."""
    text = (PRODUCT / sabotage.file).read_text()
    count = text.count(sabotage.old)
    assert count == 1, f"{sabotage.file} holds this {count} times: {sabotage.old}"
    copy = _copy(directory)
    (copy / sabotage.file).write_text(text.replace(sabotage.old, sabotage.new))
    code, output = _run(directory, [sabotage.test])
    assert code == _FAILED, f"{sabotage.test} did not notice (exit status {code}):\n{output[-3000:]}"


def assert_sound(sabotages: Iterable[Sabotage], directory: Path) -> None:
    """Assert that all these tests are there, and pass on a copy without any sabotage."""
    _copy(directory)
    code, output = _run(directory, sorted({one.test for one in sabotages}), seconds=_SECONDS_OF_ALL)
    assert code == _PASSED, output[-3000:]


def _copy(directory: Path) -> Path:
    return shutil.copytree(PRODUCT, directory / "alertsync")


def _run(directory: Path, tests: list[str], *, seconds: float = _SECONDS) -> tuple[int, str]:
    """Run tests of this tree with the copy first on the path; give the exit status and what was said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": f"{directory}{os.pathsep}{ROOT}"}
    configuration = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *_OPTIONS,
            *configuration,
            *(str(ROOT / "tests" / test) for test in tests),
        ],
        cwd=directory,
        env=environment,
        timeout=seconds,
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr
