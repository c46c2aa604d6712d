"""A bill's file on its way: unpacked, hashed and bounded piece by piece, whoever serves it.

Source: wechatpay-v2 4.8 (one gzip stream), wechatpay-v3 5.3 (hash of the text, not of the file); failure
catalogue G08, L02.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

from wechatpay.bill_text import ends_with_summary
from wechatpay.bills import BillKind, BillProblem, BillUnavailable, Fetched, HashCheck, Sink
from wechatpay.call import CallRecord
from wechatpay.errors import NotSent, UnknownOutcome, WechatPayError

MAX_TEXT_BYTES = 8 * 1024**3
"""Some twenty million lines."""

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
_AT_ONCE = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_TAIL_BYTES = 8 * 1024
_TOO_MANY = 429
_NOT_TRIED = frozenset({"no_certificate", "foreign_certificate", "unusable_certificate"})


class BillFile:
    """Hands the text of a file to a sink. Whether it is packed, its first two bytes say, not what was asked.

    `size` and `sha1` are of the text so far. Both methods raise BillUnavailable: INCOMPLETE for what cannot
    be unpacked, TOO_LARGE for more text than `max_bytes`.
    """

    def __init__(self, sink: Sink, max_bytes: int = MAX_TEXT_BYTES) -> None:
        self._sink = sink
        self._max_bytes = max_bytes
        self._head = b""
        self._unpacking: zlib._Decompress | None = None
        self._packed: bool | None = None
        self._hash = hashlib.sha1(usedforsecurity=False)
        self.size = 0

    @property
    def sha1(self) -> str:
        return self._hash.hexdigest()

    async def take(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        if self._packed is None:
            self._head += data
            if len(self._head) < len(_GZIP):
                return
            data, self._head = self._head, b""
            self._packed = data.startswith(_GZIP)
        if self._packed:
            await self._unpack(data)
        else:
            await self._hand_on(data)

    async def finish(self) -> None:
        """End the file."""
        await self._hand_on(self._head)
        if self._unpacking is not None:
            raise BillUnavailable(BillProblem.INCOMPLETE)

    async def _unpack(self, data: bytes) -> None:
        while data:
            if self._unpacking is None:
                # Also behind another stream: parts of a bill may be packed one by one.
                self._unpacking = zlib.decompressobj(_GZIP_WINDOW)
            unpacking = self._unpacking
            try:
                text = unpacking.decompress(data, _AT_ONCE)
            except zlib.error:
                raise BillUnavailable(BillProblem.INCOMPLETE) from None
            await self._hand_on(text)
            data = unpacking.unconsumed_tail
            if unpacking.eof:
                data, self._unpacking = unpacking.unused_data, None

    async def _hand_on(self, text: bytes) -> None:
        if not text:
            return
        self.size += len(text)
        if self.size > self._max_bytes:
            raise BillUnavailable(BillProblem.TOO_LARGE)
        self._hash.update(text)
        await self._sink(text)


class Unvouched:
    """A sink before a sink, for a text that no hash vouches for: it must look like a bill at both ends."""

    def __init__(self, kind: BillKind, sink: Sink) -> None:
        self._kind = kind
        self._sink = sink
        self._head = b""
        self._tail = b""

    async def __call__(self, text: bytes) -> None:
        """Hand text on. Raises BillUnavailable(UNREACHABLE) for what does not begin as a bill does: with a
        name in Chinese."""
        if len(self._head) <= len(_BOM):
            self._head += text[: len(_BOM) + 1]
            first = self._head.removeprefix(_BOM)[:1]
            if first and first < b"\x80":
                raise BillUnavailable(BillProblem.UNREACHABLE)
        self._tail = (self._tail + text)[-_TAIL_BYTES:]
        await self._sink(text)

    def check_end(self) -> None:
        """Raises BillUnavailable(INCOMPLETE) for a text without its summary."""
        if not ends_with_summary(self._kind, self._tail):
            raise BillUnavailable(BillProblem.INCOMPLETE)


def failed(
    error: WechatPayError | BillUnavailable, call: CallRecord, *, begun: bool, of_file: bool = True
) -> BillUnavailable:
    """What to raise when a call for a bill ended like this; `begun`: some of the file had come by then.

    `of_file` is False for a call that only asks for the file's address.

    Where WeChat told no code, the record gets our own short token for what happened.
    """
    if isinstance(error, BillUnavailable):
        return BillUnavailable(error.problem, error.call or call)
    if call.http_status == _TOO_MANY:
        return BillUnavailable(BillProblem.THROTTLED, call)
    reason = error.reason if isinstance(error, NotSent | UnknownOutcome) else None
    if call.err_code is None:
        call = replace(call, err_code=reason)
    if reason == "oversized" and of_file:
        return BillUnavailable(BillProblem.TOO_LARGE, call)
    if reason == "cut" and begun:
        return BillUnavailable(BillProblem.INCOMPLETE, call)
    if reason in _NOT_TRIED:
        return BillUnavailable(BillProblem.REFUSED, call)
    return BillUnavailable(BillProblem.UNREACHABLE, call)


def nothing_happened(call: CallRecord) -> Fetched:
    """The bill of a day of which WeChat says that there is none."""
    return Fetched(empty=True, size=0, sha1=None, told=None, check=HashCheck.UNTOLD, call=call)
