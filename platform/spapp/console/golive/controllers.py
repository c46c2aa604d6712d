"""The routes of trial payments and of going live."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.places import CONSOLE, MAY_ONBOARD, provider_place
from spapp.console.golive.desk import GoingLive, golive_desk
from sptenants.registry.access import access

_CHANGES = access("console", *MAY_ONBOARD)


class ConsoleGoLive(Controller):
    path = "/console/tenants/{tenant_id:str}"
    opt = CONSOLE
    dependencies = {"place": provider_place, "golive_desk": golive_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/go-live")
    async def panel(self, tenant_id: FromPath[str], golive_desk: GoingLive) -> Response[str]:
        return await golive_desk.show(tenant_id)

    @post("/go-live", status_code=200, opt=_CHANGES)
    async def go_live(self, tenant_id: FromPath[str], golive_desk: GoingLive) -> Response[Any]:
        return await golive_desk.go_live(tenant_id)

    @post("/trials", status_code=200, opt=_CHANGES)
    async def begin(self, tenant_id: FromPath[str], golive_desk: GoingLive) -> Response[Any]:
        return await golive_desk.begin(tenant_id)

    @get("/trials/{trial_id:str}")
    async def trial(
        self, tenant_id: FromPath[str], trial_id: FromPath[str], golive_desk: GoingLive
    ) -> Response[str]:
        return await golive_desk.show_trial(tenant_id, trial_id)

    @post("/trials/{trial_id:str}/refund", status_code=200, opt=_CHANGES)
    async def refund(
        self, tenant_id: FromPath[str], trial_id: FromPath[str], golive_desk: GoingLive
    ) -> Response[Any]:
        return await golive_desk.refund(tenant_id, trial_id)

    @post("/trials/{trial_id:str}/stop", status_code=200, opt=_CHANGES)
    async def stop(
        self, tenant_id: FromPath[str], trial_id: FromPath[str], golive_desk: GoingLive
    ) -> Response[Any]:
        return await golive_desk.stop(tenant_id, trial_id)

    @get("/certificates/{certificate_id:str}")
    async def certificate(
        self, tenant_id: FromPath[str], certificate_id: FromPath[str], golive_desk: GoingLive
    ) -> Response[str]:
        return await golive_desk.show_certificate(tenant_id, certificate_id)
