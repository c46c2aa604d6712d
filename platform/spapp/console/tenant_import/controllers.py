"""The routes of the import page."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post

from spapp.console.frame.places import MAY_ONBOARD, provider_place
from spapp.console.tenant_import.desk import Importing, import_desk
from sptenants.registry.access import access

MAX_BODY = 2_500_000
"""A list of the largest size, carried in a form."""


class TenantImportPages(Controller):
    path = "/console/tenants/import"
    opt = access("console", *MAY_ONBOARD)
    dependencies = {"place": provider_place, "import_desk": import_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def form(self, import_desk: Importing) -> Response[str]:
        return await import_desk.show()

    @get("/template.csv")
    async def template(self, import_desk: Importing) -> Response[bytes]:
        return import_desk.template()

    @post("/", status_code=200, request_max_body_size=MAX_BODY)
    async def take(self, import_desk: Importing) -> Response[Any]:
        return await import_desk.take()
