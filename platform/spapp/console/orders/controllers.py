"""The order pages in the three areas: a provider's tenants, all tenants of the platform, one merchant."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.looking import place_choices, write_down
from spapp.console.frame.places import (
    ADMIN,
    CONSOLE,
    MAY_CLOSE,
    MAY_ONBOARD,
    MAY_SYNC,
    MERCHANT,
    merchant_place,
    platform_place,
    provider_place,
    provider_scope,
)
from spapp.console.orders.attempt import Attempting, attempt_desk
from spapp.console.orders.desk import Desk, order_desk
from spapp.web.i18n import N_
from sptenants.registry.access import access


class ConsoleOrders(Controller):
    path = "/console"
    opt = CONSOLE
    dependencies = {  # noqa: RUF012 - the framework reads it
        "place": provider_place,
        "desk": order_desk(N_("支付订单")),
        "attempt_desk": attempt_desk,
    }
    include_in_schema = False

    @get("/orders")
    async def orders(self, desk: Desk) -> Response[str]:
        shown, place = await desk.read_list(), desk.place
        scope = provider_scope(place.staff)
        tenants = await tenant_choices(
            place.database, scope, chosen=shown.query.tenant, provider_id=scope.provider_id
        )
        return await desk.show_list(shown, tenants=tenants.options, tenant_word=tenants.chosen)

    @get("/orders/{order_id:str}")
    async def order(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        return await desk.show_order(await desk.view(order_id))

    @post("/orders/{order_id:str}/sync", status_code=200, opt=access("console", *MAY_SYNC))
    async def sync(self, order_id: FromPath[str], desk: Desk) -> Response[Any]:
        return await desk.sync(order_id)

    @post("/orders/{order_id:str}/close", status_code=200, opt=access("console", *MAY_CLOSE))
    async def close(self, order_id: FromPath[str], desk: Desk) -> Response[Any]:
        return await desk.close(order_id)

    @post("/orders/{order_id:str}/resend", status_code=200, opt=access("console", *MAY_ONBOARD))
    async def resend(self, order_id: FromPath[str], desk: Desk) -> Response[Any]:
        return await desk.resend(order_id)

    @get("/orders/{order_id:str}/timeline.txt")
    async def text(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        return desk.show_text(await desk.view(order_id))

    @get("/orders/{order_id:str}/attempt", opt=access("console", *MAY_CLOSE))
    async def attempt_form(self, order_id: FromPath[str], attempt_desk: Attempting) -> Response[str]:
        return await attempt_desk.show_form(order_id)

    @post("/orders/{order_id:str}/attempt", status_code=200, opt=access("console", *MAY_CLOSE))
    async def attempt(self, order_id: FromPath[str], attempt_desk: Attempting) -> Response[Any]:
        return await attempt_desk.request(order_id)


class AdminTransactions(Controller):
    """Every look is audited (rule Y4)."""

    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "desk": order_desk(N_("跨租户交易"))}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/transactions")
    async def transactions(self, desk: Desk) -> Response[str]:
        shown = await desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await write_down(desk.place, "orders.listed", "order", looked)
        return await desk.show_list(shown, **await place_choices(desk.place, shown.query))

    @get("/transactions/{order_id:str}")
    async def transaction(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        view = await desk.view(order_id)
        await write_down(desk.place, "order.viewed", "order", {"rows": 1}, order_id, view.order.tenant_id)
        return await desk.show_order(view)

    @get("/transactions/{order_id:str}/timeline.txt")
    async def text(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        view = await desk.view(order_id)
        await write_down(desk.place, "order.viewed", "order", {"rows": 1}, order_id, view.order.tenant_id)
        return desk.show_text(view)


class MerchantOrders(Controller):
    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "desk": order_desk(N_("支付订单"))}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/orders")
    async def orders(self, desk: Desk) -> Response[str]:
        return await desk.show_list(await desk.read_list())

    @get("/orders/{order_id:str}")
    async def order(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        return await desk.show_order(await desk.view(order_id))

    @post("/orders/{order_id:str}/sync", status_code=200)
    async def sync(self, order_id: FromPath[str], desk: Desk) -> Response[Any]:
        return await desk.sync(order_id)

    @post("/orders/{order_id:str}/close", status_code=200)
    async def close(self, order_id: FromPath[str], desk: Desk) -> Response[Any]:
        return await desk.close(order_id)

    @post("/orders/{order_id:str}/resend", status_code=200)
    async def resend(self, order_id: FromPath[str], desk: Desk) -> Response[Any]:
        return await desk.resend(order_id)

    @get("/orders/{order_id:str}/timeline.txt")
    async def text(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        return desk.show_text(await desk.view(order_id))
