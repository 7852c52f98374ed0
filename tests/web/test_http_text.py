"""The HTTP metrics are written as prometheus_client would, of one process and summed over the files of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from alertsync.web.http_text import Memory, Sum

if TYPE_CHECKING:
    from pathlib import Path

ODD = 'a "quoted" \\ path\nof two lines, é'
BOUNDS = ("0.005", "0.5", "10.0", "+Inf")


def measured() -> CollectorRegistry:
    """Give a registry that has measured something of each kind."""
    registry = CollectorRegistry()
    took = Histogram("took_seconds", "How long \\ it\ntook.", ("route", "status"), registry=registry)
    took.labels("/b", "200").observe(0.3)
    took.labels(ODD, "404").observe(1e9)
    Counter("seen", "How many.", ("route",), registry=registry).labels("/a").inc(12345678)
    Counter("bare", "Without labels.", registry=registry).inc(0.5)
    Gauge("level", "How high.", registry=registry).set(float("-inf"))
    PlatformCollector(registry=registry)
    return registry


def without_created(page: bytes) -> list[str]:
    """Give the lines of a page, but those on when a series was made: the service has none."""
    return sorted(line for line in page.decode().splitlines() if "_created" not in line)


def test_one_process_is_written_as_its_library_would_and_what_is_new_appears() -> None:
    registry, memory = measured(), Memory()
    assert without_created(memory.written(registry.collect())) == without_created(generate_latest(registry))
    Counter("seen_later", "How many more.", ("b", "a"), registry=registry).labels("1", "2").inc()
    assert without_created(memory.written(registry.collect())) == without_created(generate_latest(registry))


def test_another_number_of_the_same_series_is_written() -> None:
    registry, memory = CollectorRegistry(), Memory()
    counted = Counter("seen", "How many.", ("route",), registry=registry)
    for number in range(1, 4):
        counted.labels("/a").inc()
        assert f'seen_total{{route="/a"}} {number}.0\n'.encode() in memory.written(registry.collect())


def count(directory: Path, worker: int, route: str, *, requests: int) -> None:
    """Count requests of a route in the files of a worker, as prometheus_client does."""
    counted = MmapedDict(str(directory / f"counter_{worker}.db"))  # type: ignore[no-untyped-call]
    took = MmapedDict(str(directory / f"histogram_{worker}.db"))  # type: ignore[no-untyped-call]
    info = MmapedDict(str(directory / f"gauge_all_{worker}.db"))  # type: ignore[no-untyped-call]
    key = mmap_key("seen", "seen_total", ["route"], [route], "How \\ many.")
    counted.write_value(key, float(requests), 0.0)  # type: ignore[no-untyped-call]
    for bound in BOUNDS:
        key = mmap_key("took", "took_bucket", ["route", "le"], [route, bound], "How long.")
        took.write_value(key, float(requests), 0.0)  # type: ignore[no-untyped-call]
    key = mmap_key("took", "took_sum", ["route"], [route], "How long.")
    took.write_value(key, requests / 8, 0.0)  # type: ignore[no-untyped-call]
    key = mmap_key("flask_exporter_info", "flask_exporter_info", ["version"], ["1"], "Information.")
    info.write_value(key, 1.0, 0.0)  # type: ignore[no-untyped-call]
    for one in (counted, took, info):
        one.close()  # type: ignore[no-untyped-call]


def test_several_workers_are_summed_as_their_library_would(tmp_path: Path) -> None:
    summed, library = Sum(tmp_path), CollectorRegistry()
    MultiProcessCollector(library, str(tmp_path))  # type: ignore[no-untyped-call]
    assert summed.written() == b""
    count(tmp_path, 0, "/a", requests=3)
    count(tmp_path, 1, "/a", requests=4)
    for route in (ODD, "/", *(f"/route/{number}" for number in range(40))):
        count(tmp_path, 1, route, requests=1)
        wanted = [
            line for line in generate_latest(library).decode().splitlines() if "flask_exporter" not in line
        ]
        assert sorted(summed.written().decode().splitlines()) == sorted(wanted)
    page = summed.written().decode()
    assert 'seen_total{route="/a"} 7.0\n' in page
    buckets = [line for line in page.splitlines() if line.startswith("took_bucket") and 'route="/a"' in line]
    assert buckets == [
        f'took_bucket{{le="{bound}",route="/a"}} {number}.0'
        for bound, number in zip(BOUNDS, (7, 14, 21, 28), strict=True)
    ]
    assert 'took_count{route="/a"} 28.0\n' in page
    assert page.index("# TYPE seen_total counter") < page.index("# TYPE took histogram")
