"""The routes of saved views, the same in all three areas: saving from a list, and a page to tidy up."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post

from spapp.console.frame.places import (
    ADMIN,
    CONSOLE,
    MERCHANT,
    merchant_place,
    platform_place,
    provider_place,
)
from spapp.console.saved_views.desk import Views, views_desk


class ViewPages(Controller):
    """What all areas have; which view is meant stands in the form, so that no address names one."""

    include_in_schema = False

    @get("/views")
    async def views(self, views_desk: Views) -> Response[str]:
        return await views_desk.show()

    @post("/views", status_code=200)
    async def save(self, views_desk: Views) -> Response[Any]:
        return await views_desk.save()

    @post("/views/rename", status_code=200)
    async def rename(self, views_desk: Views) -> Response[Any]:
        return await views_desk.rename()

    @post("/views/remove", status_code=200)
    async def remove(self, views_desk: Views) -> Response[Any]:
        return await views_desk.remove()


class ConsoleViews(ViewPages):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "views_desk": views_desk}  # noqa: RUF012 - the framework reads it


class AdminViews(ViewPages):
    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "views_desk": views_desk}  # noqa: RUF012 - the framework reads it


class MerchantViews(ViewPages):
    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "views_desk": views_desk}  # noqa: RUF012 - the framework reads it
