"""What the address of the refusals asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from spapp.console.frame.list_query import DAY, ListQuery, QueryReader
from spapp.refusals.reader import RefusalFilter
from spapp.refusals.reasons import Reason
from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI
from sptenants.analytics.cuts import Cut
from sptenants.analytics.refused import RefusedResult
from sptenants.orders.filters import ReadScope
from sptenants.orders.sums import Part

_FIRST_DAY = date(2000, 1, 1)


class RoutingTab(StrEnum):
    NOTIFIES = "notifies"
    CALLS = "calls"
    STRAYS = "strays"


TABS = {
    RoutingTab.NOTIFIES: N_("微信通知"),
    RoutingTab.CALLS: N_("接口调用"),
    RoutingTab.STRAYS: N_("未知地址"),
}


@dataclass(frozen=True, slots=True)
class RoutingQuery(ListQuery):
    """Without a range the last seven days are meant."""

    default_range: ClassVar[str] = "7d"

    tab: RoutingTab = RoutingTab.NOTIFIES
    result: RefusedResult | None = None
    reason: Reason | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> RoutingQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        tab, result, reason = given.get("status"), given.get("result"), given.get("reason")
        return cls(
            base=base,
            now=now,
            tab=RoutingTab(tab) if tab in set(RoutingTab) else RoutingTab.NOTIFIES,
            result=RefusedResult(result) if result in set(RefusedResult) else None,
            reason=Reason(reason) if reason in set(Reason) else None,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    @property
    def days(self) -> tuple[date, date]:
        """Return the Shanghai days that are meant, both included."""
        begin, end = self.period
        first = begin.astimezone(SHANGHAI).date() if begin else _FIRST_DAY
        last = (end or self.now + DAY).astimezone(SHANGHAI).date() - DAY
        return first, max(first, last)

    def cut(self, scope: ReadScope) -> Cut:
        return Cut(scope, *self.days, Part(self.provider, self.tenant))

    def calls(self) -> RefusalFilter:
        return RefusalFilter(*self.days, self.reason, self.tenant, self.provider)

    def _tab(self) -> str | None:
        return None if self.tab is RoutingTab.NOTIFIES else self.tab.value

    def _own(self) -> dict[str, str | None]:
        return {
            "result": self.result.value if self.result else None,
            "reason": self.reason.value if self.reason else None,
        }
