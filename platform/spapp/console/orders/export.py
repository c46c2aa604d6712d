"""Orders as rows of a file, by the filter of the order list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from spapp.console.frame.words import MODE, SOURCE, TRADE_TYPE, order_chips
from spapp.console.orders.query import OrderQuery
from spapp.exports.csv import Cell, Column, Shape
from spapp.exports.kinds import Export, ExportScope
from spapp.web.i18n import translated
from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import Text
from sptenants.orders.filters import OrderFilter
from sptenants.orders.reader import OrderReader, OrderRow

AT_A_TIME = 1000

_OWN = (
    Column(Text("创建时间", "Created"), Shape.MOMENT),
    Column(Text("支付时间", "Paid"), Shape.MOMENT),
    Column(Text("状态", "State")),
    Column(Text("金额（元）", "Amount (CNY)"), Shape.YUAN),
    Column(Text("已退款（元）", "Refunded (CNY)"), Shape.YUAN),
    Column(Text("商品", "Description")),
    Column(Text("商户订单号", "Merchant order no."), Shape.NUMBER),
    Column(Text("商户单号", "Out trade no."), Shape.NUMBER),
    Column(Text("微信支付订单号", "WeChat Pay transaction ID"), Shape.NUMBER),
    Column(Text("AppID", "AppID")),
    Column(Text("支付方式", "Way to pay")),
    Column(Text("来源", "Source")),
    Column(Text("订单 ID", "Order ID")),
)
_TENANT = (
    Column(Text("特约商户", "Sub-merchant")),
    Column(Text("特约商户号", "Sub-merchant ID"), Shape.NUMBER),
)
_PROVIDER = (Column(Text("服务商", "Service provider")), Column(Text("环境", "Mode")))


class OrderExport:
    """The export kind of orders."""

    name = "orders"
    title = Text("支付订单", "Orders")

    def __init__(self, reader: OrderReader) -> None:
        self._reader = reader

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """Read the filter out of the list's address; see `ExportKind.of`."""
        asked = OrderQuery.parse("", dict(parse_qsl(query)), now)
        wanted = asked.to_filter()

        async def count(most: int) -> int:
            counted = await self._reader.count(scope, wanted, most)
            return most + 1 if counted.capped else counted.value

        def rows() -> AsyncIterator[Sequence[Cell]]:
            return self._rows(scope, wanted, now)

        return Export(_columns(scope), asked.as_facts(), count, rows)

    async def _rows(
        self, scope: ExportScope, wanted: OrderFilter, now: datetime
    ) -> AsyncIterator[Sequence[Cell]]:
        cursor: str | None = None
        while True:
            page = await self._reader.list(scope, wanted, AT_A_TIME, cursor)
            for row in page.rows:
                yield _cells(scope, row, now)
            if (cursor := page.next_cursor) is None:
                return


def _columns(scope: ExportScope) -> Sequence[Column]:
    if isinstance(scope, TenantScope):
        return _OWN
    return (*_OWN, *_TENANT, *_PROVIDER) if isinstance(scope, PlatformScope) else (*_OWN, *_TENANT)


def _cells(scope: ExportScope, row: OrderRow, now: datetime) -> Sequence[Cell]:
    order = row.order
    states = [translated(chip.word) for chip in order_chips(order, now)]
    own: tuple[Cell, ...] = (
        order.created_at,
        order.paid_at,
        Text(" · ".join(word.zh for word in states), " · ".join(word.en for word in states)),
        order.amount,
        order.refunded_amount,
        order.description,
        order.merchant_order_no,
        order.out_trade_no,
        order.transaction_id,
        order.sub_appid,
        translated(TRADE_TYPE[order.trade_type]),
        translated(SOURCE[order.source]),
        order.id,
    )
    if isinstance(scope, TenantScope):
        return own
    tenant = (row.tenant_name, row.sub_mch_id)
    if isinstance(scope, PlatformScope):
        return (*own, *tenant, row.provider_name, translated(MODE[order.mode]))
    return (*own, *tenant)
