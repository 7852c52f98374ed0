"""Finds out how long Alertmanager may keep quiet about an alert that it has notified before.

It shows its configuration as YAML in its status, marshalled by itself or, by servers that speak its API, as it was
written. Only one kind of line matters here, and it is looked for by its name: a longer interval than the true one
merely keeps a debt for longer, so what looks like one counts, and what cannot be read makes the whole unknown.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

import msgspec

_DEFAULT = timedelta(hours=4)
"""What Alertmanager takes for a route tree whose root names none."""

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:ms|[ywdhms]))+")
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])")
_SETTING = re.compile(r"""\brepeat_interval\b["']?[ \t]*:[ \t]*["']?([^\s"',}#]*)""")
_NAME = "repeat_interval"
_ROUTES = re.compile(r"""\broute["']?[ \t]*:""")
_ROOT = re.compile(r"^route:[ \t]*(?:#.*)?\n((?:[ \t].*\n|[ \t]*\n|#.*\n)*)", re.MULTILINE)
_FIRST_INDENT = re.compile(r"^([ ]+)[^\s#-]", re.MULTILINE)


class _Route(msgspec.Struct):
    repeat_interval: str = ""


class _Configuration(msgspec.Struct):
    route: _Route


_read_configuration = msgspec.json.Decoder(_Configuration).decode


@lru_cache(maxsize=32)
def longest(configuration: str) -> timedelta | None:
    """Give the longest `repeat_interval` of a configuration, None if it cannot be told.

    4 hours count too, unless the root route names another interval: they hold wherever no route names one.
    """
    if not _ROUTES.search(configuration):
        return None
    texts = _SETTING.findall(configuration)
    found = [_duration(text) for text in texts]
    if None in found or len(texts) != configuration.count(_NAME):
        return None
    known = [interval for interval in found if interval is not None]
    if not _root_names_one(configuration):
        known.append(_DEFAULT)
    return max(known)


def _duration(text: str) -> timedelta | None:
    """Read a duration as Prometheus writes it: `4h`, `1h30m`, `1d`, `1w`."""
    if not _DURATION.fullmatch(text):
        return None
    try:
        return sum((int(count) * _UNITS[unit] for count, unit in _PART.findall(text)), timedelta())
    except OverflowError:
        return None


def _root_names_one(configuration: str) -> bool:
    """Tell whether the root route itself names an interval: a key that is indented as its first one is.

    Some servers show JSON, which is YAML too.
    """
    if configuration.lstrip().startswith("{"):
        try:
            return bool(_read_configuration(configuration).route.repeat_interval)
        except msgspec.DecodeError:
            return False
    root = _ROOT.search(f"{configuration}\n")
    first = _FIRST_INDENT.search(root[1]) if root else None
    return bool(
        root and first and re.search(rf"^{first[1]}{_NAME}[ \t]*:[ \t]*[^\s#]", root[1], re.MULTILINE)
    )
