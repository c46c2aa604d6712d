"""The routes of the catalogue, the same in all three areas; the platform sees what is missing besides."""

from __future__ import annotations

from litestar import Controller, Response, get

from spapp.console.explain.desk import show_catalogue
from spapp.console.frame.looking import write_down
from spapp.console.frame.places import (
    ADMIN,
    CONSOLE,
    MERCHANT,
    PLATFORM_SCOPE,
    merchant_place,
    platform_place,
    provider_place,
)
from spapp.console.frame.workplace import Work
from sptenants.orders.unexplained import unexplained


class ConsoleExplain(Controller):
    path = "/console/explain"
    opt = CONSOLE
    dependencies = {"place": provider_place}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def catalogue(self, place: Work) -> Response[str]:
        return await show_catalogue(place)


class MerchantExplain(Controller):
    path = "/m/explain"
    opt = MERCHANT
    dependencies = {"place": merchant_place}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def catalogue(self, place: Work) -> Response[str]:
        return await show_catalogue(place)


class AdminExplain(Controller):
    """Codes that some tenant was answered are tenants' rows: looking is audited (rule Y4)."""

    path = "/admin/explain"
    opt = ADMIN
    dependencies = {"place": platform_place}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def catalogue(self, place: Work) -> Response[str]:
        missing = await unexplained(place.database, PLATFORM_SCOPE)
        await write_down(place, "unexplained.listed", "unexplained_code", {"rows": len(missing)})
        return await show_catalogue(place, missing)
