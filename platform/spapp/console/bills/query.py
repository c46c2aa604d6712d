"""What the address of the list of bills asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.list_query import ListQuery, QueryReader
from sptenants.bills.records import BillFilter
from sptenants.bills.states import BillState
from wechatpay.bills import BillKind


@dataclass(frozen=True, slots=True)
class BillQuery(ListQuery):
    state: BillState | None = None
    kind: BillKind | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> BillQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        state, kind = given.get("state"), given.get("kind")
        return cls(
            base=base,
            now=now,
            state=BillState(state) if state in set(BillState) else None,
            kind=BillKind(kind) if kind in set(BillKind) else None,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> BillFilter:
        first, last = self.days
        return BillFilter(
            first_day=first, last_day=last, provider_id=self.provider, kind=self.kind, state=self.state
        )

    def _own(self) -> dict[str, str | None]:
        return {
            "state": self.state.value if self.state else None,
            "kind": self.kind.value if self.kind else None,
        }
