"""Differences as rows of a file, by the filter of their list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from spapp.console.differences.query import DifferenceQuery
from spapp.exports.csv import Cell, Column, Shape
from spapp.exports.kinds import Export, ExportScope
from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import NotFound, Text
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.reconciliation.records import DifferenceFilter, DifferenceRecord
from sptenants.reconciliation.words import KIND_WORDS, STATE_WORDS, cause_title, words_of

AT_A_TIME = 1000

_OWN = (
    Column(Text("账单日", "Bill date")),
    Column(Text("类型", "Kind")),
    Column(Text("差异", "Difference")),
    Column(Text("特约商户", "Sub-merchant")),
    Column(Text("商户单号", "Out trade no."), Shape.NUMBER),
    Column(Text("商户退款单号", "Out refund no."), Shape.NUMBER),
    Column(Text("微信支付订单号", "WeChat Pay transaction ID"), Shape.NUMBER),
    Column(Text("我方（元）", "Ours (CNY)"), Shape.YUAN),
    Column(Text("微信账单（元）", "Bill (CNY)"), Shape.YUAN),
    Column(Text("差额（元）", "Gap (CNY)"), Shape.YUAN),
    Column(Text("应收手续费（元）", "Fee due (CNY)"), Shape.FEE),
    Column(Text("实收手续费（元）", "Fee charged (CNY)"), Shape.FEE),
    Column(Text("可能的原因", "Probable cause")),
    Column(Text("状态", "State")),
    Column(Text("发现时间", "Found"), Shape.MOMENT),
    Column(Text("处理时间", "Resolved"), Shape.MOMENT),
    Column(Text("处理人", "Resolved by")),
    Column(Text("处理说明", "Note")),
    Column(Text("差异 ID", "Difference ID")),
)
_PROVIDER = (Column(Text("服务商", "Service provider")),)


class DifferenceExport:
    """The export kind of differences; merchants read theirs on the day's statement."""

    name = "differences"
    title = Text("对账差异", "Differences")

    def __init__(self, reader: DifferenceReader) -> None:
        self._reader = reader

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """Read the filter out of the list's address; see `ExportKind.of`."""
        if isinstance(scope, TenantScope):
            raise NotFound
        asked = DifferenceQuery.parse("", dict(parse_qsl(query)), now)
        wanted = asked.to_filter()

        async def count(most: int) -> int:
            counted = 0
            async for _row in self._found(scope, wanted):
                counted += 1
                if counted > most:
                    break
            return counted

        def rows() -> AsyncIterator[Sequence[Cell]]:
            return self._rows(scope, wanted)

        return Export(_columns(scope), asked.as_facts(), count, rows)

    async def _rows(self, scope: ExportScope, wanted: DifferenceFilter) -> AsyncIterator[Sequence[Cell]]:
        async for difference in self._found(scope, wanted):
            cells = _cells(difference)
            yield (*cells, difference.provider_name) if isinstance(scope, PlatformScope) else cells

    async def _found(self, scope: ExportScope, wanted: DifferenceFilter) -> AsyncIterator[DifferenceRecord]:
        cursor: str | None = None
        while True:
            page = await self._reader.list(scope, wanted, AT_A_TIME, cursor)
            for difference in page.rows:
                yield difference
            if (cursor := page.next_cursor) is None:
                return


def _columns(scope: ExportScope) -> Sequence[Column]:
    return (*_OWN, *_PROVIDER) if isinstance(scope, PlatformScope) else _OWN


def _cells(difference: DifferenceRecord) -> tuple[Cell, ...]:
    sides = (difference.ours, difference.theirs)
    amounts, fees = ((None, None), sides) if difference.is_fee else (sides, (None, None))
    return (
        difference.bill_date.isoformat(),
        KIND_WORDS[difference.kind],
        words_of(difference.detail).title,
        difference.tenant_name,
        difference.out_trade_no,
        difference.out_refund_no,
        difference.transaction_id,
        *amounts,
        None if difference.is_fee else difference.gap,
        *fees,
        cause_title(difference.cause),
        STATE_WORDS[difference.state],
        difference.found_at,
        difference.resolved_at,
        difference.resolved_by,
        difference.note,
        difference.id,
    )
