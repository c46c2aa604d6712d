"""The strip of five figures above an order list, and counts as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI, money
from spcore.errors import Text
from sptenants.orders.figures import Count, Figures
from wechatpay.money import Fen

_RATE = N_("已支付订单 ÷ 取得预支付的订单，创建不足 30 分钟的订单不计入")
_AMONG_NEWEST = Text("按最近 10,000 笔统计", "of the newest 10,000 orders")


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the strip; `direction` is `up` or `dn` for a change against the day before."""

    word: str
    value: str
    note: Text
    direction: str = ""
    alarming: bool = False
    hint: str | None = None


def counted(count: Count) -> str:
    """Return the count as shown: exact up to the cap, above it `≈ 4,241`, or `≈ 1,000+` when nobody knows."""
    if count.about:
        return f"≈ {count.value:,}"
    return f"≈ {count.value:,}+" if count.capped else f"{count.value:,}"


def figure_strip(now: Figures, before: Figures | None, created: Count) -> tuple[Figure, ...]:
    """Return the five cells; `before` is the day before up to the same time, when the list shows today."""
    if now.newest or now.as_of is not None:
        return _of_many(now)
    average = Fen(now.paid_amount.value // now.paid_count) if now.paid_count else None
    made = counted(created)
    return (
        _changed(
            N_("成功金额"),
            money(now.paid_amount),
            Text(f"平均每笔 {money(average)}", f"{money(average)} on average")
            if average
            else Text("还没有成功的支付", "No payment yet"),
            _relative(now.paid_amount.value, before.paid_amount.value) if before else None,
        ),
        _changed(
            N_("成功笔数"),
            f"{now.paid_count:,}",
            Text(f"共创建 {made} 笔订单", f"of {made} orders made"),
            _relative(now.paid_count, before.paid_count) if before else None,
        ),
        Figure(
            N_("支付成功率"),
            _percent(now.success_per_10000),
            Text(f"{now.paid_of:,} 笔可统计", f"{now.paid_of:,} orders counted"),
            hint=_RATE,
        ),
        Figure(
            N_("退款金额"),
            money(now.refunded_amount),
            Text("所选订单的累计退款", "refunded of these orders"),
        ),
        Figure(
            N_("需要处理"),
            f"{now.attention:,}",
            Text("状态待核实，或金额、身份异常", "unclear state, amount or identity")
            if now.attention
            else Text("没有需要处理的订单", "Nothing needs a look"),
            alarming=now.attention > 0,
        ),
    )


def _of_many(now: Figures) -> tuple[Figure, ...]:
    """Return the cells when the figures are not of all orders as they are at this moment, and say so."""
    known = _AMONG_NEWEST if now.as_of is None else _summed(now.as_of)
    return (
        Figure(N_("成功金额"), money(now.paid_amount), known),
        Figure(N_("成功笔数"), f"{now.paid_count:,}", known),
        Figure(
            N_("支付成功率"),
            _percent(now.success_per_10000),
            Text(f"{now.paid_of:,} 笔可统计", f"{now.paid_of:,} orders counted"),
            hint=_RATE,
        ),
        Figure(N_("退款金额"), money(now.refunded_amount), known),
        Figure(N_("需要处理"), f"{now.attention:,}", known, alarming=now.attention > 0),
    )


def _summed(at: datetime) -> Text:
    local = at.astimezone(SHANGHAI)
    return Text(f"汇总至 {local:%H:%M}", f"summed up to {local:%H:%M}")


def _changed(word: str, value: str, otherwise: Text, change: int | None) -> Figure:
    """Show the change in tenths of a percent against the day before, else what there is to say without."""
    if change is None:
        return Figure(word, value, otherwise)
    size = f"{abs(change) // 10}.{abs(change) % 10}%"
    arrow, direction = ("↑", "up") if change > 0 else ("↓", "dn") if change < 0 else ("→", "")
    return Figure(
        word,
        value,
        Text(f"{arrow} {size} 较昨日同时段", f"{arrow} {size} on yesterday by now"),
        direction=direction,
    )


def _relative(now: int, before: int) -> int | None:
    return (now - before) * 1000 // before if before else None


def _percent(per_10000: int | None) -> str:
    if per_10000 is None:
        return "—"
    tenths = (per_10000 + 5) // 10
    return f"{tenths // 10}.{tenths % 10}%"
