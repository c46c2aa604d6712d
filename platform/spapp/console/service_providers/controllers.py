"""The routes of the platform's pages about service providers and sub-merchants."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.places import ADMIN, ADMIN_CHANGES, platform_place
from spapp.console.service_providers.desk import ProviderDesk, providers_desk


class ProviderPages(Controller):
    path = "/admin/service-providers"
    opt = ADMIN
    dependencies = {"place": platform_place, "providers_desk": providers_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def providers(self, providers_desk: ProviderDesk) -> Response[str]:
        return await providers_desk.show_providers()

    @get("/new", opt=ADMIN_CHANGES)
    async def form(self, providers_desk: ProviderDesk) -> Response[str]:
        return await providers_desk.show_new()

    @post("/new", status_code=200, opt=ADMIN_CHANGES)
    async def create(self, providers_desk: ProviderDesk) -> Response[Any]:
        return await providers_desk.create()

    @get("/{provider_id:str}")
    async def provider(self, provider_id: FromPath[str], providers_desk: ProviderDesk) -> Response[str]:
        return await providers_desk.show_provider(provider_id)

    @post("/{provider_id:str}/suspend", status_code=200, opt=ADMIN_CHANGES)
    async def suspend(self, provider_id: FromPath[str], providers_desk: ProviderDesk) -> Response[Any]:
        return await providers_desk.set_status(provider_id, "suspended")

    @post("/{provider_id:str}/resume", status_code=200, opt=ADMIN_CHANGES)
    async def resume(self, provider_id: FromPath[str], providers_desk: ProviderDesk) -> Response[Any]:
        return await providers_desk.set_status(provider_id, "active")

    @post("/{provider_id:str}/invite", status_code=200, opt=ADMIN_CHANGES)
    async def invite(self, provider_id: FromPath[str], providers_desk: ProviderDesk) -> Response[Any]:
        return await providers_desk.invite(provider_id)


class AllTenantPages(Controller):
    path = "/admin/tenants"
    opt = ADMIN
    dependencies = {"place": platform_place, "providers_desk": providers_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def tenants(self, providers_desk: ProviderDesk) -> Response[str]:
        return await providers_desk.show_tenants()

    @get("/{tenant_id:str}")
    async def tenant(self, tenant_id: FromPath[str], providers_desk: ProviderDesk) -> Response[str]:
        return await providers_desk.show_tenant(tenant_id)

    @post("/{tenant_id:str}/suspend", status_code=200, opt=ADMIN_CHANGES)
    async def suspend_tenant(self, tenant_id: FromPath[str], providers_desk: ProviderDesk) -> Response[Any]:
        return await providers_desk.set_tenant_status(tenant_id, "suspended")

    @post("/{tenant_id:str}/resume", status_code=200, opt=ADMIN_CHANGES)
    async def resume_tenant(self, tenant_id: FromPath[str], providers_desk: ProviderDesk) -> Response[Any]:
        return await providers_desk.set_tenant_status(tenant_id, "live")
