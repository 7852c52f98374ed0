"""How Alertmanager writes things down: fingerprints, quoted labels, matchers, times, durations.

The service under test joins webhooks and API answers by these texts, so the simulator must spell them as
the Go program does, down to the escapes. Facts come from recorded exchanges with Alertmanager 0.25.0 and
0.28.1 and from the sources of prometheus/alertmanager and prometheus/common.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import re2

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_GO_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}
_LAST_BYTE = 0x7F
_LAST_SHORT_RUNE = 0xFFFF
_UNITS = (("w", 604_800_000, True), ("d", 86_400_000, True), ("h", 3_600_000, False), ("m", 60_000, False))
_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\([n"\\])')


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the id of a label set: FNV-1a-64 over sorted ``name 0xff value 0xff``, as 16 hex digits."""
    return _fingerprint(tuple(sorted(labels.items())))


@functools.lru_cache(maxsize=4096)
def _fingerprint(pairs: tuple[tuple[str, str], ...]) -> str:
    digest = _FNV_OFFSET
    for name, value in pairs:
        for byte in (*name.encode(), 0xFF, *value.encode(), 0xFF):
            digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def go_quote(text: str) -> str:
    """Quote a text as Go's ``%q`` does."""
    return '"' + "".join(_go_escape(character) for character in text) + '"'


def _go_escape(character: str) -> str:
    if character in _GO_ESCAPES:
        return _GO_ESCAPES[character]
    if character.isprintable():
        return character
    rune = ord(character)
    if rune < ord(" ") or rune == _LAST_BYTE:
        return f"\\x{rune:02x}"
    return f"\\u{rune:04x}" if rune <= _LAST_SHORT_RUNE else f"\\U{rune:08x}"


def quote_meta(text: str) -> str:
    """Escape a text as Go's ``regexp.QuoteMeta`` does: so a webhook spells its receiver."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def label_set_text(labels: Mapping[str, str]) -> str:
    """Write group labels as the second half of a groupKey: ``{alertname="One", job="db"}``."""
    return "{" + ", ".join(f"{name}={go_quote(value)}" for name, value in sorted(labels.items())) + "}"


def equality_matchers(pairs: Mapping[str, str]) -> list[str]:
    """Write equality matchers, sorted, as configuration and groupKey spell them: ``lab="trunc"``."""
    escapes = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
    return [f'{name}="{value.translate(escapes)}"' for name, value in sorted(pairs.items())]


def route_key(matchers: Mapping[str, str]) -> str:
    """Write the first half of a groupKey: ``{}`` for the root route, ``{}/{lab="trunc"}`` for a child."""
    return "{}/{" + ",".join(equality_matchers(matchers)) + "}" if matchers else "{}"


def api_time(moment: datetime) -> str:
    """Write a time as the HTTP API does: UTC, always three decimals, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def webhook_time(moment: datetime) -> str:
    """Write a time as webhooks do: UTC, up to nine decimals, none when they are zero.

    Python's clock stops at microseconds. A time read from it gets three more digits made up of the others,
    so that readers meet the same length as on the real wire; a time given in milliseconds stays as it is.
    """
    micro = moment.microsecond
    nano = micro * 1000 + (micro * 7919 % 1000 if micro % 1000 else 0)
    fraction = f".{nano:09d}".rstrip("0").rstrip(".")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def parse_time(text: str) -> datetime | None:
    """Read an RFC 3339 time; Go's zero time (year 1) means "not given". ValueError if it is no time."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None if moment.year == 1 else moment


def duration_text(duration: timedelta) -> str:
    """Write a duration as Prometheus does: ``4h``, ``1m30s``, ``5d``; weeks and days only if exact."""
    rest = duration // timedelta(milliseconds=1)
    text = ""
    for unit, size, exact in (*_UNITS, ("s", 1000, False), ("ms", 1, False)):
        if rest >= size and not (exact and rest % size):
            text += f"{rest // size}{unit}"
            rest %= size
    return text or "0s"


@functools.lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Any:  # noqa: ANN401 - re2 ships no types
    """Compile a pattern in Go's regular expression language; ValueError says what is wrong with it."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"error parsing regexp: {reason}") from error


@dataclass(frozen=True)
class Matcher:
    """One condition on a label, of a silence or a filter; regular expressions are fully anchored.

    A label that an alert lacks counts as the empty string.
    """

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def accepts(self, value: str) -> bool:
        """Tell whether this value of the label fulfils the condition."""
        hit = compile_regex(self.value).fullmatch(value) is not None if self.is_regex else self.value == value
        return hit is self.is_equal

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether these labels fulfil the condition."""
        return self.accepts(labels.get(self.name, ""))


def parse_matcher(text: str) -> Matcher:
    """Read one matcher of a ``filter`` parameter; ValueError carries Alertmanager's words."""
    parts = _MATCHER.fullmatch(text)
    if not parts:
        raise ValueError(f"bad matcher format: {text}")
    name, operator, value = parts.groups()
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = quoted[1]
    elif '"' in value:
        raise ValueError(f"matcher value contains unescaped double quote: {value}")
    value = _ESCAPED.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], value)
    matcher = Matcher(name, value, is_regex="~" in operator, is_equal="!" not in operator)
    if matcher.is_regex:
        compile_regex(matcher.value)
    return matcher


def _compare_labels(left: Mapping[str, str], right: Mapping[str, str]) -> int:
    """Order label sets as prometheus/common's ``LabelSet.Before``: the shorter first, then by label."""
    if len(left) != len(right):
        return len(left) - len(right)
    for name in sorted({*left, *right}):
        if name not in left or name not in right:
            return -1 if name not in left else 1
        if left[name] != right[name]:
            return -1 if left[name] < right[name] else 1
    return 0


label_order = functools.cmp_to_key(_compare_labels)


def alert_order(labels: Mapping[str, str]) -> tuple[Any, ...]:
    """Sort key of alerts in a group and in a webhook: by job, by instance, by the whole label set."""
    places = ((name not in labels, labels.get(name, "")) for name in ("job", "instance"))
    return (*places, label_order(labels))


def common_pairs(label_sets: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the pairs that all of these labels or annotations share; empty for none."""
    first, *others = [*label_sets] or [{}]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
