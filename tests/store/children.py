"""Runs a piece of a test in a process of its own, and waits for it within bounds."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

SECONDS = 30

forked = multiprocessing.get_context("fork")
"""As gunicorn makes its workers: the child goes on with what its parent had in memory."""


def start(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start `work` in a child; it fails the test by raising."""
    child = forked.Process(target=work, args=arguments)
    child.start()
    return child


def finish(*children: BaseProcess) -> None:
    """Wait for children, and see that all went well."""
    for child in children:
        child.join(SECONDS)
        if child.is_alive():
            child.kill()
            child.join(SECONDS)
    assert [child.exitcode for child in children] == [0] * len(children)
