"""The routes of daily statements: of each tenant of a service provider, and of the merchant alone."""

from __future__ import annotations

from litestar import Controller, Response, get
from litestar.params import FromPath

from spapp.console.frame.places import CONSOLE, MERCHANT, merchant_place, provider_place, tenant_scope
from spapp.console.frame.workplace import Work
from spapp.console.statements.desk import Stating, statement_desk


class ConsoleStatements(Controller):
    path = "/console/tenants/{tenant_id:str}/statements"
    opt = CONSOLE
    dependencies = {"place": provider_place, "statement_desk": statement_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def statements(self, tenant_id: FromPath[str], statement_desk: Stating) -> Response[str]:
        return await statement_desk.show_list(tenant_id)

    @get("/{statement_day:str}")
    async def statement(
        self, tenant_id: FromPath[str], statement_day: FromPath[str], statement_desk: Stating
    ) -> Response[str]:
        return await statement_desk.show_statement(tenant_id, statement_day)

    @get("/{statement_day:str}/print")
    async def sheet(
        self, tenant_id: FromPath[str], statement_day: FromPath[str], statement_desk: Stating
    ) -> Response[str]:
        return await statement_desk.show_print(tenant_id, statement_day)


class MerchantStatements(Controller):
    """The merchant's own; nothing here names another tenant or the service provider's bill (L05)."""

    path = "/m/bills"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "statement_desk": statement_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def statements(self, place: Work, statement_desk: Stating) -> Response[str]:
        return await statement_desk.show_list(tenant_scope(place.staff).tenant_id)

    @get("/{statement_day:str}")
    async def statement(
        self, statement_day: FromPath[str], place: Work, statement_desk: Stating
    ) -> Response[str]:
        return await statement_desk.show_statement(tenant_scope(place.staff).tenant_id, statement_day)

    @get("/{statement_day:str}/print")
    async def sheet(
        self, statement_day: FromPath[str], place: Work, statement_desk: Stating
    ) -> Response[str]:
        return await statement_desk.show_print(tenant_scope(place.staff).tenant_id, statement_day)
