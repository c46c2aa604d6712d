"""Files of bills: unpacked in bounded portions, to the last byte, and never beyond a limit (G08, L02)."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wechatpay.bill_file import BillFile, Unvouched
from wechatpay.bills import BillKind, BillProblem, BillUnavailable

PORTION = 256 * 1024


class Shelf:
    """Keeps how large each piece was, and what all of them are."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.largest = 0

    async def __call__(self, piece: bytes) -> None:
        self.text += piece
        self.largest = max(self.largest, len(piece))


@pytest.mark.parametrize("size", [0, 1, 2, PORTION - 1, PORTION, PORTION + 1, 5 * PORTION, 3_000_001])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_file_of_any_size_comes_out_whole(size: int, packed: bool) -> None:
    content = b"\xe4" * size
    shelf = Shelf()
    file = BillFile(shelf)
    data = gzip.compress(content) if packed else content
    for at in range(0, len(data), PORTION // 4):
        await file.take(data[at : at + PORTION // 4])
    await file.finish()
    assert bytes(shelf.text) == content
    assert (file.size, file.sha1) == (size, hashlib.sha1(content, usedforsecurity=False).hexdigest())
    assert shelf.largest <= PORTION


@settings(max_examples=50)
@given(cuts=st.lists(st.integers(0, 120), max_size=12).map(sorted))
async def test_pieces_may_be_cut_anywhere(cuts: list[int]) -> None:
    shelf, data = Shelf(), gzip.compress(b"\xe4" * 500) + gzip.compress(b"more")
    file = BillFile(shelf)
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        await file.take(data[start:end])
    await file.finish()
    assert bytes(shelf.text) == b"\xe4" * 500 + b"more"


@pytest.mark.parametrize("packed", [False, True])
async def test_G08_more_text_than_the_limit_is_not_handed_on(packed: bool) -> None:
    shelf, content = Shelf(), b"\xe4" * 50_000_000
    file = BillFile(shelf, max_bytes=1_000_000)
    with pytest.raises(BillUnavailable) as failure:
        await file.take(gzip.compress(content) if packed else content)
    assert failure.value.problem is BillProblem.TOO_LARGE
    assert len(shelf.text) <= 1_000_000


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf<html>", b"<html>", b"\0\0\0\0", b"\xef\xbb\xbf1", b"`1"])
@pytest.mark.parametrize("piece", [1, 100])
async def test_what_does_not_begin_as_a_bill_is_none(text: bytes, piece: int) -> None:
    sink = Unvouched(BillKind.TRADE, Shelf())

    async def whole() -> None:
        for at in range(0, len(text), piece):
            await sink(text[at : at + piece])

    with pytest.raises(BillUnavailable) as failure:
        await whole()
    assert failure.value.problem is BillProblem.UNREACHABLE
