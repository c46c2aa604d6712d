"""The routes of differences: the provider's people settle them, the platform's look."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.differences.desk import Differing, difference_desk
from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.looking import place_choices, write_down
from spapp.console.frame.places import (
    ADMIN,
    CONSOLE,
    MAY_RECONCILE,
    platform_place,
    provider_place,
    provider_scope,
)
from spapp.console.frame.workplace import Work
from sptenants.registry.access import access


class ConsoleDifferences(Controller):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "difference_desk": difference_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/differences")
    async def differences(self, place: Work, difference_desk: Differing) -> Response[str]:
        shown, scope = await difference_desk.read_list(), provider_scope(place.staff)
        tenants = await tenant_choices(
            place.database, scope, chosen=shown.query.tenant, provider_id=scope.provider_id
        )
        return await difference_desk.show_list(shown, tenants=tenants.options, tenant_word=tenants.chosen)

    @get("/differences/{difference_id:str}")
    async def difference(self, difference_id: FromPath[str], difference_desk: Differing) -> Response[str]:
        return await difference_desk.show_difference(await difference_desk.view(difference_id))

    @post("/differences/{difference_id:str}/close", status_code=200, opt=access("console", *MAY_RECONCILE))
    async def close(self, difference_id: FromPath[str], difference_desk: Differing) -> Response[Any]:
        return await difference_desk.close(difference_id)

    @post("/differences/{difference_id:str}/ask", status_code=200, opt=access("console", *MAY_RECONCILE))
    async def ask(self, difference_id: FromPath[str], difference_desk: Differing) -> Response[Any]:
        return await difference_desk.ask_again(difference_id)


class AdminDifferences(Controller):
    """Every look is audited (rule Y4)."""

    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "difference_desk": difference_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/differences")
    async def differences(self, place: Work, difference_desk: Differing) -> Response[str]:
        shown = await difference_desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await write_down(place, "differences.listed", "difference", looked)
        return await difference_desk.show_list(shown, **await place_choices(place, shown.query))

    @get("/differences/{difference_id:str}")
    async def difference(
        self, difference_id: FromPath[str], place: Work, difference_desk: Differing
    ) -> Response[str]:
        view = await difference_desk.view(difference_id)
        tenant_id = view.difference.tenant_id
        await write_down(place, "difference.viewed", "difference", {"rows": 1}, difference_id, tenant_id)
        return await difference_desk.show_difference(view)
