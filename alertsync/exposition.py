"""A metrics page as it is kept between two runs: plain, and already deflated for those that take gzip.

Prometheus asks for gzip at every scrape, and to compress a series for each of ten thousand alerts anew each time would
cost more than all the rest of the answer. What changes between two runs is small. So the large pages are deflated
once, in pieces that end on a byte, and an answer strings the small piece and the kept ones together into one gzip
member (RFC 1952). Several members would be shorter to write, but browsers show only the first.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGIC = b"alertsync page 1\n"
_LENGTH = struct.Struct(">Q")
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
"""An empty block that says that none follows."""
_TRAILER = struct.Struct("<II")
_LEVEL = 4
"""About as small as any, at a third of the time."""


class Page(msgspec.Struct, frozen=True):
    """A part of a metrics page; `deflated` is the same, as raw deflate blocks that end on a byte and are not the last."""

    plain: bytes = b""
    deflated: bytes = b""


def deflate(plain: bytes) -> Page:
    """Make a page of its text."""
    deflating = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    return Page(plain, deflating.compress(plain) + deflating.flush(zlib.Z_FULL_FLUSH))


def plain(pages: Iterable[Page]) -> bytes:
    """Join pages."""
    return b"".join(page.plain for page in pages)


def gzipped(pages: Iterable[Page]) -> bytes:
    """Join pages as one gzip member."""
    parts, checksum, size = [_GZIP_HEAD], 0, 0
    for page in pages:
        parts.append(page.deflated)
        checksum, size = zlib.crc32(page.plain, checksum), size + len(page.plain)
    return b"".join((*parts, _LAST_BLOCK, _TRAILER.pack(checksum, size & 0xFFFFFFFF)))


def pack(page: Page) -> bytes:
    """Give the content of a file that holds both forms, so that no reader meets one of this run and one of the last."""
    return b"".join((_MAGIC, _LENGTH.pack(len(page.plain)), page.plain, page.deflated))


def unpack(content: bytes) -> Page | None:
    """Give the page that a file holds; None if it is not such a file."""
    begin = len(_MAGIC) + _LENGTH.size
    if len(content) < begin or not content.startswith(_MAGIC):
        return None
    (length,) = _LENGTH.unpack_from(content, len(_MAGIC))
    if begin + length > len(content):
        return None
    return Page(content[begin : begin + length], content[begin + length :])
