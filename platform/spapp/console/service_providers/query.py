"""What the address of the list of all tenants asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.console.frame.words import TENANT
from sptenants.registry.reader import TenantFilter


@dataclass(frozen=True, slots=True)
class TenantQuery(ListQuery):
    status: str | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> TenantQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        status = given["status"] if given.get("status") in TENANT else None
        return cls(base=base, now=now, status=status, **cls.common(reader), faults=tuple(reader.faults))

    def to_filter(self) -> TenantFilter:
        return TenantFilter(status=self.status, q=self.q)

    def _tab(self) -> str | None:
        return self.status
