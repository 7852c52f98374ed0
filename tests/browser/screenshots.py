"""Writes the pictures of the README (`make screenshots`): of the demo, as it is, at a moment when there is something to see."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tests.browser.chrome import Browser
from tests.servers import free_port, poll_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGES = ROOT / "docs" / "images"
_STOP_SECONDS = 60
_STORY_SECONDS = 180
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def main() -> None:
    """Run the demo until its story has had something of everything, and take the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with _demo() as root, tempfile.TemporaryDirectory() as directory:
        browser = Browser(Path(directory), root)
        try:
            browser.look(width=1200, height=720, dark=True)
            # What was resolved is seen until the next run, which comes within seconds.
            poll_until(lambda: _found(root), within=_STORY_SECONDS, what="a run finds an inconsistency")
            _take(browser, "inconsistencies", "/inconsistencies?show=all")
            poll_until(lambda: _paged(root), within=_STORY_SECONDS, what="the demo pages again")
            browser.look(width=1200, height=720)
            _take(browser, "now", "/")
            _take(browser, "history", "/history?list=actions")
            browser.look(width=375, height=780, dark=True)
            _take(browser, "now-phone", "/")
        finally:
            browser.close()


@contextlib.contextmanager
def _demo() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "alertsync", "demo", "--port", str(port)]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        demo.terminate()
        demo.wait(_STOP_SECONDS)


def _found(root: str) -> bool:
    """Tell whether the last run found something."""
    return any(one["inconsistent"] for one in _get(f"{root}/grafana-alerts").get("alert_groups", []))


def _paged(root: str) -> bool:
    """Tell whether a page was sent again, and IRM knows of it."""
    actions = _get(f"{root}/api/v1/actions").get("items", [])
    due = _get(f"{root}/readyz").get("attention", {}).get("due", 1)
    return not due and any(one["kind"] == "repage" for one in actions)


def _get(address: str) -> dict[str, Any]:
    with contextlib.suppress(requests.RequestException):
        found: dict[str, Any] = requests.get(address, timeout=5).json()
        return found
    return {}


def _take(browser: Browser, name: str, path: str) -> None:
    browser.open(path)
    picture = smaller(browser.picture())
    (IMAGES / f"{name}.png").write_bytes(picture)
    sys.stdout.write(f"docs/images/{name}.png  {len(picture) // 1024} kB\n")


def smaller(png: bytes) -> bytes:
    """Give the same picture in fewer bytes: its data in one part, packed as tightly as zlib can, and nothing else."""
    head, data, place = b"", b"", len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += length + 12
        if kind == b"IHDR":
            head = _chunk(kind, body)
        elif kind == b"IDAT":
            data += body
    packed = _chunk(b"IDAT", zlib.compress(zlib.decompress(data), 9))
    found = _SIGNATURE + head + packed + _chunk(b"IEND", b"")
    return min(found, png, key=len)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


if __name__ == "__main__":
    main()
