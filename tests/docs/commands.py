"""Runs the commands of the documentation, page by page, as a reader would who types them one after the other.

A command that nobody runs is wrong within a month. So every block that is headed `sh` is either run here, against
real processes on free ports, or says in a comment right above it what it needs that a test has not.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.readme import ROOT

NEEDS = {
    "your cluster": r"\b(kubectl|helm)\b|\.svc\b",
    "a container engine": r"\b(docker|podman)\b",
    "root": r"\bapt-get install\b",
    "a PostgreSQL server": r"\bmigrate-store\b|\bpsycopg\b",
    "the internet": r"\bmake (lock|audit)\b",
    "minutes": r"\bmake (test|lint|soak|endure|bench|screenshots)\b|\bpytest\b",
}
"""What a block may say it needs (`<!-- needs: root -->`), and what at least one command of it must then look like."""

STAYS = re.compile(r"make demo|\.venv/bin/gunicorn|curl -N .*")
"""Commands that go on until Ctrl-C; what follows on the page is done while they do."""

_LOOKS = re.compile(r"(curl|python) ")
"""Commands that leave nothing behind in the shell; once is enough for all pages."""
_FENCE = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PAGE_SECONDS = 100.0
_COPIED = ("alertsync", "deploy", "Makefile", "pyproject.toml", "wsgi.py", "gunicorn.conf.py", ".env.example")

# An answer that is an error must fail; curl itself thinks nothing of it.
_PROLOGUE = """
set -eo pipefail
touch staying.pids
trap 'for leader in $(cat staying.pids); do kill -TERM -- "-$leader"; done; wait' EXIT
curl() { command curl --fail-with-body --show-error --max-time 60 "$@"; }
export -f curl
alive() {
    case "$1" in curl*) ;; *) command curl -fs "http://127.0.0.1:$PORT/healthz" >/dev/null ;; esac
}
stays() {
    setsid bash -eo pipefail -c "$1" >"$2" 2>&1 &
    echo $! >>staying.pids
    for _ in $(seq 300); do
        kill -0 $! || break
        if [ -s "$2" ] && alive "$1"; then return 0; fi
        sleep 0.1
    done
    echo "it did not begin: $1" >&2
    cat "$2" >&2
    return 1
}
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: the line of its fence, its language, its text, and the comment right above it."""

    page: Path
    line: int
    language: str
    text: str
    comment: str

    def __str__(self) -> str:
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page.name
        return f"{page}:{self.line}"

    @property
    def needs(self) -> str:
        """What it says it needs; "" if it says nothing, and is to be run."""
        return self.comment.removeprefix("needs: ") if self.comment.startswith("needs: ") else ""

    @property
    def commands(self) -> list[str]:
        """Its commands, continued lines joined as they stand."""
        return [one for one in re.split(r"(?<!\\)\n", self.text) if one.strip() and not one.startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    """Give the fenced blocks of a page, in order."""
    text = page.read_text()
    found = []
    for one in _FENCE.finditer(text):
        line = text.count("\n", 0, one.start()) + 1 + (one[1] is not None)
        found.append(Block(page, line, one[2], one[3], one[1] or ""))
    return found


def to_run(page: Path) -> list[Block]:
    """Give the blocks of a page that are to be run."""
    return [block for block in blocks_of(page) if block.language == "sh" and not block.needs]


def workplace(directory: Path, *, installed: bool) -> Path:
    """Make a copy of what a reader has, with the packages `installed` already or not."""
    for name in (*_COPIED, *(path.name for path in ROOT.glob("requirements*"))):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, directory / name)
    if installed:
        (directory / ".venv").symlink_to(Path(sys.prefix))
    return directory


@dataclass(frozen=True)
class Stage:
    """Where pages are played: the environment, and what their examples stand for.

    `swaps` are put in place of what only an example can say. `after` is done beyond a command that holds such a text, such
    as to edit the file that it made. What was `done` on one page is not done again on another: many commands look at
    the same few things.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    swaps: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)


def run_page(blocks: list[Block], where: Path, stage: Stage) -> list[str]:
    """Run blocks one after the other in one shell, and give the names of those that came to their end.

    AssertionError with all that was said if one fails.
    """
    script = [_PROLOGUE]
    for block in blocks:
        script.append(f"echo '=== {block}'")
        for number, command in enumerate(block.commands):
            if command in stage.done and _LOOKS.match(command):
                continue
            stage.done.add(command)
            script.append(_line(command, stage.swaps, f"{block.line}-{number}.out"))
            script += [extra for text, extra in stage.after.items() if text in command]
    script.append("echo '=== end'")
    said = _bash("\n".join(script), where, stage.settings)
    names = re.findall(r"^=== (.+)$", said, re.MULTILINE)
    assert names[-1:] == ["end"], f"{names[-1]} failed:\n{said.rpartition('=== ')[2]}"
    return names[:-1]


def _line(command: str, swaps: Mapping[str, str], output: str) -> str:
    for example, real in swaps.items():
        command = command.replace(example, real)
    if not STAYS.fullmatch(command):
        return command
    quoted = command.replace("'", "'\\''")
    return f"stays '{quoted}' {output}"


def _bash(script: str, where: Path, settings: Mapping[str, str]) -> str:
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "SSL_CERT_FILE") if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    with (where / "said.txt").open("w+b") as said:
        shell = subprocess.Popen(
            [shutil.which("bash") or "", "-c", script],
            cwd=where,
            env={**kept, "PATH": path, "HOME": str(where), **settings},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            shell.wait(_PAGE_SECONDS)
        finally:
            if shell.poll() is None:
                for leader in [shell.pid, *_staying(where)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(leader, signal.SIGKILL)  # sessions that were started here
                shell.wait()
        said.seek(0)
        return said.read().decode(errors="replace")


def _staying(where: Path) -> list[int]:
    listed = where / "staying.pids"
    return [int(one) for one in listed.read_text().split()] if listed.exists() else []
