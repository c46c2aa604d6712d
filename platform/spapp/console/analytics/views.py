"""The strip of figures above the analysis: the range against as many days before it."""

from __future__ import annotations

from spapp.console.frame.changes import points, relative
from spapp.console.frame.charts import SUCCESS_HINT
from spapp.console.orders.figures import Figure
from spapp.web.i18n import N_
from spapp.web.pages import money, percent
from spcore.errors import Text
from sptenants.orders.sums import Sums


def analysis_strip(now: Sums, before: Sums, days: int) -> tuple[Figure, ...]:
    """Return the five cells."""
    return (
        _compared(
            N_("成功金额"), money(now.paid_amount), now.paid_amount.value, before.paid_amount.value, days
        ),
        _compared(N_("成功笔数"), f"{now.paid_count:,}", now.paid_count, before.paid_count, days),
        _rate(now, before, days),
        Figure(
            N_("退款金额"),
            money(now.refunded_amount),
            Text(
                f"{now.refunded_count:,} 笔订单，退款率 {percent(now.refunded_per_10000)}",
                f"{now.refunded_count:,} orders, {percent(now.refunded_per_10000)} of the paid amount",
            ),
        ),
        Figure(
            N_("需要处理"),
            f"{now.attention:,}",
            Text("状态待核实，或金额、身份异常", "unclear state, amount or identity"),
            alarming=now.attention > 0,
        ),
    )


def _compared(word: str, value: str, now: int, before: int, days: int) -> Figure:
    change = relative(now, before)
    if change is None:
        return Figure(word, value, Text(f"前 {days} 天没有可比的数据", f"Nothing in the {days} days before"))
    text = Text(f"{change.text} 较前 {days} 天", f"{change.text} on the {days} days before")
    return Figure(word, value, text, direction=change.direction)


def _rate(now: Sums, before: Sums, days: int) -> Figure:
    word, value = N_("支付成功率"), percent(now.success_per_10000)
    change = points(now.success_per_10000, before.success_per_10000)
    if change is None:
        text = Text(f"{now.settled_of:,} 笔可统计", f"{now.settled_of:,} orders counted")
        return Figure(word, value, text, hint=SUCCESS_HINT)
    text = Text(f"{change.text} 个百分点，较前 {days} 天", f"{change.text} points on the {days} days before")
    return Figure(word, value, text, direction=change.direction, hint=SUCCESS_HINT)
