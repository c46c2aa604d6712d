"""Pages of a sub-merchant's people: the orders of their one tenant."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.models import Role
from spapp.accounts.service import Staff
from spapp.console.desk import Desk, OrderDesk
from spapp.console.order_pages import Rights
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.orders.reader import OrderReader
from sptenants.orders.service import OrderService
from sptenants.registry.access import access

_ORDERS = "/m/orders"


async def provide_desk(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    order_reader: NamedDependency[OrderReader],
    orders: NamedDependency[OrderService],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
) -> OrderDesk:
    if staff.provider_id is None or staff.tenant_id is None:
        raise RuntimeError("a merchant's role without its tenant")  # the database refuses such a membership
    return OrderDesk(
        request,
        database,
        staff,
        order_reader,
        orders,
        clock.now(),
        scope=TenantScope(staff.provider_id, staff.tenant_id),
        base=_ORDERS,
        heading=N_("支付订单"),
        rights=Rights(sync=True, close=True),
    )


class MerchantController(Controller):
    path = "/m"
    opt = access("merchant", Role.MERCHANT_USER)
    dependencies = {"desk": Provide(provide_desk)}  # noqa: RUF012 - the framework reads it from the class
    include_in_schema = False

    @get("/")
    async def home(self) -> Redirect:
        return Redirect(_ORDERS, status_code=303)

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
