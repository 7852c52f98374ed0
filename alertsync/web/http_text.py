"""Writes the HTTP metrics down, quickly: it happens anew at each scrape, with a series for each route, status and bucket.

What a line begins with, the name and the labels, is the same at every scrape, and is made once.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, KeysView, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

_KINDS = ("counter", "histogram")


class Memory:
    """Writes families in text format 0.0.4, and remembers how the lines of each begin."""

    def __init__(self) -> None:
        self._heads: dict[str, str] = {}
        self._begins: dict[tuple[str, ...], str] = {}

    def written(self, families: Iterable[Metric]) -> bytes:
        """Write counters, gauges and histograms."""
        lines: list[str] = []
        for family in families:
            head = self._heads.get(family.name)
            if head is None:
                head = self._heads[family.name] = _head(family.name, family.type, family.documentation)
            lines.append(head)
            for sample in family.samples:
                key = (sample.name, *sample.labels.values())
                begin = self._begins.get(key)
                if begin is None:
                    begin = self._begins[key] = _begin(sample.name, sample.labels)
                lines.append(f"{begin}{_number(sample.value)}\n")
        return "".join(lines).encode()


class _Line(NamedTuple):
    """A line for the value under `key`. Those of buckets add up; with the last of them comes the count, beginning `behind`."""

    begin: str
    key: str
    is_bucket: bool = False
    behind: str = ""


class _Order(NamedTuple):
    """The lines of all values in the order in which they are written, and the keys of these."""

    keys: frozenset[str]
    families: tuple[tuple[str, tuple[_Line, ...]], ...]


class Sum:
    """Writes what all workers have counted in the files of a directory, those that are gone included.

    As prometheus_client's `MultiProcessCollector` would. Gauges are left out: each is told for every process that ever
    was, and the only one says the same for each.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._order = _Order(frozenset(), ())

    def written(self) -> bytes:
        """Add it up and write it in text format 0.0.4."""
        totals, kinds = dict[str, float](), dict[str, str]()
        for kind in _KINDS:
            for path in sorted(self._directory.glob(f"{kind}_*.db")):
                for key, value, *_ in MmapedDict.read_all_values_from_file(path):  # type: ignore[no-untyped-call]  # ships no types
                    totals[key] = totals.get(key, 0.0) + value
            kinds |= dict.fromkeys(totals.keys() - kinds.keys(), kind)
        order = self._order
        if order.keys != totals.keys():
            order = self._order = _ordered(totals.keys(), kinds)
        return "".join(_lines(order, totals)).encode()


def _lines(order: _Order, totals: Mapping[str, float]) -> Iterator[str]:
    for head, lines in order.families:
        yield head
        all_of_them = 0.0
        for begin, key, is_bucket, behind in lines:
            if not is_bucket:
                yield f"{begin}{_number(totals[key])}\n"
                continue
            all_of_them += totals[key]
            yield f"{begin}{_number(all_of_them)}\n"
            if behind:
                yield f"{behind}{_number(all_of_them)}\n"
                all_of_them = 0.0


def _ordered(keys: KeysView[str], kinds: Mapping[str, str]) -> _Order:
    """Put keys in order: family by family, series by series, and the buckets of each by their bound."""
    families: dict[str, tuple[str, list[tuple[tuple[object, ...], _Line]]]] = {}
    for key in keys:
        family, name, labels, about = json.loads(key)
        head, lines = families.setdefault(family, (_head(family, kinds[key], about), []))
        others = {label: value for label, value in labels.items() if label != "le"}
        bound = labels.get("le")
        behind = _begin(f"{family}_count", others) if bound == "+Inf" else ""
        place = (sorted(others.items()), bound is None, float(bound or 0), name)
        lines.append((place, _Line(_begin(name, labels), key, bound is not None, behind)))
        families[family] = (head, lines)
    return _Order(
        frozenset(keys),
        tuple(
            (head, tuple(line for _, line in sorted(lines, key=lambda one: one[0])))
            for _, (head, lines) in sorted(families.items())
        ),
    )


def _head(name: str, kind: str, about: str) -> str:
    name = f"{name}_total" if kind == "counter" else name
    return f"# HELP {name} {_escaped(about)}\n# TYPE {name} {kind}\n"


def _begin(name: str, labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{label}="{_quoted(value)}"' for label, value in sorted(labels.items()))
    return f"{name}{{{pairs}}} " if pairs else f"{name} "


@functools.lru_cache(maxsize=1024)
def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # ships no types
    return text


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
