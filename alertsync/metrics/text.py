"""Turns metric families into Prometheus's text format, without the global registry that libraries share."""

from __future__ import annotations

import functools
from io import BytesIO
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

_LINES_AT_A_TIME = 500


def buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Give the buckets of a histogram, each with all that fits into it; `counts` has one entry more than `bounds`."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, map(float, accumulate(counts)), strict=True))


def render(families: Iterable[Metric]) -> bytes:
    """Render families in text format 0.0.4: counters, gauges and histograms.

    As `prometheus_client.generate_latest` would, but our names are known to be valid, and it checks each of them in
    every sample of every run.
    """
    return "".join(line for family in families for line in _lines(family)).encode()


def series(family: Metric, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]) -> bytes:
    """Render a family of a great many samples; each row gives the values of its labels, and its own.

    As `render` would, had they been added to the family one by one, which takes several times as long.
    """
    page = BytesIO()
    page.write(_head(family).encode())
    order = sorted(range(len(labels)), key=labels.__getitem__)
    pairs = ",".join(labels[one] + '="%s"' for one in order)
    form = f"{family.name}{{{pairs}}} %s\n"
    lines = (form % (*[_quoted(values[one]) for one in order], _number(value)) for values, value in rows)
    while some := "".join(islice(lines, _LINES_AT_A_TIME)):
        page.write(some.encode())
    return page.getvalue()


def _head(family: Metric) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"# HELP {name} {_escaped(family.documentation)}\n# TYPE {name} {family.type}\n"


def _lines(family: Metric) -> Iterator[str]:
    yield _head(family)
    for sample in family.samples:
        pairs = ",".join(f'{label}="{_quoted(value)}"' for label, value in sorted(sample.labels.items()))
        yield f"{sample.name}{f'{{{pairs}}}' if pairs else ''} {_number(sample.value)}\n"


@functools.lru_cache(maxsize=256)
def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # it has no types
    return text


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    if "\\" in text or "\n" in text or '"' in text:
        return _escaped(text).replace('"', r"\"")
    return text
