"""What the command line understands, and what it says to those who ask it, or who miss.

A person who types a command at night has the README elsewhere: the help says what each command does to the world, shows
lines to copy, and names the exit statuses. Who misses a word is told the one that is nearest.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import alertsync
from alertsync.cli import lessons
from alertsync.cli.migrate_store import TO
from alertsync.models import Brake

if TYPE_CHECKING:
    from collections.abc import Sequence

WRONG = 2
"""Exit status of a command line that is not understood."""

_MAX_LIMIT = 500


class _Help(argparse.HelpFormatter):
    """Fills what is prose, and leaves lists as they stand."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.rstrip().split("\n\n")
        return "\n\n".join(
            part if "\n  " in part else super(_Help, self)._fill_text(part, width, indent) for part in parts
        )


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints say where the help is."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        sys.stderr.write(f"{self.prog}: error: {message}\n{self.prog} --help shows what it understands\n")
        raise SystemExit(WRONG)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Understand a command line; print help or a complaint and raise `SystemExit` where there is none to run."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    commands = _commands(parser)
    if not given:
        parser.print_help(sys.stderr)
        raise SystemExit(WRONG)
    if given[0] == "help":
        given = [*(one for one in given[1:2] if one in commands), "--help"]
    if not given[0].startswith("-") and given[0] not in commands:
        parser.error(f"there is no command {given[0]!r}{_nearest(given[0], commands)}")
    chosen, unknown = parser.parse_known_args(given)
    if unknown:
        command = commands[chosen.command]
        options = [option for action in command._actions for option in action.option_strings]  # noqa: SLF001  argparse tells it nowhere else
        command.error(f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown[0], options)}")
    return chosen


def _nearest(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add every command; give their parsers by name."""
    add = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands", parser_class=_Parser
    )
    commands = {
        "check": _command(add, "check", lessons.CHECK),
        "plan": _command(add, "plan", lessons.PLAN),
        "run": _command(add, "run", lessons.RUN),
        "explain": _command(add, "explain", lessons.EXPLAIN),
        "history": _command(add, "history", lessons.HISTORY),
        "migrate-store": _command(add, "migrate-store", lessons.MIGRATE_STORE),
        "demo": _command(add, "demo", lessons.DEMO),
    }
    for name, command in commands.items():
        text = "print JSON for scripts, one object a line" if name == "demo" else "print JSON for scripts"
        command.add_argument("--json", action="store_true", help=text)
    commands["run"].add_argument(
        "--lift",
        type=_brakes,
        default=frozenset(),
        metavar="BRAKES",
        help=f"lift brakes for this run: {', '.join(Brake)}, or both with a comma between",
    )
    commands["explain"].add_argument(
        "alert_group_id", metavar="ID", help="IRM's id of the alert group, as plan shows it"
    )
    _add_listing(commands["history"])
    commands["migrate-store"].add_argument(
        "to", choices=TO, metavar="TO", help="where to: postgresql, or sqlite to move back"
    )
    _add_demo(commands["demo"])
    return commands


def _parser() -> _Parser:
    parser = _Parser(
        prog=lessons.PROGRAM,
        description=lessons.ABOUT,
        epilog=lessons.EPILOG,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"alertsync {alertsync.__version__}")
    return parser


def _command(
    add: argparse._SubParsersAction[_Parser], name: str, lesson: lessons.Lesson
) -> argparse.ArgumentParser:
    return add.add_parser(
        name,
        help=lesson.short,
        description=lesson.about,
        epilog=lesson.more,
        formatter_class=_Help,
        allow_abbrev=False,
    )


def _add_listing(command: argparse.ArgumentParser) -> None:
    kind = command.add_mutually_exclusive_group()
    for name, listed in (
        ("actions", "the actions"),
        ("debts", "the debts, open and over"),
        ("silences", "our silences in Alertmanager, and those that are over"),
        ("events", "what IRM's webhooks told, and what became of it"),
    ):
        kind.add_argument(
            f"--{name}", dest="what", action="store_const", const=name, help=f"list {listed}, not the runs"
        )
    command.add_argument(
        "--limit", type=_limit, default=50, metavar="N", help="list so many, 1 to 500 (default 50)"
    )
    command.add_argument("--before", metavar="CURSOR", help="go on where a page ended")


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--alertmanager",
        choices=("simulated", "real"),
        default="simulated",
        help="real: use the installed prometheus-alertmanager or alertmanager",
    )
    command.add_argument("--port", type=int, default=8080, help="port of the service (default 8080)")
    command.add_argument("--seconds", type=float, help="end by itself after so many seconds")


def _brakes(text: str) -> frozenset[str]:
    names = text.split(",")
    if not set(names) <= set(Brake):
        raise argparse.ArgumentTypeError(
            f"{text!r} names no brakes: write {', '.join(Brake)} or {','.join(Brake)}"
        )
    return frozenset(names)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= _MAX_LIMIT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {_MAX_LIMIT}")
    return int(text)
