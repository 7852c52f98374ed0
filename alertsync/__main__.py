"""The command line: `python -m alertsync` followed by one of its commands."""

from __future__ import annotations

import contextlib
import io
import logging.config
import os
import sys
from typing import TYPE_CHECKING

from alertsync import bootstrap, config, logs
from alertsync.cli import check, demo, explain, history, migrate_store, runs, usage
from alertsync.cli.paper import printable
from alertsync.errors import AlertsyncError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from alertsync.services import Services

_FAILED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    _show_what_cannot_be_encoded()
    try:
        status = _command(usage.parse(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read has enough; the interpreter must not fail at its end to tell them more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    return status


def _show_what_cannot_be_encoded() -> None:
    """Let a terminal that knows no «» get its code: a report must not end at a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(io.UnsupportedOperation):
                stream.reconfigure(errors="backslashreplace")


def _command(chosen: argparse.Namespace) -> int:
    if chosen.command == "demo":
        return demo.run(
            port=chosen.port, real=chosen.alertmanager == "real", seconds=chosen.seconds, as_json=chosen.json
        )
    try:
        settings = config.load()
        # A person reads a command's log on a terminal, beside its output.
        level = "warning" if settings.log_level == "info" else settings.log_level
        logging.config.dictConfig(logs.dict_config(level, "text"))
        if chosen.command == "migrate-store":
            return migrate_store.move(settings, to=chosen.to, as_json=chosen.json)
        return _run(bootstrap.build(settings), chosen)
    except AlertsyncError as error:
        text = "\n".join(map(printable, str(error).splitlines()))
        sys.stderr.write(f"alertsync: {text}\n")
        return _FAILED


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
