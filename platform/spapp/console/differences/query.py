"""What the address of the list of differences asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_
from sptenants.reconciliation.records import DifferenceFilter
from sptenants.reconciliation.states import DifferenceKind, DifferenceState


class DifferenceTab(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


TABS = {DifferenceTab.OPEN: N_("待处理"), DifferenceTab.RESOLVED: N_("已处理"), DifferenceTab.ALL: N_("全部")}

_STATES: dict[DifferenceTab, DifferenceState | None] = {
    DifferenceTab.OPEN: DifferenceState.OPEN,
    DifferenceTab.RESOLVED: DifferenceState.RESOLVED,
    DifferenceTab.ALL: None,
}


@dataclass(frozen=True, slots=True)
class DifferenceQuery(ListQuery):
    """Days are those of the bills; `q` is one of a difference's numbers, whole."""

    tab: DifferenceTab = DifferenceTab.OPEN
    kind: DifferenceKind | None = None
    order: str | None = None
    """An order's id, as its page links here."""

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> DifferenceQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        kind = given.get("kind")
        return cls(
            base=base,
            now=now,
            tab=DifferenceTab(given["status"])
            if given.get("status") in set(DifferenceTab)
            else DifferenceTab.OPEN,
            kind=DifferenceKind(kind) if kind in set(DifferenceKind) else None,
            order=reader.text("order"),
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> DifferenceFilter:
        first, last = self.days
        return DifferenceFilter(
            state=_STATES[self.tab],
            kind=self.kind,
            order_id=self.order,
            number=self.q,
            tenant_id=self.tenant,
            provider_id=self.provider,
            first=first,
            last=last,
        )

    def _tab(self) -> str | None:
        return None if self.tab is DifferenceTab.OPEN else self.tab.value

    def _own(self) -> dict[str, str | None]:
        return {"kind": self.kind.value if self.kind else None, "order": self.order}
