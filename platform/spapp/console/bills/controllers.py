"""The routes of bills: a service provider's own, and those of all providers for the platform's people."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Stream

from spapp.console.bills.desk import Filing, bill_desk
from spapp.console.bills.form import BillForm
from spapp.console.frame.choices import Choice, provider_choices, tenant_choices
from spapp.console.frame.looking import write_down
from spapp.console.frame.places import (
    ADMIN,
    ADMIN_CHANGES,
    CONSOLE,
    MAY_RECONCILE,
    PLATFORM_SCOPE,
    platform_place,
    provider_place,
    provider_scope,
)
from spapp.console.frame.workplace import Work, Workplace
from sptenants.registry.access import access

_CHANGES = access("console", *MAY_RECONCILE)


class ConsoleBills(Controller):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "bill_desk": bill_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/bills")
    async def bills(self, place: Work, bill_desk: Filing) -> Response[str]:
        return await bill_desk.show_list(await bill_desk.read_list(), tenants=await _tenants(place))

    @post("/bills", status_code=200, opt=_CHANGES)
    async def fetch_any(self, place: Work, bill_desk: Filing) -> Response[Any]:
        form = BillForm.read(await place.request.form())
        return await bill_desk.fetch_any(form, tenants=await _tenants(place))

    @get("/bills/{bill_day:str}")
    async def day(self, bill_day: FromPath[str], bill_desk: Filing) -> Response[str]:
        return await bill_desk.show_day(await bill_desk.read_day(bill_day))

    @post("/bills/{bill_day:str}/{bill_id:str}/fetch", status_code=200, opt=_CHANGES)
    async def fetch(
        self, bill_day: FromPath[str], bill_id: FromPath[str], bill_desk: Filing
    ) -> Response[Any]:
        return await bill_desk.fetch_again(bill_day, bill_id)

    @get("/bills/{bill_day:str}/{bill_id:str}/download", opt=_CHANGES)
    async def download(self, bill_day: FromPath[str], bill_id: FromPath[str], bill_desk: Filing) -> Stream:
        return await bill_desk.download(bill_day, bill_id)


class AdminBills(Controller):
    """Every look is audited (rule Y4)."""

    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "bill_desk": bill_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/bills")
    async def bills(self, place: Work, bill_desk: Filing) -> Response[str]:
        shown = await bill_desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await write_down(place, "bills.listed", "bill", looked)
        providers = await provider_choices(place.database, PLATFORM_SCOPE, chosen=shown.query.provider)
        return await bill_desk.show_list(
            shown, tenants=None, providers=providers.options, provider_word=providers.chosen
        )

    @get("/bills/{bill_day:str}")
    async def day(self, bill_day: FromPath[str], place: Work, bill_desk: Filing) -> Response[str]:
        shown = await bill_desk.read_day(bill_day)
        looked = {"date": bill_day, "provider": shown.provider_id, "rows": len(shown.statements.rows)}
        await write_down(place, "bill.viewed", "bill", looked)
        return await bill_desk.show_day(shown)

    @post("/bills/{bill_day:str}/{bill_id:str}/fetch", status_code=200, opt=ADMIN_CHANGES)
    async def fetch(
        self, bill_day: FromPath[str], bill_id: FromPath[str], bill_desk: Filing
    ) -> Response[Any]:
        return await bill_desk.fetch_again(bill_day, bill_id)


async def _tenants(place: Workplace) -> tuple[Choice, ...]:
    """Return the sub-merchants whose own bill the form offers."""
    scope = provider_scope(place.staff)
    found = await tenant_choices(place.database, scope, chosen=None, provider_id=scope.provider_id)
    return tuple(option for option in found.options if option.number)
