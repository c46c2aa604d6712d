"""A bill's text for people: as WeChat sent it, but for the payers."""

from __future__ import annotations

from wechatpay.bill_layouts import masked

_PAYER = "用户标识"
_VALUE = b",`"


class PayerMask:
    """Masks the payer of every line of a text that comes in pieces; a bill without payers stays as it is."""

    def __init__(self) -> None:
        self._rest = b""
        self._column: int | None = None
        self._is_begun = False

    def feed(self, piece: bytes) -> bytes:
        """Return the lines that are complete now."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return b"".join(self._hidden(line) + b"\n" for line in lines)

    def finish(self) -> bytes:
        """Return what is left after the last piece."""
        return self._hidden(self._rest)

    def _hidden(self, line: bytes) -> bytes:
        if not line.startswith(b"`"):
            self._begin(line)
            return line
        if self._column is None:
            return line
        # From the left, so that what a merchant writes into the columns behind shifts nothing.
        values = line.split(_VALUE, self._column + 1)
        if len(values) <= self._column:
            return line
        values[self._column] = masked(values[self._column].decode(errors="replace")).encode()
        return _VALUE.join(values)

    def _begin(self, header: bytes) -> None:
        """Read the header of the lines, once; the summary's own ends them."""
        names = [] if self._is_begun else header.decode(errors="replace").lstrip("\ufeff").strip().split(",")
        self._column = names.index(_PAYER) if _PAYER in names else None
        self._is_begun = True
