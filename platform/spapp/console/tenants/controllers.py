"""The routes of the tenant pages."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.api_keys.desk import key_desk
from spapp.console.frame.places import CONSOLE, MAY_RECONCILE, OWNERS, provider_place
from spapp.console.tenants.desk import Tenants, tenant_desk
from spapp.console.webhooks.desk import webhook_desk
from sptenants.registry.access import access

_ONE = "/{tenant_id:str}"
_BY_OWNERS = access("console", *OWNERS)
_BY_RECONCILERS = access("console", *MAY_RECONCILE)


class TenantPages(Controller):
    path = "/console/tenants"
    opt = CONSOLE
    dependencies = {  # noqa: RUF012 - the framework reads it
        "place": provider_place,
        "webhook_desk": webhook_desk,
        "key_desk": key_desk,
        "tenant_desk": tenant_desk,
    }
    include_in_schema = False

    @get("/")
    async def tenants(self, tenant_desk: Tenants) -> Response[str]:
        return await tenant_desk.show_list()

    @get(_ONE)
    async def tenant(self, tenant_id: FromPath[str], tenant_desk: Tenants) -> Response[str]:
        return await tenant_desk.show(tenant_id)

    @post(f"{_ONE}/status", status_code=200, opt=_BY_OWNERS)
    async def move(self, tenant_id: FromPath[str], tenant_desk: Tenants) -> Response[Any]:
        return await tenant_desk.move(tenant_id)

    @post(f"{_ONE}/settings", status_code=200, opt=_BY_OWNERS)
    async def change_settings(self, tenant_id: FromPath[str], tenant_desk: Tenants) -> Response[Any]:
        return await tenant_desk.change_settings(tenant_id)

    @post(f"{_ONE}/rates", status_code=200, opt=_BY_RECONCILERS)
    async def agree_rate(self, tenant_id: FromPath[str], tenant_desk: Tenants) -> Response[Any]:
        return await tenant_desk.agree_rate(tenant_id)
