"""The page of the analysis. One desk a request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.analytics.export import VIEWS
from spapp.console.analytics.query import AnalyticsQuery
from spapp.console.analytics.reading import Analysis, analyse
from spapp.console.analytics.views import analysis_strip
from spapp.console.analytics.words import reason_text
from spapp.console.frame.charts import Chart, Plot, daily_chart, most
from spapp.console.frame.looking import place_choices, write_down
from spapp.console.frame.words import REFUND
from spapp.console.frame.workplace import Work, Workplace
from spapp.web.i18n import N_
from sptenants.analytics.delays import Delay


@dataclass(frozen=True, slots=True)
class AnalyticsDesk:
    place: Workplace

    @property
    def base(self) -> str:
        return f"{self.place.base}/analytics"

    async def show(self) -> Response[str]:
        """Answer with the analysis; the look is written down first."""
        place = self.place
        query = AnalyticsQuery.parse(self.base, place.request.query_params, place.now)
        cut = query.cut(place.scope)
        async with place.database.read(place.scope) as session:
            found = await analyse(session, cut, query.before(place.scope), place.now)
        await write_down(place, "analytics.viewed", "order", {"filter": query.as_facts()})
        return await place.show(
            "analytics/page.html",
            current=self.base,
            query=query,
            exports=[(view.word, self._export_url(query, name)) for name, view in VIEWS.items()],
            export_urls={name: self._export_url(query, name) for name in VIEWS},
            figures=analysis_strip(found.total, found.before, len(cut.days)),
            **_parts(found),
            **await place_choices(place, query),
        )

    def _export_url(self, query: AnalyticsQuery, view: str) -> str:
        asked = urlencode({"view": view} | query.as_facts())
        return f"{self.place.base}/exports/new?{urlencode({'kind': 'analytics', 'query': asked})}"


def _parts(found: Analysis) -> dict[str, Any]:
    refusals = sorted(found.refusals.items(), key=lambda one: (one[0][0], one[1]), reverse=True)
    return {
        "found": found,
        "drawn": daily_chart(found.days),
        "delays_drawn": _delays_chart(found.delays),
        "refusals_drawn": _refusals_chart(tuple(found.days), found.refusals),
        "refusals": [(day, reason_text(reason), count) for (day, reason), count in refusals],
        "failures_most": most(reason.count for reason in found.failures),
        "ranking_most": most(row.sums.paid_amount.value for row in found.ranking),
        "refund_rates": sorted(
            (row for row in found.ranking if row.sums.refunded_per_10000),
            key=lambda row: row.sums.refunded_per_10000 or 0,
            reverse=True,
        ),
        "refund_words": REFUND,
    }


def _delays_chart(delays: tuple[Delay, ...]) -> Chart:
    return Chart(
        "delays",
        N_("通知延迟"),
        [delay.day for delay in delays],
        (
            Plot("P95", "ms", "line", [delay.p95_ms for delay in delays]),
            Plot(N_("查单补回"), "count", "bars", [delay.healed for delay in delays], small=True),
        ),
        N_("从微信的支付时间到通知处理完成；微信的时间只精确到秒"),
    )


def _refusals_chart(days: tuple[date, ...], refusals: Counter[tuple[date, str]]) -> Chart:
    by_day = Counter[date]()
    for (day, _reason), count in refusals.items():
        by_day[day] += count
    return Chart(
        "refusals",
        N_("路由拒绝"),
        days,
        (Plot(N_("拒绝次数"), "count", "bars", [by_day[day] for day in days]),),
        N_("接口调用被拒绝，或微信通知验签失败、身份不符、找不到订单"),
    )


Desk = NamedDependency[SkipValidation[AnalyticsDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_analytics_desk(place: Work) -> AnalyticsDesk:
    return AnalyticsDesk(place)


analytics_desk = Provide(_provide_analytics_desk, sync_to_thread=False)
