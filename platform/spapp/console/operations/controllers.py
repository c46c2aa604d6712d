"""The routes of the platform's operations: read by its people, set going again by administrators."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.places import ADMIN, ADMIN_CHANGES, platform_place
from spapp.console.operations.desk import Operations, operations_desk


class OperationPages(Controller):
    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "operations_desk": operations_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/health")
    async def health_page(self, operations_desk: Operations) -> Response[str]:
        return await operations_desk.show_health()

    @get("/jobs")
    async def jobs(self, operations_desk: Operations) -> Response[str]:
        return await operations_desk.show_jobs()

    @post("/jobs/deliveries/{delivery_id:str}/retry", status_code=200, opt=ADMIN_CHANGES)
    async def retry_delivery(self, delivery_id: FromPath[str], operations_desk: Operations) -> Response[Any]:
        return await operations_desk.retry_delivery(delivery_id)

    @post("/jobs/events/{event_id:str}/retry", status_code=200, opt=ADMIN_CHANGES)
    async def retry_event(self, event_id: FromPath[str], operations_desk: Operations) -> Response[Any]:
        return await operations_desk.retry_event(event_id)

    @get("/certificates")
    async def certificates(self, operations_desk: Operations) -> Response[str]:
        return await operations_desk.show_certificates()

    @get("/settings")
    async def settings_page(self, operations_desk: Operations) -> Response[str]:
        return await operations_desk.show_settings()
