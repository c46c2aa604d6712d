"""What the address of the work list asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_
from sptenants.anomalies.records import AnomalyFilter, State
from sptenants.orders.disputes import AnomalyKind


class AnomalyTab(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


TABS = {AnomalyTab.OPEN: N_("待处理"), AnomalyTab.RESOLVED: N_("已处理"), AnomalyTab.ALL: N_("全部")}


_STATES: dict[AnomalyTab, State | None] = {
    AnomalyTab.OPEN: "open",
    AnomalyTab.RESOLVED: "resolved",
    AnomalyTab.ALL: None,
}


@dataclass(frozen=True, slots=True)
class AnomalyQuery(ListQuery):
    tab: AnomalyTab = AnomalyTab.OPEN
    kind: AnomalyKind | None = None
    order: str | None = None
    """An order's id, as its page links here."""

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> AnomalyQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        kind = given.get("kind")
        return cls(
            base=base,
            now=now,
            tab=AnomalyTab(given["status"]) if given.get("status") in set(AnomalyTab) else AnomalyTab.OPEN,
            kind=AnomalyKind(kind) if kind in set(AnomalyKind) else None,
            order=reader.text("order"),
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> AnomalyFilter:
        begin, end = self.period
        return AnomalyFilter(
            state=_STATES[self.tab],
            kind=self.kind,
            order_id=self.order or self.q,
            tenant_id=self.tenant,
            provider_id=self.provider,
            created_from=begin,
            created_to=end,
        )

    def _tab(self) -> str | None:
        return None if self.tab is AnomalyTab.OPEN else self.tab.value

    def _own(self) -> dict[str, str | None]:
        return {"kind": self.kind.value if self.kind else None, "order": self.order}
