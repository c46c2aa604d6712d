"""The views of the analysis as files; which one stands as `view` in the address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from urllib.parse import parse_qsl

from sqlalchemy.ext.asyncio import AsyncSession

from spapp.console.analytics.query import AnalyticsQuery
from spapp.console.analytics.reading import read_refusals
from spapp.console.analytics.words import reason_text
from spapp.exports.csv import Cell, Column, Shape
from spapp.exports.kinds import Export, ExportScope
from spapp.web.i18n import N_
from spapp.web.pages import percent
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from spcore.errors import NotFound, Text
from sptenants.analytics.cuts import Cut
from sptenants.analytics.delays import notify_delays
from sptenants.analytics.deliveries import endpoint_records
from sptenants.analytics.failures import failure_reasons
from sptenants.analytics.money_back import large_refunds
from sptenants.analytics.ranking import tenant_ranking
from sptenants.orders.sums import Sums, by_day, day_of

Rows: TypeAlias = Sequence[Sequence[Cell]]

_DAY = Column(Text("日期", "Day"))
_TENANT = Column(Text("特约商户", "Sub-merchant"))
_PAID = (
    Column(Text("成功金额（元）", "Paid (CNY)"), Shape.YUAN),
    Column(Text("成功笔数", "Orders paid"), Shape.COUNT),
    Column(Text("支付成功率", "Success rate")),
    Column(Text("退款金额（元）", "Refunded (CNY)"), Shape.YUAN),
)


@dataclass(frozen=True, slots=True)
class View:
    """One view; `word` is its heading on the page."""

    word: str
    columns: Sequence[Column]
    read: Callable[[AsyncSession, Cut, datetime], Awaitable[Rows]]


def _paid(sums: Sums) -> tuple[Cell, ...]:
    return (sums.paid_amount, sums.paid_count, percent(sums.success_per_10000), sums.refunded_amount)


async def _daily(session: AsyncSession, cut: Cut, _now: datetime) -> Rows:
    days = await by_day(session, cut.scope, cut.first, cut.last, cut.part)
    return [(day.isoformat(), *_paid(sums)) for day, sums in days.items()]


async def _failures(session: AsyncSession, cut: Cut, _now: datetime) -> Rows:
    return [
        (reason.api, reason.code, reason.meaning, reason.count)
        for reason in await failure_reasons(session, cut)
    ]


async def _ranking(session: AsyncSession, cut: Cut, now: datetime) -> Rows:
    return [
        (row.name, row.provider_name, *_paid(row.sums), row.change_percent)
        for row in await tenant_ranking(session, cut, day_of(now), limit=1_000)
    ]


async def _delays(session: AsyncSession, cut: Cut, _now: datetime) -> Rows:
    return [
        (delay.day.isoformat(), delay.notified, delay.p50_ms, delay.p95_ms, delay.healed)
        for delay in await notify_delays(session, cut)
    ]


async def _refunds(session: AsyncSession, cut: Cut, _now: datetime) -> Rows:
    return [
        (refund.created_at, refund.tenant_name, refund.amount, refund.of, refund.id, refund.order_id)
        for refund in await large_refunds(session, cut)
    ]


async def _refusals(session: AsyncSession, cut: Cut, _now: datetime) -> Rows:
    counted = sorted((await read_refusals(session, cut)).items())
    return [(day.isoformat(), reason_text(reason), count) for (day, reason), count in counted]


async def _webhooks(session: AsyncSession, cut: Cut, _now: datetime) -> Rows:
    return [
        (row.tenant_name, row.host, row.delivered, row.failed, row.open, percent(row.success_per_10000))
        for row in await endpoint_records(session, cut)
    ]


_COUNT = Column(Text("次数", "Count"), Shape.COUNT)
VIEWS: Mapping[str, View] = {
    "daily": View(N_("每日成功金额与成功率"), (_DAY, *_PAID), _daily),
    "failures": View(
        N_("下单失败原因"),
        (
            Column(Text("接口", "Operation")),
            Column(Text("微信错误码", "WeChat code")),
            Column(Text("说明", "Meaning")),
            _COUNT,
        ),
        _failures,
    ),
    "ranking": View(
        N_("特约商户排行"),
        (
            _TENANT,
            Column(Text("服务商", "Service provider")),
            *_PAID,
            Column(Text("较四周同星期（%）", "On four weeks (%)"), Shape.COUNT),
        ),
        _ranking,
    ),
    "delays": View(
        N_("通知延迟"),
        (
            _DAY,
            Column(Text("通知笔数", "Notified"), Shape.COUNT),
            Column(Text("P50（毫秒）", "P50 (ms)"), Shape.COUNT),
            Column(Text("P95（毫秒）", "P95 (ms)"), Shape.COUNT),
            Column(Text("查单补回", "Found by query"), Shape.COUNT),
        ),
        _delays,
    ),
    "refunds": View(
        N_("大额退款"),
        (
            Column(Text("申请时间", "Asked at"), Shape.MOMENT),
            _TENANT,
            Column(Text("退款金额（元）", "Refund (CNY)"), Shape.YUAN),
            Column(Text("订单金额（元）", "Order (CNY)"), Shape.YUAN),
            Column(Text("退款 ID", "Refund ID")),
            Column(Text("订单 ID", "Order ID")),
        ),
        _refunds,
    ),
    "refusals": View(N_("路由拒绝"), (_DAY, Column(Text("原因", "Reason")), _COUNT), _refusals),
    "webhooks": View(
        N_("Webhook 成功率"),
        (
            _TENANT,
            Column(Text("端点", "Endpoint")),
            Column(Text("成功", "Delivered"), Shape.COUNT),
            Column(Text("失败", "Failed"), Shape.COUNT),
            Column(Text("进行中", "Under way"), Shape.COUNT),
            Column(Text("成功率", "Success rate")),
        ),
        _webhooks,
    ),
}


class AnalyticsExport:
    """The export kind of the analysis; for the platform alone, as its page is."""

    name = "analytics"
    title = Text("交易分析", "Analysis")

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """See `ExportKind.of`. Raises NotFound for a view that does not exist, or for anybody else."""
        given = dict(parse_qsl(query))
        view = VIEWS.get(given.get("view", "daily"))
        if view is None or not isinstance(scope, PlatformScope):
            raise NotFound
        asked = AnalyticsQuery.parse("", given, now)
        cut, columns = asked.cut(scope), view.columns
        read = view.read

        async def everything() -> Rows:
            async with self._database.read(scope) as session:
                return await read(session, cut, now)

        async def count(most: int) -> int:
            return min(len(await everything()), most)

        async def rows() -> AsyncIterator[Sequence[Cell]]:
            for row in await everything():
                yield row

        facts = asked.as_facts() | {"view": given.get("view", "daily")}
        return Export(columns, facts, count, rows)
