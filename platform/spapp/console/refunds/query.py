"""What the address of a refund list asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_
from sptenants.refunds.filters import RefundFilter
from sptenants.refunds.states import Approval, RefundStatus

S = RefundStatus


class RefundTab(StrEnum):
    ALL = "all"
    WAITING = "waiting"
    """For a second person's word."""
    OPEN = "open"
    SUCCEEDED = "succeeded"
    ABNORMAL = "abnormal"
    FAILED = "failed"


TABS = {
    RefundTab.ALL: N_("全部"),
    RefundTab.WAITING: N_("待批准"),
    RefundTab.OPEN: N_("处理中"),
    RefundTab.SUCCEEDED: N_("退款成功"),
    RefundTab.ABNORMAL: N_("退款异常"),
    RefundTab.FAILED: N_("未退成"),
}
_STATUSES: dict[RefundTab, tuple[RefundStatus, ...]] = {
    RefundTab.OPEN: (S.REQUESTED, S.SUBMITTING, S.PROCESSING),
    RefundTab.SUCCEEDED: (S.SUCCEEDED,),
    RefundTab.ABNORMAL: (S.ABNORMAL,),
    RefundTab.FAILED: (S.REJECTED, S.CLOSED),
}


@dataclass(frozen=True, slots=True)
class RefundQuery(ListQuery):
    tab: RefundTab = RefundTab.ALL

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> RefundQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        tab = RefundTab(given["status"]) if given.get("status") in set(RefundTab) else RefundTab.ALL
        return cls(base=base, now=now, tab=tab, **cls.common(reader), faults=tuple(reader.faults))

    def to_filter(self) -> RefundFilter:
        begin, end = self.period
        return RefundFilter(
            statuses=_STATUSES.get(self.tab, ()),
            approval=Approval.WAITING if self.tab is RefundTab.WAITING else None,
            tenant_id=self.tenant,
            number=self.q,
            created_from=begin,
            created_to=end,
        )

    def _tab(self) -> str | None:
        return None if self.tab is RefundTab.ALL else self.tab.value
