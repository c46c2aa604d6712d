"""What the address of a list of statements asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.console.statements.views import STATEMENT
from sptenants.reconciliation.records import StatementFilter
from sptenants.reconciliation.states import StatementState


@dataclass(frozen=True, slots=True)
class StatementQuery(ListQuery):
    state: StatementState | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> StatementQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader, state = QueryReader(given), given.get("state")
        return cls(
            base=base,
            now=now,
            state=StatementState(state) if state in set(STATEMENT) else None,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self, tenant_id: str) -> StatementFilter:
        first, last = self.days
        return StatementFilter(state=self.state, tenant_id=tenant_id, first=first, last=last)

    def _own(self) -> dict[str, str | None]:
        return {"state": self.state.value if self.state else None}
