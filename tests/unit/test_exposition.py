"""Metrics pages that are kept deflated: whatever reads gzip must read the same page."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import zlib

from hypothesis import given
from hypothesis import strategies as st

from alertsync import exposition


@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_the_pages_as_gzip_are_the_pages(texts: list[bytes]) -> None:
    pages = [exposition.deflate(text) for text in texts]
    assert gzip.decompress(exposition.gzipped(pages)) == exposition.plain(pages) == b"".join(texts)


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=3))
def test_it_is_one_member_for_those_that_read_only_the_first(texts: list[bytes]) -> None:
    reading = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    content = exposition.gzipped([exposition.deflate(text) for text in texts])
    assert reading.decompress(content) == b"".join(texts)
    assert reading.eof
    assert reading.unused_data == b""


def test_the_program_gzip_finds_nothing_wrong_with_it() -> None:
    program = shutil.which("gzip")
    assert program is not None
    content = exposition.gzipped([exposition.deflate(b"one\n" * 1000), exposition.deflate(b"two\n")])
    checked = subprocess.run([program, "-dc"], input=content, capture_output=True, check=True)
    assert checked.stdout == b"one\n" * 1000 + b"two\n"
    assert checked.stderr == b""


@given(st.binary(max_size=2000))
def test_a_file_holds_both_forms(text: bytes) -> None:
    page = exposition.deflate(text)
    assert exposition.unpack(exposition.pack(page)) == page


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=30))
def test_what_is_no_such_file_gives_no_page(content: bytes, cut: int) -> None:
    assert exposition.unpack(content) is None
    whole = exposition.pack(exposition.deflate(b"a page of metrics, long enough to be cut"))
    assert exposition.unpack(whole[:cut]) is None
