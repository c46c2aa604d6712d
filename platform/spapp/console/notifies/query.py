"""What the address of the journal asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.console.notifies.words import KIND
from spapp.web.i18n import N_
from sptenants.notify.records import NotificationFilter


class NotifyTab(StrEnum):
    ALL = "all"
    PROCESSED = "processed"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNMATCHED = "unmatched"
    MISMATCH = "mismatch"
    DEFERRED = "deferred"


TABS = {
    NotifyTab.ALL: N_("全部"),
    NotifyTab.PROCESSED: N_("已处理"),
    NotifyTab.DUPLICATE: N_("重复"),
    NotifyTab.REJECTED: N_("验签失败"),
    NotifyTab.UNMATCHED: N_("未匹配"),
    NotifyTab.MISMATCH: N_("不一致"),
    NotifyTab.DEFERRED: N_("待查单"),
}


@dataclass(frozen=True, slots=True)
class NotifyQuery(ListQuery):
    tab: NotifyTab = NotifyTab.ALL
    kind: str | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> NotifyQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        tab = NotifyTab(given["status"]) if given.get("status") in set(NotifyTab) else NotifyTab.ALL
        kind = given.get("kind")
        return cls(
            base=base,
            now=now,
            tab=tab,
            kind=kind if kind in KIND else None,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> NotificationFilter:
        begin, end = self.period
        return NotificationFilter(
            results=() if self.tab is NotifyTab.ALL else (self.tab.value,),
            kind=self.kind,
            tenant_id=self.tenant,
            number=self.q,
            received_from=begin,
            received_to=end,
        )

    def _tab(self) -> str | None:
        return None if self.tab is NotifyTab.ALL else self.tab.value

    def _own(self) -> dict[str, str | None]:
        return {"kind": self.kind}
