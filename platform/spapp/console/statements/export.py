"""Lines of a tenant's bills as rows of a file, for the days that the address names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, datetime, timedelta
from urllib.parse import parse_qsl

from spapp.console.statements.query import StatementQuery
from spapp.exports import bill_lines
from spapp.exports.csv import Cell
from spapp.exports.kinds import Export, ExportScope
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import NotFound, Text
from sptenants.bills.line_pages import LinePages
from sptenants.bills.reader import Bookshelf

MOST_DAYS = 92
"""As long as WeChat keeps bills; the last days of a longer span are left out."""


class BillLineExport:
    """The export kind of bill lines: of one tenant, never of a whole service provider."""

    name = "bills"
    title = Text("账单明细", "Bill lines")

    def __init__(self, shelf: Bookshelf, lines: LinePages) -> None:
        self._shelf = shelf
        self._lines = lines

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """Read tenant and days out of the address; see `ExportKind.of`. Raises NotFound without them."""
        asked = StatementQuery.parse("", dict(parse_qsl(query)), now)
        tenant, days = _tenant(scope, asked.tenant), tuple(_days(*asked.days))

        async def count(most: int) -> int:
            counted = 0
            for day in days:
                if counted > most:
                    break
                counted += await self._lines.count(tenant, day, most + 1 - counted)
            return counted

        def rows() -> AsyncIterator[Sequence[Cell]]:
            return self._rows(tenant, days)

        return Export(bill_lines.COLUMNS, asked.as_facts(), count, rows)

    async def _rows(self, tenant: TenantScope, days: Sequence[date]) -> AsyncIterator[Sequence[Cell]]:
        for day in days:
            async for line in self._shelf.tenant_lines(tenant, day):
                yield bill_lines.cells(line)


def _tenant(scope: ExportScope, tenant_id: str | None) -> TenantScope:
    if isinstance(scope, TenantScope):
        return scope
    if isinstance(scope, ProviderScope) and tenant_id is not None:
        return TenantScope(scope.provider_id, tenant_id)
    raise NotFound


def _days(first: date | None, last: date | None) -> Iterator[date]:
    if first is None or last is None:
        raise NotFound
    for place in range(min((last - first).days + 1, MOST_DAYS)):
        yield first + timedelta(days=place)
