"""Refunds as rows of a file, by the filter of the refund list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from spapp.console.frame.words import REFUND_SOURCE, refund_chip
from spapp.console.refunds.query import RefundQuery
from spapp.exports.csv import Cell, Column, Shape
from spapp.exports.kinds import Export, ExportScope
from spapp.web.i18n import translated
from spcore.db.scope import TenantScope
from spcore.errors import Text
from sptenants.refunds.filters import RefundFilter
from sptenants.refunds.reader import RefundReader, RefundRow

AT_A_TIME = 1000

_OWN = (
    Column(Text("创建时间", "Created"), Shape.MOMENT),
    Column(Text("退款成功时间", "Succeeded"), Shape.MOMENT),
    Column(Text("状态", "State")),
    Column(Text("退款金额（元）", "Refund (CNY)"), Shape.YUAN),
    Column(Text("原支付金额（元）", "Paid (CNY)"), Shape.YUAN),
    Column(Text("商品", "Description")),
    Column(Text("原因", "Reason")),
    Column(Text("来源", "Source")),
    Column(Text("发起人", "Asked for by")),
    Column(Text("商户退款单号", "Out refund no."), Shape.NUMBER),
    Column(Text("微信退款单号", "WeChat refund ID"), Shape.NUMBER),
    Column(Text("商户订单号", "Merchant order no."), Shape.NUMBER),
    Column(Text("商户单号", "Out trade no."), Shape.NUMBER),
    Column(Text("微信支付订单号", "WeChat Pay transaction ID"), Shape.NUMBER),
    Column(Text("退款入账方", "Credited to")),
    Column(Text("退款 ID", "Refund ID")),
)
_TENANT = (
    Column(Text("特约商户", "Sub-merchant")),
    Column(Text("特约商户号", "Sub-merchant ID"), Shape.NUMBER),
)


class RefundExport:
    """The export kind of refunds."""

    name = "refunds"
    title = Text("退款", "Refunds")

    def __init__(self, reader: RefundReader) -> None:
        self._reader = reader

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """Read the filter out of the list's address; see `ExportKind.of`."""
        asked = RefundQuery.parse("", dict(parse_qsl(query)), now)
        wanted = asked.to_filter()

        async def count(most: int) -> int:
            return await self._reader.count(scope, wanted, most + 1)

        def rows() -> AsyncIterator[Sequence[Cell]]:
            return self._rows(scope, wanted)

        columns = _OWN if isinstance(scope, TenantScope) else (*_OWN, *_TENANT)
        return Export(columns, asked.as_facts(), count, rows)

    async def _rows(self, scope: ExportScope, wanted: RefundFilter) -> AsyncIterator[Sequence[Cell]]:
        cursor: str | None = None
        while True:
            page = await self._reader.list(scope, wanted, AT_A_TIME, cursor)
            for row in page.rows:
                yield _cells(scope, row)
            if (cursor := page.next_cursor) is None:
                return


def _cells(scope: ExportScope, row: RefundRow) -> Sequence[Cell]:
    refund = row.refund
    own: tuple[Cell, ...] = (
        refund.created_at,
        refund.succeeded_at,
        translated(refund_chip(refund).word),
        refund.amount,
        refund.total,
        row.description,
        refund.reason,
        translated(REFUND_SOURCE[refund.source]),
        refund.created_by,
        refund.out_refund_no,
        refund.wechat_refund_id,
        row.merchant_order_no,
        refund.out_trade_no,
        refund.transaction_id,
        refund.recv_account,
        refund.id,
    )
    return own if isinstance(scope, TenantScope) else (*own, row.tenant_name, row.sub_mch_id)
