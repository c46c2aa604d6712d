"""A tenant's lines of a day's bill as a file: the same for its people and for its server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from spapp.exports.csv import Cell, Column, CsvWriter, Shape
from spapp.web.i18n import Language
from spcore.errors import Text
from sptenants.bills.records import LineRecord

_PIECE = 64 * 1024

COLUMNS: Final = (
    Column(Text("行号", "Line"), Shape.COUNT),
    Column(Text("交易时间", "Time"), Shape.MOMENT),
    Column(Text("交易类型", "Trade type")),
    Column(Text("交易状态", "State")),
    Column(Text("微信订单号", "Transaction"), Shape.NUMBER),
    Column(Text("商户单号", "Out trade no."), Shape.NUMBER),
    Column(Text("订单金额（元）", "Amount (CNY)"), Shape.YUAN),
    Column(Text("应结订单金额（元）", "Settled (CNY)"), Shape.YUAN),
    Column(Text("微信退款单号", "WeChat refund"), Shape.NUMBER),
    Column(Text("商户退款单号", "Out refund no."), Shape.NUMBER),
    Column(Text("申请退款金额（元）", "Refund (CNY)"), Shape.YUAN),
    Column(Text("退款状态", "Refund state")),
    Column(Text("手续费（元）", "Fee (CNY)"), Shape.FEE),
    Column(Text("费率", "Rate")),
    Column(Text("商品名称", "Description")),
)


def cells(line: LineRecord) -> Sequence[Cell]:
    """Return a line as cells of COLUMNS. Who paid is not among them, not even masked."""
    return (
        line.number,
        line.at,
        line.trade_type,
        line.state,
        line.transaction_id,
        line.out_trade_no,
        line.total,
        line.settled,
        line.refund_id,
        line.out_refund_no,
        line.refund_applied if line.is_refund else None,
        line.refund_state,
        line.fee,
        line.rate.text if line.rate is not None else None,
        str(line.extra.get("description", "")),
    )


async def pieces(lines: AsyncIterator[LineRecord], language: Language) -> AsyncIterator[bytes]:
    """Return the whole file, a piece at a time."""
    writer = CsvWriter(COLUMNS, language)
    piece = bytearray(writer.head())
    async for line in lines:
        piece += writer.row(cells(line))
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
