"""CSV that spreadsheets read as it was meant, found out by reading it again (S07)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from spapp.exports.csv import BOM, Cell, Column, CsvWriter, Shape
from spcore.errors import Text
from wechatpay.money import Fen

COLUMNS = (
    Column(Text("商品", "Description")),
    Column(Text("单号", "Number"), Shape.NUMBER),
    Column(Text("金额（元）", "Amount (CNY)"), Shape.YUAN),
    Column(Text("时间", "Time"), Shape.MOMENT),
)


def read(*rows: list[Cell]) -> list[list[str]]:
    writer = CsvWriter(COLUMNS, "zh-CN")
    made = writer.head() + b"".join(writer.row(row) for row in rows)
    assert made.startswith(BOM)
    assert made.endswith(b"\r\n")
    return list(csv.reader(io.StringIO(made[len(BOM) :].decode(), newline="")))


def test_amounts_times_and_numbers_are_written_for_excel() -> None:
    at = datetime(2026, 11, 21, 16, 32, 8, tzinfo=UTC)

    head, row = read(["拿铁", "4200002611202611215530918274", Fen(1_234_567), at])

    assert head == ["商品", "单号", "金额（元）", "时间"]
    assert row == ["拿铁", "`4200002611202611215530918274", "12345.67", "2026-11-22 00:32:08"]


def test_what_is_absent_is_an_empty_cell() -> None:
    assert read(["", None, None, None])[1] == ["", "", "", ""]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_S07_a_formula_is_only_text(first: str) -> None:
    payload = f'{first}HYPERLINK("http://evil.example","x")'

    for typed in (payload, f"  {payload}", f"\u3000{payload}", f"\ufeff{payload}", f"\n{payload}"):
        cell = read([typed, typed, None, None])[1]
        assert cell[0] == f"'{typed}"
        assert cell[1] == f"`{typed}"


def test_S07_separators_and_quotes_stay_inside_their_cell() -> None:
    hostile = 'a,"b"\r\n=1+1;\tc'

    assert read([hostile, None, None, None])[1][0] == hostile


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        CsvWriter(COLUMNS, "en").row(["only one"])
