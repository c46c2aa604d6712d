"""Today's five figures, compared with yesterday up to the same whole hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from spapp.console.frame.changes import points, relative
from spapp.console.frame.charts import SUCCESS_HINT
from spapp.console.orders.figures import Figure
from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI, money, percent
from spcore.errors import Text
from sptenants.orders.filters import ReadScope
from sptenants.orders.sums import DAY, Sums, day_of, midnight, sums
from wechatpay.money import Fen

STALE_AFTER = timedelta(minutes=5)
"""Sums are made every minute; older ones mean that the worker stands still."""


@dataclass(frozen=True, slots=True)
class Today:
    """What was taken in today, and by the last whole hour of today and of yesterday."""

    sums: Sums
    by_hour: Sums
    yesterday_by_hour: Sums
    hour: int
    """Of Shanghai; before one o'clock there is nothing to compare."""
    as_of: datetime | None

    def is_stale(self, now: datetime) -> bool:
        return self.as_of is None or now - self.as_of > STALE_AFTER

    def updated(self, now: datetime) -> Text:
        """Return 更新于 14:20, with the date when that was not today."""
        if self.as_of is None:
            return Text("尚未汇总", "Not summed up yet")
        local = self.as_of.astimezone(SHANGHAI)
        shown = f"{local:%H:%M}" if day_of(self.as_of) == day_of(now) else f"{local:%m-%d %H:%M}"
        return Text(f"更新于 {shown}", f"Updated {shown}")


async def read_today(session: AsyncSession, scope: ReadScope, now: datetime) -> Today:
    begin = midnight(day_of(now))
    local = now.astimezone(SHANGHAI)
    hour = local.replace(minute=0, second=0, microsecond=0)
    whole, as_of = await sums(session, scope, begin, begin + DAY)
    by_hour, _ = await sums(session, scope, begin, hour)
    before, _ = await sums(session, scope, begin - DAY, hour - DAY)
    return Today(whole, by_hour, before, local.hour, as_of)


def today_strip(today: Today) -> tuple[Figure, ...]:
    """Return the five cells."""
    now, then, before = today.sums, today.by_hour, today.yesterday_by_hour
    average = Fen(now.paid_amount.value // now.paid_count) if now.paid_count else None
    return (
        _compared(
            N_("成功金额"),
            money(now.paid_amount),
            (then.paid_amount.value, before.paid_amount.value),
            today.hour,
            Text(f"平均每笔 {money(average)}", f"{money(average)} on average")
            if average
            else Text("还没有成功的支付", "No payment yet"),
        ),
        _compared(
            N_("成功笔数"),
            f"{now.paid_count:,}",
            (then.paid_count, before.paid_count),
            today.hour,
            Text(f"共创建 {now.created:,} 笔订单", f"of {now.created:,} orders made"),
        ),
        _rate(now, then, before),
        Figure(
            N_("退款金额"),
            money(now.refunded_amount),
            Text(f"{now.refunded_count:,} 笔订单有退款", f"of {now.refunded_count:,} orders"),
        ),
        Figure(
            N_("需要处理"),
            f"{now.attention:,}",
            Text("今天的订单：待核实或有异常", "of today's orders: unclear or flagged")
            if now.attention
            else Text("今天的订单都正常", "Nothing about today's orders"),
            alarming=now.attention > 0,
        ),
    )


def _compared(word: str, value: str, pair: tuple[int, int], hour: int, otherwise: Text) -> Figure:
    change = relative(*pair)
    if change is None:
        return Figure(word, value, otherwise)
    text = Text(f"{change.text} 较昨日 {hour}:00 前", f"{change.text} on yesterday by {hour}:00")
    return Figure(word, value, text, direction=change.direction)


def _rate(now: Sums, then: Sums, before: Sums) -> Figure:
    word, value, hint = N_("支付成功率"), percent(now.success_per_10000), SUCCESS_HINT
    change = points(then.success_per_10000, before.success_per_10000)
    if change is None:
        text = Text(f"{now.settled_of:,} 笔可统计", f"{now.settled_of:,} orders counted")
        return Figure(word, value, text, hint=hint)
    text = Text(f"{change.text} 个百分点", f"{change.text} points")
    return Figure(word, value, text, direction=change.direction, hint=hint)
