"""The help teaches, who misses is shown the way, and the exit statuses are those that stand there."""

from __future__ import annotations

import re
import shlex

import pytest

from alertsync.__main__ import main
from alertsync.cli import lessons, usage

COMMANDS = ("check", "plan", "run", "explain", "history", "migrate-store", "demo")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capsys.readouterr()


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys)
    assert (status, out) == (2, "")
    assert err == told(capsys, "--help")[1]
    for text in ("examples:", "exit status:", "NO_COLOR", *COMMANDS):
        assert text in err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_examples_that_are_understood_and_its_exit_statuses(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    status, out, _ = told(capsys, command, "--help")
    assert status == 0
    assert "exit status: 0" in out
    assert "--json" in out
    examples = re.findall(
        rf"^  {re.escape(lessons.PROGRAM)} (.*?)(?: {{2,}}.*| \|.*| >.*)?$", out, re.MULTILINE
    )
    assert examples
    for example in examples:
        assert usage.parse(shlex.split(example)).command == command


def test_the_help_is_no_wider_than_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (["--help"], *([name, "--help"] for name in COMMANDS)):
        assert max(map(len, told(capsys, *arguments)[1].splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hsitory"], "there is no command 'hsitory'; did you mean history?"),
        (["frobnicate"], "there is no command 'frobnicate'\n"),
        (["run", "--lfit", "gone_ratio"], "unrecognized arguments: --lfit gone_ratio; did you mean --lift?"),
        (["run", "--dry-run"], "unrecognized arguments: --dry-run"),
        (["plan", "--js"], "unrecognized arguments: --js; did you mean --json?"),
        (["history", "--limit"], "expected one argument"),
    ],
)
def test_who_misses_is_shown_the_way(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status, out, err = told(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert re.search(r"python -m alertsync( \w+)? --help shows what it understands", err)


def test_help_can_be_asked_for_as_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "help", "run") == told(capsys, "run", "--help")
    assert told(capsys, "help") == told(capsys, "--help")
