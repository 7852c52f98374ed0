"""Turns metric families into Prometheus's text format, without the global registry that libraries share."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric


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


def _lines(family: Metric) -> Iterator[str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    yield f"# HELP {name} {_escaped(family.documentation)}\n# TYPE {name} {family.type}\n"
    for sample in family.samples:
        pairs = ",".join(f'{label}="{_quoted(value)}"' for label, value in sorted(sample.labels.items()))
        yield f"{sample.name}{f'{{{pairs}}}' if pairs else ''} {floatToGoString(sample.value)}\n"  # type: ignore[no-untyped-call]  # it has no types


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
