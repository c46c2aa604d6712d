"""The routes of exports, the same in all three areas."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post

from spapp.console.exports.desk import Exporting, export_desk
from spapp.console.frame.places import (
    ADMIN,
    MAY_EXPORT,
    MERCHANT,
    merchant_place,
    platform_place,
    provider_place,
)
from sptenants.registry.access import access


class ExportPages(Controller):
    """What all areas have; which file is meant stands behind the question mark."""

    include_in_schema = False

    @get("/exports")
    async def exports(self, export_desk: Exporting) -> Response[str]:
        return await export_desk.show()

    @get("/exports/new")
    async def form(self, export_desk: Exporting) -> Response[str]:
        return await export_desk.show_form()

    @post("/exports", status_code=200)
    async def start(self, export_desk: Exporting) -> Response[Any]:
        return await export_desk.start()

    @get("/exports/file")
    async def file(self, export_desk: Exporting) -> Response[Any]:
        return await export_desk.send()


class ConsoleExports(ExportPages):
    path = "/console"
    opt = access("console", *MAY_EXPORT)
    dependencies = {"place": provider_place, "export_desk": export_desk}  # noqa: RUF012 - the framework reads it


class AdminExports(ExportPages):
    """With a reason each time."""

    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "export_desk": export_desk}  # noqa: RUF012 - the framework reads it


class MerchantExports(ExportPages):
    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "export_desk": export_desk}  # noqa: RUF012 - the framework reads it
