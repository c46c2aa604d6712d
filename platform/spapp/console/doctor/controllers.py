"""The routes of the doctor. Looking costs nothing; running it asks WeChat and is for who may onboard."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.doctor.desk import Examining, doctor_desk
from spapp.console.frame.places import CONSOLE, MAY_ONBOARD, provider_place
from sptenants.registry.access import access


class ConsoleDoctor(Controller):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "doctor_desk": doctor_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/doctor")
    async def provider(self, doctor_desk: Examining) -> Response[str]:
        return await doctor_desk.show_provider()

    @post("/doctor", status_code=200, opt=access("console", *MAY_ONBOARD))
    async def run_provider(self, doctor_desk: Examining) -> Response[Any]:
        return await doctor_desk.run_provider()

    @get("/tenants/{tenant_id:str}/doctor")
    async def tenant(self, tenant_id: FromPath[str], doctor_desk: Examining) -> Response[str]:
        return await doctor_desk.show_tenant(tenant_id)

    @post("/tenants/{tenant_id:str}/doctor", status_code=200, opt=access("console", *MAY_ONBOARD))
    async def run_tenant(self, tenant_id: FromPath[str], doctor_desk: Examining) -> Response[Any]:
        return await doctor_desk.run_tenant(tenant_id)
