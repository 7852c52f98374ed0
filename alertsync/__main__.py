"""The command line: `python -m alertsync` followed by one of its commands."""

from __future__ import annotations

import argparse
import logging.config
import sys
from typing import TYPE_CHECKING

import alertsync
from alertsync import bootstrap, config, logs
from alertsync.cli import check, demo, runs
from alertsync.errors import AlertsyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
Settings are environment variables; the README lists them. Exit status of run, plan and check:
0 done, 1 failed, 2 wrong usage, 3 partial (some alert groups could not be resolved).
"""


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
        if chosen.command == "check":
            return check.check(services, as_json=chosen.json)
        return runs.run(services, rehearsal=chosen.command == "plan", as_json=chosen.json)
    except AlertsyncError as error:
        sys.stderr.write(f"alertsync: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
