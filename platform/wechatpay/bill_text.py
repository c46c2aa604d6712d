"""The reader of bills: text as it comes in, lines as they are whole, in bounded memory.

Source: wechatpay-v2 4.8, 4.9; wechatpay-v3 5.4; failure catalogue L03, L04, L06.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from wechatpay.bill_layouts import LAYOUTS, BadValue, plain_name
from wechatpay.bill_lines import MAKERS, TICK, LineMaker, summary_of, values_of
from wechatpay.bills import (
    BillKind,
    FundLine,
    FundSummary,
    MalformedBill,
    TradeLine,
    TradeSummary,
)

MAX_LINE_BYTES = 64 * 1024

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: `offset` bytes of the text and `lines` data lines are done with.

    `columns` are the names in the header.
    """

    offset: int
    lines: int
    columns: tuple[str, ...]


class _Expected(Enum):
    """What the next line of the file may be."""

    HEADER = auto()
    DATA = auto()
    """Or the header of the summary."""
    SUMMARY = auto()
    NOTHING = auto()


class BillReader:
    """Reads one bill, fed in pieces that may be cut anywhere, also inside a character.

    With `resume` it goes on where another reader stood: the first piece begins at `resume.offset`. A comma
    inside a merchant's text ends no value, since values are parted by a comma and a back-tick; API v3 writes
    such a comma as a backslash and a blank, which is kept as it is. A line with too many values is mended
    when the surplus can only belong to a text that a merchant chose (商品名称, 备注): whoever puts ",`"
    into the name of a product must not make the bill of a whole provider unreadable.

    Making one and every method raise MalformedBill, after which the reader is of no more use.
    """

    def __init__(self, kind: BillKind, *, resume: Position | None = None) -> None:
        self._kind = kind
        self._layout = LAYOUTS[kind]
        self._pending = b""
        self._expected = _Expected.HEADER
        self._position = Position(0, 0, ())
        self._file_line = 0
        self._make: LineMaker = _no_header
        self._summary_names: tuple[str, ...] = ()
        self._summary: TradeSummary | FundSummary | None = None
        self.unknown_columns: tuple[str, ...] = ()
        """Names in the header that no documented layout has."""
        if resume is not None and resume.columns:
            try:
                self._take_columns(resume.columns)
            except BadValue as error:
                raise MalformedBill(str(error), 1) from None
            self._file_line = resume.lines + 1
            self._position = resume

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the header as they came; none before it was read."""
        return self._position.columns

    @property
    def position(self) -> Position:
        """Where another reader would go on: behind the last data line that was handed out."""
        return self._position

    def feed(self, data: bytes) -> list[TradeLine] | list[FundLine]:
        """Take the next bytes of the text; return the data lines that are whole by now."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._pending += data
            if len(self._pending) > MAX_LINE_BYTES:
                raise MalformedBill("a line is too long", self._file_line + 1)
            return []
        block, self._pending = self._pending + data[:end], data[end:]
        return self._read(block)

    def finish(self) -> TradeSummary | FundSummary:
        """End the text; return its summary line, which must be the last one."""
        if self._pending:
            block, self._pending = self._pending, b""
            self._read(block + b"\n")
        if self._summary is None:
            raise MalformedBill("the text ends without a summary", self._file_line)
        return self._summary

    def _read(self, block: bytes) -> list[Any]:
        lines = self._decoded(block)
        found: list[Any] = []
        number, make, in_data = self._position.lines, self._make, self._expected is _Expected.DATA
        try:
            for index, line in enumerate(lines):
                if in_data and line[:1] == TICK:
                    number += 1
                    found.append(make(number, line))
                    continue
                if in_data:
                    self._take_summary_header(line)
                    self._position = replace(
                        self._position,
                        offset=self._position.offset + _length(block, index),
                        lines=number,
                    )
                else:
                    self._read_frame(line)
                make, in_data = self._make, self._expected is _Expected.DATA
        except BadValue as error:
            raise MalformedBill(str(error), self._file_line + index + 1) from None
        self._file_line += len(lines)
        if self._expected is _Expected.DATA:
            self._position = Position(self._position.offset + len(block), number, self._position.columns)
        return found

    def _decoded(self, block: bytes) -> list[str]:
        """The lines of a block that ends with a line end, without their ends."""
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as error:
            damaged = block.count(b"\n", 0, error.start)
            raise MalformedBill("not UTF-8", self._file_line + damaged + 1) from None
        # No database takes this character, and no bill has it.
        if "\0" in text:
            raise MalformedBill("a zero byte", self._file_line + text[: text.index("\0")].count("\n") + 1)
        lines = text.replace("\r\n", "\n").split("\n")
        lines.pop()
        return lines

    def _read_frame(self, line: str) -> None:
        """Read a line that is no data line: the header, the summary's values, and the blank after them."""
        if self._expected is _Expected.HEADER:
            if line[:1] == TICK:
                raise BadValue("the file does not begin with a header")
            self._take_columns(tuple(line.removeprefix(_BOM).split(",")))
        elif self._expected is _Expected.SUMMARY:
            self._summary = summary_of(self._kind, self._layout, self._summary_names, line)
            self._expected = _Expected.NOTHING
        elif line.strip():
            raise BadValue("something stands behind the summary")

    def _take_columns(self, columns: tuple[str, ...]) -> None:
        names = tuple(plain_name(column) for column in columns)
        if len(set(names)) < len(names):
            raise BadValue("a column occurs twice in the header")
        self._make = MAKERS[self._kind](self._layout, names)
        self.unknown_columns = tuple(
            column.strip() for column, name in zip(columns, names, strict=True) if name not in self._layout
        )
        self._position = Position(0, 0, columns)
        self._expected = _Expected.DATA

    def _take_summary_header(self, line: str) -> None:
        self._summary_names = tuple(plain_name(name) for name in line.split(","))
        if self._layout.counted_by not in self._summary_names:
            raise BadValue("a line is neither of data nor the summary's header")
        self._expected = _Expected.SUMMARY


def ends_with_summary(kind: BillKind, tail: bytes) -> bool:
    """Whether the end of a text has a whole summary; `tail` is its last kilobytes.

    What arrives without a hash may have lost its end, and looks whole otherwise.
    """
    lines = tail.decode("utf-8", errors="replace").rstrip().split("\n")
    if len(lines) < 2 or lines[-1][:1] != TICK:
        return False
    names = tuple(plain_name(name) for name in lines[-2].removeprefix(_BOM).split(","))
    return LAYOUTS[kind].counted_by in names and len(values_of(lines[-1])) == len(names)


def _length(block: bytes, lines: int) -> int:
    """How many bytes the first so many lines of a block take."""
    end = 0
    for _ in range(lines):
        end = block.index(b"\n", end) + 1
    return end


def _no_header(_number: int, _line: str) -> TradeLine:
    raise BadValue("the file does not begin with a header")
