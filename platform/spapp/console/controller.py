"""Pages of a service provider's people: orders of all their tenants."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.models import Role
from spapp.accounts.service import Staff
from spapp.console.choices import tenant_choices
from spapp.console.desk import Desk, order_desk
from spapp.console.workplace import Rights, Workplace
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from sptenants.registry.access import access

READERS = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR, Role.PROVIDER_FINANCE, Role.PROVIDER_VIEWER)
MAY_SYNC = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR, Role.PROVIDER_FINANCE)
MAY_CLOSE = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR)
MAY_REFUND = (Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE)
MAY_RESOLVE = MAY_SYNC

_ORDERS = "/console/orders"


def provider_scope(staff: Staff) -> ProviderScope:
    if staff.provider_id is None:
        raise RuntimeError("a provider's role without its provider")  # the database refuses such a membership
    return ProviderScope(staff.provider_id)


async def _provide_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
) -> Workplace:
    rights = Rights(
        sync=staff.role in MAY_SYNC,
        close=staff.role in MAY_CLOSE,
        refund=staff.role in MAY_REFUND,
        approve=staff.role in MAY_REFUND,
        resolve=staff.role in MAY_RESOLVE,
        refund_pages=True,
        tenant_page=True,
    )
    scope = provider_scope(staff)
    return Workplace(request, database, staff, clock.now(), scope, "/console", _ORDERS, rights)


provider_place = Provide(_provide_place)


class ConsoleController(Controller):
    path = "/console"
    opt = access("console", *READERS)
    dependencies = {"place": provider_place, "desk": order_desk(N_("支付订单"))}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def home(self) -> Redirect:
        return Redirect(_ORDERS, status_code=303)

    @get("/orders")
    async def orders(
        self,
        desk: Desk,
        staff: NamedDependency[Staff],
        database: NamedDependency[Database],
    ) -> Response[str]:
        shown, scope = await desk.read_list(), provider_scope(staff)
        tenants = await tenant_choices(
            database, scope, chosen=shown.query.tenant, provider_id=scope.provider_id
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
