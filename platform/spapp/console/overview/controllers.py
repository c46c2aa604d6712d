"""The routes of the first pages. Sums are no look at a tenant's rows; what they lead to is audited there."""

from __future__ import annotations

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from spapp.console.frame.places import (
    ADMIN,
    CONSOLE,
    MERCHANT,
    merchant_place,
    platform_place,
    provider_place,
)
from spapp.console.overview.desk import Desk, overview_desk
from spapp.health import Health


class ConsoleOverview(Controller):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "overview_desk": overview_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def overview(self, overview_desk: Desk) -> Response[str]:
        return await overview_desk.of_provider()


class AdminOverview(Controller):
    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "overview_desk": overview_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def overview(self, overview_desk: Desk, health: NamedDependency[Health]) -> Response[str]:
        return await overview_desk.of_platform(health)


class MerchantOverview(Controller):
    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "overview_desk": overview_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def overview(self, overview_desk: Desk) -> Response[str]:
        return await overview_desk.of_merchant()
