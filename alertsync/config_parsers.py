"""How the text of each setting becomes a value, and what to say when it does not.

Every message says what the variable wants, because it is read by somebody whose service did not start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from environs import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SILENCER = re.compile(r"(?:\*|[^\s@*,<>\"()]{1,64})@[^\s@*,<>\"()]{1,253}")
_RATE = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{1,6})?\s*(second|minute|hour)s?")
_UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_MAX_SECONDS = 30 * 86400
_MAX_SECRET_FILE = 65536
_MAX_PEERS = 16
_LEAST_SECRET = 4
_DATABASES = ("postgresql+psycopg", "postgresql", "postgres")
_URL_OPTION = re.compile(r'invalid URI query parameter: "([a-z_]{1,40})"')
OWN_LABELS = frozenset({"fingerprint", "state"})
"""The labels that `alertmanager_alert_state` always has."""


@dataclass(frozen=True)
class RateLimit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float


def _shown(value: str) -> str:
    """Quote a value in a message, unless it may hold credentials: part of an address, or of what was meant as one."""
    return "the value" if re.search(r"[@?#]", value) else repr(value)


def _number(value: str, wants: str, low: float, high: float) -> float:
    try:
        number = float(value.strip())
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise ValidationError(f"{_shown(value)} cannot be used: wants {wants}")
    return number


def _whole(low: int, high: int, what: str) -> Callable[[str], int]:
    def parser(value: str) -> int:
        wants = f"{what}, a whole number from {low} to {high}"
        if not re.fullmatch(r"[0-9]{1,9}", value.strip()):
            raise ValidationError(f"{_shown(value)} cannot be used: wants {wants}")
        return int(_number(value, wants, low, high))

    return parser


def _choice(*choices: str) -> Callable[[str], str]:
    def parser(value: str) -> str:
        if value.strip().lower() not in choices:
            raise ValidationError(f"{_shown(value)} cannot be used: wants one of {', '.join(choices)}")
        return value.strip().lower()

    return parser


def _between(low: float, high: float, what: str) -> Callable[[str], float]:
    def parser(value: str) -> float:
        return _number(value, f"{what}, a number from {low:.15g} to {high:.15g}", low, high)

    return parser


def _seconds(value: str) -> float:
    return _number(value, f"seconds, a number from 0 to {_MAX_SECONDS}", 0, _MAX_SECONDS)


def _positive_seconds(value: str) -> float:
    return _number(value, f"seconds, a number from 0.1 to {_MAX_SECONDS}", 0.1, _MAX_SECONDS)


def _flag(value: str) -> bool:
    text = value.strip().lower()
    if text not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValidationError(f"{_shown(value)} cannot be used: wants true or false")
    return text in ("true", "1", "yes", "on")


def _names(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def _listed(value: str) -> tuple[str, ...]:
    """Read a list that narrows something down: one that names nothing would lift the bound in silence."""
    names = _names(value)
    if not names:
        raise ValidationError(
            f"{_shown(value)} names nothing: wants one or more names with commas, or to be unset"
        )
    return names


def _label_names(value: str) -> tuple[str, ...]:
    names = _names(value)
    bad = [name for name in names if not _LABEL_NAME.fullmatch(name) or name.startswith("__")]
    if bad:
        raise ValidationError(
            f"{', '.join(map(_shown, bad))} cannot be a label of a metric: wants names of letters, digits and _, "
            "not beginning with a digit or __, separated by commas"
        )
    if own := [name for name in names if name in OWN_LABELS]:
        raise ValidationError(
            f"{', '.join(own)} cannot be named: alertmanager_alert_state has a label of that name already"
        )
    return names


def _silencers(value: str) -> tuple[str, ...]:
    """Read addresses of people, or whole domains; in small letters, as servers of mail mean both alike."""
    names = _listed(value.lower())
    # An address is no credential, whatever the @ in it looks like.
    if bad := [name for name in names if not _SILENCER.fullmatch(name)]:
        raise ValidationError(
            f"{', '.join(map(repr, bad))} cannot be used: wants addresses, such as ana@example.org, or all of a domain, as in "
            "*@example.org, separated by commas"
        )
    return names


def _irm_states(value: str) -> tuple[str, ...]:
    states = _names(value.lower())
    if not states or set(states) - {"firing", "acknowledged"}:
        raise ValidationError(
            f"{_shown(value)} cannot be used: wants firing, acknowledged, or both with a comma"
        )
    return states


def _rate_limit(value: str) -> RateLimit:
    found = _RATE.fullmatch(value.strip().lower())
    if not found or int(found[1]) < 1 or int(found[2] or 1) < 1:
        raise ValidationError(
            f"{_shown(value)} cannot be used: wants requests per time, such as 300/5 minutes"
        )
    return RateLimit(int(found[1]), float(int(found[2] or 1) * _UNIT_SECONDS[found[3]]))


def _plain_url(value: str) -> str:
    wants = "wants an address that begins with http:// or https://, such as https://host.example/path"
    try:
        parts = urlsplit(value.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValidationError(f"the address cannot be used: {wants}") from None
    if parts.username is not None or parts.password is not None:
        raise ValidationError("the address holds a user name or password: put them in their own settings")
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", value.strip()):
        raise ValidationError(f"{_shown(value)} cannot be used: {wants}")
    if parts.query or parts.fragment:
        raise ValidationError(f"{_shown(value)} cannot be used: wants an address without ? and #")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _urls(value: str) -> tuple[str, ...]:
    return tuple(_plain_url(part) for part in _listed(value))


def _alertmanager_hosts(value: str) -> tuple[str, ...]:
    """Accept the peers of one cluster as people name them: host:port, or an address with or without /api/v2."""
    urls = (_plain_url(host if "://" in host else f"http://{host}") for host in _listed(value))
    peers = tuple(dict.fromkeys(url.removesuffix("/api/v2").rstrip("/") for url in urls))
    if len(peers) > _MAX_PEERS:
        raise ValidationError(f"names {len(peers)} peers: wants at most {_MAX_PEERS}, all of one cluster")
    return peers


def _irm_url(value: str) -> str:
    """Accept IRM's address as people paste it: with or without /api/v1, slash or path prefix."""
    return _plain_url(value).removesuffix("/api/v1").rstrip("/")


def _header_url(value: str) -> str:
    """Read an address that travels in a header, which carries nothing but ASCII."""
    url = _plain_url(value)
    if not url.isascii():
        raise ValidationError(
            f"{_shown(value)} cannot be used: wants an address in ASCII, such as the browser's, copied"
        )
    return url


def _header(value: str) -> str:
    text = value.strip()
    if not text.isascii() or not text.isprintable():
        raise ValidationError(
            f"{_shown(value)} cannot be used: wants one line of ASCII, as it is sent in an HTTP header"
        )
    return text


def _text(value: str) -> str:
    return value.strip()


PARSERS: dict[str, Callable[..., Any]] = {
    "text": _text,
    "header": _header,
    "header_url": _header_url,
    "seconds": _seconds,
    "positive_seconds": _positive_seconds,
    "flag": _flag,
    "names": _listed,
    "label_names": _label_names,
    "irm_states": _irm_states,
    "on_silenced": _choice("resolve", "silence", "report"),
    "on_gone": _choice("report", "resolve"),
    "lease_seconds": _between(60, 86400, "seconds"),
    "longest_silence": _between(60, _MAX_SECONDS, "seconds"),
    "silencers": _silencers,
    "strangers": _choice("ignore", "unsilence"),
    "absence_seconds": _between(60, _MAX_SECONDS, "seconds"),
    "ratio": _between(0, 1, "a share"),
    "days": _whole(1, 3650, "a count of days"),
    "rate_limit": _rate_limit,
    "plain_url": _plain_url,
    "urls": _urls,
    "alertmanager_hosts": _alertmanager_hosts,
    "irm_url": _irm_url,
    "port": _whole(1, 65535, "a TCP port"),
    "workers": _whole(1, 32, "a count of workers"),
    "threads": _whole(
        6, 256, "a count of threads (triggers and live readings hold up to five, the pages need one)"
    ),
    "page_size": _whole(1, 1000, "a count of alert groups"),
    "count": _whole(1, 1_000_000, "a count"),
    "proxies": _whole(0, 16, "a count of proxies"),
    "log_level": _choice("debug", "info", "warning", "error"),
    "log_format": _choice("json", "text"),
}
"""Name of a parser to the parser, as environs registers them."""


def database_url(value: str) -> tuple[str, str, str]:
    """Understand the address of a PostgreSQL database; give it as the driver wants it, its password, and what is wrong.

    Nothing of the address is shown: it may hold a password in any place, where it is not written as it should be.
    """
    wants = "wants postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE, with % codes for special characters"
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _DATABASES:
        return "", "", f"cannot be used: {wants}; without it, the store is a file in STATE_DIR"
    try:
        from psycopg import ProgrammingError, conninfo  # noqa: PLC0415  few have it, and need it
    except ImportError:
        return "", "", "needs PostgreSQL's driver: install it with pip install -r requirements-postgresql.txt"
    url = f"postgresql://{rest}"
    try:
        found = conninfo.conninfo_to_dict(url)
    except ProgrammingError as error:
        named = _URL_OPTION.search(str(error))
        what = f"its option {named[1]} is none of PostgreSQL's" if named else "it is not understood"
        return "", "", f"cannot be used, as {what}: {wants}"
    if not found.get("dbname") or "," in str(found.get("dbname")):
        return "", "", f"cannot be used, as it names no database: {wants}"
    return url, str(found.get("password", "")), ""


def secret_file(path: str) -> tuple[str | None, str]:
    """Read a secret from a file; return it and "", or None and what is wrong."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_MAX_SECRET_FILE), ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        return (
            None,
            f"the file {path} cannot be read ({why}): wants a file that holds the secret and nothing else",
        )


def secret_problem(value: str, *, one_word: bool) -> str:
    """Tell what is wrong with a secret, without showing it; "" if nothing is."""
    if not value.strip():
        return "is empty: wants the secret"
    if not value.strip().isprintable() or (one_word and " " in value.strip()):
        return "holds a space or a control character: wants the secret alone, on one line"
    if one_word and not value.isascii():
        return "holds a character that no HTTP header can carry: wants the secret as it was issued"
    return ""


def short_problem(value: str) -> str:
    """Tell why a secret that lets others in is too short to be one, without showing it; "" if it is not."""
    if len(value) >= _LEAST_SECRET:
        return ""
    return f"has fewer than {_LEAST_SECRET} characters, and could not even be struck out of the log: wants a long one"


def file_problem(path: str) -> str:
    """Tell why the file at `path` cannot be read; "" if it can."""
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return f"the file {path} cannot be read ({error.strerror}): wants a readable PEM file"
