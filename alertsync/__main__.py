"""The command line: `python -m alertsync` followed by one of its commands."""

from __future__ import annotations

import argparse
import logging.config
import sys
from typing import TYPE_CHECKING

import alertsync
from alertsync import bootstrap, config, logs
from alertsync.cli import check, demo, explain, history, runs
from alertsync.errors import AlertsyncError
from alertsync.models import Brake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.services import Services

_EPILOG = """\
Settings are environment variables; the README lists them. Exit status of all but demo:
0 done, 1 failed, 2 wrong usage, 3 partial (something that was due could not be done).
"""

_MAX_LIMIT = 500


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m alertsync",
        description="Keeps Prometheus Alertmanager and Grafana IRM telling the same story.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"alertsync {alertsync.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    texts = {
        "check": "look at the settings, both systems and the token, and tell what is wrong",
        "plan": "show what would be done now, and act on nothing",
        "run": "run once, for real unless DRY_RUN is set",
    }
    for name, text in texts.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print JSON for scripts")
        if name == "run":
            command.add_argument(
                "--lift",
                type=_brakes,
                default=frozenset(),
                metavar="BRAKES",
                help=f"lift brakes for this run: {', '.join(Brake)}, or both with a comma between",
            )
    _add_looking(commands)
    text = "run the real service against simulated servers, and watch it work"
    command = commands.add_parser("demo", help=text, description=text)
    command.add_argument(
        "--alertmanager",
        choices=("simulated", "real"),
        default="simulated",
        help="real: use the installed prometheus-alertmanager or alertmanager",
    )
    command.add_argument("--port", type=int, default=8080, help="port of the service (default 8080)")
    command.add_argument("--seconds", type=float, help="end by itself after so many seconds")
    return parser


def _add_looking(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that look at one alert group, and back."""
    text = "read one alert group now, and tell why it is decided as it is"
    command = commands.add_parser("explain", help=text, description=text)
    command.add_argument("alert_group_id", metavar="ID", help="IRM's id of the alert group, as plan shows it")
    command.add_argument("--json", action="store_true", help="print JSON for scripts")
    text = "list what was done and is owed, newest first"
    command = commands.add_parser("history", help=text, description=text)
    kind = command.add_mutually_exclusive_group()
    for name, listed in (("actions", "the actions"), ("debts", "the debts, open and over")):
        kind.add_argument(
            f"--{name}", dest="what", action="store_const", const=name, help=f"list {listed}, not the runs"
        )
    command.add_argument(
        "--limit", type=_limit, default=50, metavar="N", help="list so many, 1 to 500 (default 50)"
    )
    command.add_argument("--before", metavar="CURSOR", help="go on where a page ended")
    command.add_argument("--json", action="store_true", help="print JSON for scripts")


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    chosen = _parser().parse_args(arguments)
    if chosen.command == "demo":
        return demo.run(port=chosen.port, real=chosen.alertmanager == "real", seconds=chosen.seconds)
    try:
        settings = config.load()
        # A person reads a command's log on a terminal, beside its output.
        level = "warning" if settings.log_level == "info" else settings.log_level
        logging.config.dictConfig(logs.dict_config(level, "text"))
        services = bootstrap.build(settings)
        return _run(services, chosen)
    except AlertsyncError as error:
        sys.stderr.write(f"alertsync: {error}\n")
        return 1


def _run(services: Services, chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "check":
            return check.check(services, as_json=chosen.json)
        case "explain":
            return explain.explain(services, chosen.alert_group_id, as_json=chosen.json)
        case "history":
            return history.show(
                services,
                what=chosen.what or "runs",
                limit=chosen.limit,
                before=chosen.before,
                as_json=chosen.json,
            )
        case "plan":
            return runs.run(services, rehearsal=True, as_json=chosen.json)
    return runs.run(services, rehearsal=False, as_json=chosen.json, lift=chosen.lift)


if __name__ == "__main__":
    sys.exit(main())
