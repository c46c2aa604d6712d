"""The routes of the kit: the merchant's own, and those of a service provider's tenants."""

from __future__ import annotations

from litestar import Controller, Response, get
from litestar.params import FromPath

from spapp.console.frame.places import CONSOLE, MERCHANT, merchant_place, provider_place, tenant_scope
from spapp.console.frame.workplace import Work
from spapp.console.kit.desk import Kitting, kit_desk


class MerchantKit(Controller):
    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "kit_desk": kit_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/kit")
    async def kit(self, place: Work, kit_desk: Kitting) -> Response[str]:
        return await kit_desk.show(tenant_scope(place.staff).tenant_id, "/m/kit", "/m/kit", tenant_url=None)

    @get("/kit.zip")
    async def download(self, place: Work, kit_desk: Kitting) -> Response[bytes]:
        return await kit_desk.download(tenant_scope(place.staff).tenant_id)


class ConsoleKit(Controller):
    path = "/console/tenants/{tenant_id:str}"
    opt = CONSOLE
    dependencies = {"place": provider_place, "kit_desk": kit_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/kit")
    async def kit(self, tenant_id: FromPath[str], kit_desk: Kitting) -> Response[str]:
        url = f"/console/tenants/{tenant_id}"
        return await kit_desk.show(tenant_id, f"{url}/kit", "/console/tenants", tenant_url=url)

    @get("/kit.zip")
    async def download(self, tenant_id: FromPath[str], kit_desk: Kitting) -> Response[bytes]:
        return await kit_desk.download(tenant_id)
