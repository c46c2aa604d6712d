"""The route of the refusals."""

from __future__ import annotations

from litestar import Controller, Response, get

from spapp.console.frame.places import ADMIN, platform_place
from spapp.console.routing.desk import Desk, routing_desk


class AdminRouting(Controller):
    """Every look is audited (rule Y4)."""

    path = "/admin/routing"
    opt = ADMIN
    dependencies = {"place": platform_place, "routing_desk": routing_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def refusals(self, routing_desk: Desk) -> Response[str]:
        return await routing_desk.show()
