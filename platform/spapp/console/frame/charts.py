"""Charts: what `static/charts.js` draws, and the same numbers as the table that stands there without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias

from spapp.web.i18n import N_
from sptenants.orders.sums import Sums

Unit: TypeAlias = Literal["fen", "per10000", "count", "ms"]
SUCCESS_HINT = N_("已支付订单 ÷ 取得预支付的订单，创建不足 30 分钟的订单不计入")


@dataclass(frozen=True, slots=True)
class Plot:
    """One drawing of a chart: one series over the days, None where there is nothing.

    Amounts are fen and rates hundredths of a percent, whole numbers all; the script only puts them into
    words. `small` ones stand below another on the same days.
    """

    word: str
    unit: Unit
    kind: Literal["bars", "line"]
    values: Sequence[int | None]
    small: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    id: str
    title: str
    days: Sequence[date]
    plots: Sequence[Plot]
    hint: str | None = None

    def data(self, words: Sequence[str]) -> Mapping[str, Any]:
        """Return what the script reads; `words` are those of the plots in the reader's language."""
        return {
            "days": [short_day(day) for day in self.days],
            "plots": [
                {
                    "word": word,
                    "unit": plot.unit,
                    "kind": plot.kind,
                    "small": plot.small,
                    "values": list(plot.values),
                }
                for word, plot in zip(words, self.plots, strict=True)
            ],
        }


def daily_chart(days: Mapping[date, Sums]) -> Chart:
    """Return the paid amount of every day, with the success rate below on the same days."""
    return Chart(
        "daily",
        N_("每日成功金额与成功率"),
        tuple(days),
        (
            Plot(N_("成功金额"), "fen", "bars", [day.paid_amount.value for day in days.values()]),
            Plot(
                N_("支付成功率"),
                "per10000",
                "line",
                [day.success_per_10000 for day in days.values()],
                small=True,
            ),
        ),
        SUCCESS_HINT,
    )


def short_day(day: date) -> str:
    """Return `11-08`."""
    return f"{day:%m-%d}"


def most(values: Iterable[int]) -> int:
    """Return what bars are measured by: the largest value, and 1 when all are zero."""
    return max(values, default=0) or 1
