"""Daily statements: a tenant's list of them, one with its lines, and on paper. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.differences.views import DifferenceView
from spapp.console.frame.workplace import PAGE_SIZE, Work, Workplace
from spapp.console.statements.query import StatementQuery
from spapp.console.statements.terms import proof_of
from spapp.console.statements.views import STATEMENT, LineView, StatementView, statements_url
from spapp.web.pages import page
from spcore.db.keyset import Page
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, Text
from sptenants.bills.line_pages import LinePages
from sptenants.bills.records import LineRecord
from sptenants.reconciliation.intake import day_of_path
from sptenants.reconciliation.rates import AgreedRates
from sptenants.reconciliation.reader import DifferenceReader, StatementReader
from sptenants.reconciliation.records import DifferenceFilter, StatementRecord
from sptenants.registry.caller import TenantProfile
from sptenants.registry.reader import TenantReader

LINES_SHOWN = 50
DIFFERENCES_SHOWN = 50
"""More of one day are on the list of differences."""
LINES_PRINTED = 500


@dataclass(frozen=True, slots=True)
class StatementDesk:
    """`tenant` is whose statements they are: the merchant's own, or one of the service provider's tenants."""

    place: Workplace
    statements: StatementReader
    differences: DifferenceReader
    lines: LinePages
    rates: AgreedRates
    tenants: TenantReader

    async def show_list(self, tenant_id: str) -> Response[str]:
        """Answer with a tenant's statements, newest first. Raises NotFound."""
        tenant = await self._tenant(tenant_id)
        base = statements_url(self.place, tenant_id)
        query = StatementQuery.parse(base, self.place.request.query_params, self.place.now)
        wanted = query.to_filter(tenant_id)
        try:
            found = await self.statements.list(self.place.scope, wanted, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.statements.list(self.place.scope, wanted, PAGE_SIZE)
        return await self.place.show(
            "statements/list.html",
            current=f"{self.place.base}/bills",
            place=self.place,
            tenant=tenant,
            query=query,
            states=STATEMENT.items(),
            rows=[StatementView(self.place, statement) for statement in found.rows],
            next_url=query.next_url(found.next_cursor),
        )

    async def show_statement(self, tenant_id: str, day: str) -> Response[str]:
        """Answer with one day, and a page of its lines. Raises NotFound, also for somebody else's."""
        statement = await self._statement(tenant_id, day)
        faults: tuple[Text, ...] = ()
        cursor = self.place.request.query_params.get("cursor") or None
        try:
            lines = await self._lines(statement, LINES_SHOWN, cursor)
        except InvalidInput as refusal:
            faults, cursor = tuple(fault.text for fault in refusal.faults), None
            lines = await self._lines(statement, LINES_SHOWN, None)
        view = StatementView(self.place, statement)
        return await self.place.show(
            "statements/page.html",
            current=f"{self.place.base}/bills",
            place=self.place,
            list_url=statements_url(self.place, tenant_id),
            faults=faults,
            first_url=view.url if cursor else None,
            next_url=f"{view.url}?cursor={lines.next_cursor}#lines" if lines.next_cursor else None,
            **await self._shown(view, lines),
        )

    async def show_print(self, tenant_id: str, day: str) -> Response[str]:
        """Answer with the statement as a sheet of paper, without menu or buttons. Raises NotFound."""
        statement = await self._statement(tenant_id, day)
        lines = await self._lines(statement, LINES_PRINTED, None)
        shown = await self._shown(StatementView(self.place, statement), lines)
        return page(
            self.place.request,
            "statements/print.html",
            printed_at=self.place.now,
            most=LINES_PRINTED,
            **shown,
        )

    async def _shown(self, view: StatementView, lines: Page[LineRecord]) -> dict[str, Any]:
        statement = view.statement
        wanted = DifferenceFilter(tenant_id=statement.tenant_id, first=statement.day, last=statement.day)
        differences = await self.differences.list(self.place.scope, wanted, DIFFERENCES_SHOWN)
        scope = TenantScope(statement.provider_id, statement.tenant_id)
        return {
            "view": view,
            "statement": statement,
            "proof": proof_of(statement),
            "agreed": await self.rates.on(scope, statement.day),
            "differences": [DifferenceView(self.place, difference) for difference in differences.rows],
            "more_differences": differences.has_more,
            "lines": [LineView(line) for line in lines.rows],
            "more_lines": lines.has_more,
        }

    async def _statement(self, tenant_id: str, day: str) -> StatementRecord:
        return await self.statements.record(self.place.scope, tenant_id, day_of_path(day))

    async def _lines(self, statement: StatementRecord, limit: int, cursor: str | None) -> Page[LineRecord]:
        scope = TenantScope(statement.provider_id, statement.tenant_id)
        return await self.lines.of_tenant(scope, statement.day, limit, cursor)

    async def _tenant(self, tenant_id: str) -> TenantProfile:
        return (await self.tenants.detail(self.place.scope, tenant_id)).tenant


Stating = NamedDependency[SkipValidation[StatementDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_statement_desk(
    place: Work,
    statement_reader: NamedDependency[StatementReader],
    difference_reader: NamedDependency[DifferenceReader],
    line_pages: NamedDependency[LinePages],
    agreed_rates: NamedDependency[AgreedRates],
    tenant_reader: NamedDependency[TenantReader],
) -> StatementDesk:
    return StatementDesk(place, statement_reader, difference_reader, line_pages, agreed_rates, tenant_reader)


statement_desk = Provide(_provide_statement_desk, sync_to_thread=False)
