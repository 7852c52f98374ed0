"""Writes the pictures of the README (`make screenshots`): of the demo, as it is, at a moment when there is something to see."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

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
            poll_until(lambda: _paged(root), within=_STORY_SECONDS, what="the demo pages again")
            _take(browser, "now", "/", width=1200, height=720)
            _take(browser, "now-phone", "/", width=375, height=780, dark=True)
            _take(browser, "inconsistencies", "/inconsistencies?show=all", width=1200, height=720, dark=True)
            _take(browser, "history", "/history?list=actions", width=1200, height=720)
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


def _paged(root: str) -> bool:
    """Tell whether a page was sent again, and several runs stand in the history."""
    with contextlib.suppress(requests.RequestException):
        actions = requests.get(f"{root}/api/v1/actions", timeout=5).json()["items"]
        return any(one["kind"] == "repage" for one in actions)
    return False


def _take(browser: Browser, name: str, path: str, *, width: int, height: int, dark: bool = False) -> None:
    browser.look(width=width, height=height, dark=dark)
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
