"""CSV as Excel reads it without harm (console-and-api-design section 7, failure catalogue S07).

UTF-8 with a byte order mark, CRLF, amounts like `128.00`, times of Shanghai. A cell that a spreadsheet would
take for a formula gets an apostrophe before it; long numbers get a back-tick, as in WeChat's own bills, so
that they are not shown as 4.2E+27.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from spapp.web.i18n import Language, said
from spapp.web.pages import SHANGHAI
from spcore.errors import Text
from wechatpay.money import Fen

Cell: TypeAlias = str | int | Fen | datetime | Text | None

BOM = b"\xef\xbb\xbf"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_BLANK = " \u00a0\u3000\n\ufeff"
"""What a spreadsheet may cut off before it looks at the first character."""


class Shape(StrEnum):
    """What stands in a column."""

    TEXT = "text"
    NUMBER = "number"
    """Digits, or digits and letters, that are no amount: order numbers, merchant numbers."""
    YUAN = "yuan"
    """`Fen`, or whole fen that may be below zero, shown in yuan without separators."""
    FEE = "fee"
    """Thousandths of a fen, shown in yuan with five decimals as bills write them."""
    COUNT = "count"
    MOMENT = "moment"
    """An aware moment, shown as `2026-11-21 14:32:08` of Shanghai."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the unit belongs into the title, as in 金额（元）."""

    title: Text
    shape: Shape = Shape.TEXT


class CsvWriter:
    """Turns rows of values into bytes of one file: `head()` once, then `row()` each."""

    def __init__(self, columns: Sequence[Column], language: Language) -> None:
        self._columns = tuple(columns)
        self._language = language
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")

    def head(self) -> bytes:
        """Return the byte order mark and the line of titles."""
        return BOM + self._line([safe(said(column.title, self._language)) for column in self._columns])

    def row(self, values: Sequence[Cell]) -> bytes:
        """Return one line. Raises ValueError when it has more or fewer cells than there are columns."""
        pairs = zip(self._columns, values, strict=True)
        return self._line([self._cell(column.shape, value) for column, value in pairs])

    def _cell(self, shape: Shape, value: Cell) -> str:
        match value:
            case None | "":
                return ""
            case Fen():
                return value.yuan
            case datetime():
                return f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
            case int():
                return _yuan(value, _DECIMALS[shape]) if shape in _DECIMALS else str(value)
            case Text():
                return safe(said(value, self._language))
        return f"`{value}" if shape is Shape.NUMBER else safe(value)

    def _line(self, cells: Sequence[str]) -> bytes:
        self._buffer.seek(0)
        self._buffer.truncate()
        self._writer.writerow(cells)
        return self._buffer.getvalue().encode("utf-8", "replace")


def _yuan(value: int, decimals: int) -> str:
    yuan, rest = divmod(abs(value), 10**decimals)
    return f"{'-' if value < 0 else ''}{yuan}.{rest:0{decimals}d}"


_DECIMALS = {Shape.YUAN: 2, Shape.FEE: 5}


def safe(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula."""
    return (
        f"'{text}" if text.lstrip(_BLANK).startswith(_FORMULA) or text.startswith(("\n", "\ufeff")) else text
    )
