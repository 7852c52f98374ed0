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
from alertsync.models import Brake

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "python -m alertsync"
WRONG = 2
"""Exit status of a command line that is not understood."""

_MAX_LIMIT = 500
_ABOUT = """\
Keeps Prometheus Alertmanager and Grafana IRM telling the same story: it closes in IRM what somebody has silenced in
Alertmanager, and pages again when the silence ends and its alerts still fire.

The service does so by itself; these commands are for a person, or a script, on the same host. Only run acts.
"""
_EPILOG = f"""\
examples:
  {PROGRAM} check                  is all well, and if not, what to do
  {PROGRAM} plan                   what would be done now, and why
  {PROGRAM} explain IPGQOUSLM4JUA  why it is decided as it is
  {PROGRAM} history --debts        which pages are still owed

exit status:
  0    done
  1    failed; the last lines say why
  2    wrong usage
  3    partial: something that was due could not be done
  130  interrupted by Ctrl-C

Settings are environment variables, those of the service; the README lists them. Tables fit the terminal; through a
pipe they are plain and nothing is cut. NO_COLOR=1 takes the colours away. --json prints JSON for scripts.
"""


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
        "check": _command(add, "check", _CHECK),
        "plan": _command(add, "plan", _PLAN),
        "run": _command(add, "run", _RUN),
        "explain": _command(add, "explain", _EXPLAIN),
        "history": _command(add, "history", _HISTORY),
        "demo": _command(add, "demo", _DEMO),
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
    _add_demo(commands["demo"])
    return commands


_CHECK = (
    "look at the settings, both systems and the token, and tell what is wrong",
    """\
Looks at the settings, reaches Alertmanager (each peer) and Grafana IRM, tells whose token it is and whether it may act,
and how many open alert groups can be matched. Changes nothing anywhere. A line that begins with «error» says what to do.
""",
    """\
examples:
  {0} check
  {0} check --json | jq .findings

exit status: 0 if nothing is wrong (warnings may be), 1 if there is an error
""",
)
_PLAN = (
    "show what would be done now, and act on nothing",
    """\
Reads both systems and decides about every open alert group, as a run would. Shows what would be done, what is held back
and by what, and what is left alone, each with its reason. Acts on nothing, and leaves metrics and pages as they are.
""",
    """\
examples:
  {0} plan
  {0} plan --json | jq '.decisions[] | select(.inconsistent)'

exit status: 0 if it could look, 1 if it could not, 3 if something that is due could not be done now
""",
)
_RUN = (
    "run once, for real unless DRY_RUN is set",
    """\
Runs once, now, as the loop of the service does: resolves or silences in IRM what is silenced in Alertmanager, and pages
for what is owed. Waits for a run that goes on already, RECONCILE_WAIT seconds at most. Ctrl-C ends it between two
actions. With DRY_RUN=true it acts on nothing; «plan» never does.
""",
    """\
examples:
  {0} run
  {0} run --lift max_actions    all at once that is due
  {0} run --json > run.json

exit status: 0 all done that was due, 1 it failed or was interrupted, 3 something that was due could not be done
""",
)
_EXPLAIN = (
    "read one alert group now, and tell why it is decided as it is",
    """\
Reads one alert group, open or resolved, all that was delivered into it, and what Alertmanager holds of it now. Tells
what is decided about it and why, who silenced what, what alertsync did about it and what it owes. Changes nothing.
""",
    """\
examples:
  {0} explain IPGQOUSLM4JUA
  {0} explain IPGQOUSLM4JUA --json

exit status: 0 explained, 1 it cannot be read, or there is no such alert group
""",
)
_HISTORY = (
    "list what was done and is owed, newest first",
    """\
Lists the runs, the actions or the debts that are kept in STATE_DIR. Reaches neither Alertmanager nor IRM, and works
while the service is down.
""",
    """\
examples:
  {0} history            the last 50 runs
  {0} history --actions --limit 10
  {0} history --debts    what is owed, and what is over
  {0} history --json --limit 500

exit status: 0 listed, 1 the history cannot be read
""",
)
_DEMO = (
    "run the real service against simulated servers, and watch it work",
    """\
Starts the real service on this machine, a simulated Alertmanager and a simulated IRM, and lets alerts fire, get silenced
and end. Prints what happens and which addresses to open. Needs no settings and reaches nobody. Ctrl-C ends everything.
""",
    """\
examples:
  {0} demo
  {0} demo --port 9000 --seconds 60
  {0} demo --json | jq -r .text

exit status: 0 ended, 1 it could not start
""",
)


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"alertsync {alertsync.__version__}")
    return parser


def _command(
    add: argparse._SubParsersAction[_Parser], name: str, texts: tuple[str, str, str]
) -> argparse.ArgumentParser:
    short, long, epilog = texts
    return add.add_parser(
        name,
        help=short,
        description=long,
        epilog=epilog.replace("{0}", PROGRAM),
        formatter_class=_Help,
        allow_abbrev=False,
    )


def _add_listing(command: argparse.ArgumentParser) -> None:
    kind = command.add_mutually_exclusive_group()
    for name, listed in (("actions", "the actions"), ("debts", "the debts, open and over")):
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
