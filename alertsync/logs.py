"""Logging: one event a line, as JSON for machines or as text for a terminal, and never a token.

gunicorn's own loggers and its access log go through the same handler, so that everything the container prints
is one stream of one shape. Known secrets are struck out of the finished line, whatever put them there.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pythonjsonlogger.json import JsonFormatter

from alertsync.redaction import strike_remembered

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCESS = "gunicorn.access"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _access_fields(atoms: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the fields of gunicorn's access record; the query is left out, as people put tokens there."""
    status = str(atoms.get("s", ""))
    return {
        "method": atoms.get("m"),
        "path": atoms.get("U"),
        "status": int(status) if status.isdigit() else status,
        "bytes": atoms.get("B"),
        "seconds": round(float(atoms.get("L", 0)), 3),
        "client": atoms.get("h"),
        "user_agent": atoms.get("a"),
    }


class JsonLines(JsonFormatter):
    """One JSON object a line: time, level, logger, event, and the fields given with it."""

    def __init__(self) -> None:
        super().__init__(
            "%(name)s",
            rename_fields={"name": "logger", "exc_info": "exception"},
            json_ensure_ascii=False,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Build the object of one record."""
        log_data["time"] = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname.lower()
        log_data["pid"] = record.process
        access = record.name == _ACCESS and isinstance(record.args, dict)
        log_data["event"] = "request" if access else record.getMessage()
        if access:
            log_data |= _access_fields(record.args)  # type: ignore[arg-type]  # a dict, as just checked
        super().add_fields(log_data, record, message_dict)
        log_data.pop("message", None)

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line without secrets."""
        return strike_remembered(super().format(record))


class TextLines(logging.Formatter):
    """Lines for a person at a terminal: time, level, event, and the fields given with it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line (and a traceback, if there is one) without secrets."""
        if record.name == _ACCESS and isinstance(record.args, dict):
            fields = _access_fields(record.args)
            copied = dict(vars(record)) | {"msg": "request", "args": None} | fields
            record = logging.makeLogRecord(copied)
        line = super().format(record)
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return strike_remembered(line + "".join(f" {key}={_plain(value)}" for key, value in extra.items()))


def _plain(value: object) -> str:
    """Show a field on one line and without what could steer a terminal: titles come from anybody."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def dict_config(level: str, style: str) -> dict[str, Any]:
    """Give the configuration for `logging.config.dictConfig` and for gunicorn's `logconfig_dict`."""
    formatter = JsonLines if style == "json" else TextLines
    quiet = {"level": "WARNING", "handlers": [], "propagate": True}
    through = {"level": level.upper(), "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": through,
            _ACCESS: through,
            "urllib3": quiet,
            "werkzeug": quiet,
        },
    }
