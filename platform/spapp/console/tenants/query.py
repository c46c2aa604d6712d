"""What the address of the tenant list asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_
from sptenants.registry.reader import TenantFilter
from sptenants.registry.rules import TenantStatus


class TenantTab(StrEnum):
    ALL = "all"
    ONBOARDING = "onboarding"
    READY = "ready"
    LIVE = "live"
    SUSPENDED = "suspended"
    ATTENTION = "attention"
    CLOSED = "closed"


TABS = {
    TenantTab.ALL: N_("全部"),
    TenantTab.ONBOARDING: N_("接入中"),
    TenantTab.READY: N_("待上线"),
    TenantTab.LIVE: N_("已上线"),
    TenantTab.SUSPENDED: N_("已暂停"),
    TenantTab.ATTENTION: N_("需处理"),
    TenantTab.CLOSED: N_("已关闭"),
}
STATUSES: Mapping[TenantTab, frozenset[str]] = {
    TenantTab.ALL: frozenset(),
    TenantTab.ONBOARDING: frozenset({TenantStatus.DRAFT, TenantStatus.ONBOARDING}),
    TenantTab.READY: frozenset({TenantStatus.READY}),
    TenantTab.LIVE: frozenset({TenantStatus.LIVE}),
    TenantTab.SUSPENDED: frozenset({TenantStatus.SUSPENDED}),
    TenantTab.ATTENTION: frozenset(),
    TenantTab.CLOSED: frozenset({TenantStatus.CLOSED}),
}
"""A draft is being taken in as well; what needs a person is no status."""


@dataclass(frozen=True, slots=True)
class TenantQuery(ListQuery):
    tab: TenantTab = TenantTab.ALL

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> TenantQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        return cls(
            base=base,
            now=now,
            tab=TenantTab(given["status"]) if given.get("status") in set(TenantTab) else TenantTab.ALL,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self, failing: frozenset[str]) -> TenantFilter:
        """`failing` are the tenants with something red in the doctor's results."""
        return TenantFilter(
            statuses=STATUSES[self.tab],
            q=self.q[:64] if self.q else None,
            among=failing if self.tab is TenantTab.ATTENTION else None,
        )

    def _tab(self) -> str | None:
        return None if self.tab is TenantTab.ALL else self.tab.value
