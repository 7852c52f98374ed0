"""Every test of the store is run on SQLite and on a real PostgreSQL, but those that are about SQLite's file."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from tests.postgresql import postgres  # noqa: F401  a fixture
from tests.store import values

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ["sqlite", "postgresql"]

_numbers = itertools.count()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let each test meet both, unless it is marked."""
    marked = [kind for kind in KINDS if metafunc.definition.get_closest_marker(kind)]
    metafunc.parametrize("database", marked or KINDS, indirect=True)


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let `a_store` open this kind of database, one for each directory."""
    kind: str = request.param
    values.server = request.getfixturevalue("postgres") if kind == "postgresql" else None
    values.schemas.clear()
    values.prefix = f"t{os.getpid()}_{next(_numbers)}"
    yield kind
    values.close_all()
    values.server = None
