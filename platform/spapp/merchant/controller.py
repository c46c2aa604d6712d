"""Pages of a sub-merchant's people: orders, refunds and work list of their one tenant."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import select

from spapp.accounts.models import Role
from spapp.accounts.service import Staff
from spapp.console.anomaly_controller import AnomalyPages
from spapp.console.anomaly_desk import anomaly_desk
from spapp.console.desk import Desk, order_desk
from spapp.console.refund_controller import RefundPages
from spapp.console.refund_desk import Refunding, refund_desk
from spapp.console.workplace import Rights, Workplace
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.registry.access import access
from sptenants.registry.models import Tenant

_ORDERS = "/m/orders"
_ACCESS = access("merchant", Role.MERCHANT_USER)


async def _provide_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
) -> Workplace:
    if staff.provider_id is None or staff.tenant_id is None:
        raise RuntimeError("a merchant's role without its tenant")  # the database refuses such a membership
    scope = TenantScope(staff.provider_id, staff.tenant_id)
    query = select(Tenant.merchant_refunds).where(
        Tenant.provider_id == scope.provider_id, Tenant.id == scope.tenant_id
    )
    async with database.read(scope) as session:
        may_refund = (await session.scalars(query)).one()
    rights = Rights(sync=True, close=True, refund=may_refund, refund_pages=True)
    return Workplace(request, database, staff, clock.now(), scope, "/m", _ORDERS, rights)


_PLACE = Provide(_provide_place)


class MerchantController(Controller):
    path = "/m"
    opt = _ACCESS
    dependencies = {"place": _PLACE, "desk": order_desk(N_("支付订单"))}  # noqa: RUF012 - the framework reads it
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


class MerchantRefunds(RefundPages):
    """Refunding is the service provider's to allow, tenant by tenant; the desk refuses where it is not."""

    path = "/m"
    opt = _ACCESS
    dependencies = {"place": _PLACE, "refund_desk": refund_desk}  # noqa: RUF012 - the framework reads it

    @get("/orders/{order_id:str}/refund")
    async def form(self, order_id: FromPath[str], refund_desk: Refunding) -> Response[str]:
        return await refund_desk.show_form(order_id)

    @post("/orders/{order_id:str}/refund", status_code=200)
    async def request(self, order_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.request(order_id)

    @post("/refunds/{refund_id:str}/sync", status_code=200)
    async def sync_refund(self, refund_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.sync(refund_id)


class MerchantAnomalies(AnomalyPages):
    """The merchant sees what the service provider has to settle, and settles nothing."""

    path = "/m"
    opt = _ACCESS
    dependencies = {"place": _PLACE, "anomaly_desk": anomaly_desk}  # noqa: RUF012 - the framework reads it
