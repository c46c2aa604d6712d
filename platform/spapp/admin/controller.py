"""Orders across all tenants, for the platform's people. Every look leaves an audit row (rule Y4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.models import Role
from spapp.accounts.service import Staff
from spapp.console.choices import provider_choices, tenant_choices
from spapp.console.desk import Desk, OrderDesk
from spapp.console.order_pages import Rights
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from sptenants.orders.reader import OrderReader
from sptenants.orders.service import OrderService
from sptenants.registry.access import RequestFacts, access

_TRANSACTIONS = "/admin/transactions"
_SCOPE = PlatformScope("pages of the platform's people")


async def provide_desk(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    order_reader: NamedDependency[OrderReader],
    orders: NamedDependency[OrderService],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
) -> OrderDesk:
    return OrderDesk(
        request,
        database,
        staff,
        order_reader,
        orders,
        clock.now(),
        scope=_SCOPE,
        base=_TRANSACTIONS,
        heading=N_("跨租户交易"),
        rights=Rights(sees_provider=True),
    )


class AdminController(Controller):
    path = "/admin"
    opt = access("admin", Role.PLATFORM_ADMIN, Role.PLATFORM_AUDITOR)
    dependencies = {"desk": Provide(provide_desk)}  # noqa: RUF012 - the framework reads it from the class
    include_in_schema = False

    @get("/")
    async def home(self) -> Redirect:
        return Redirect(_TRANSACTIONS, status_code=303)

    @get("/transactions")
    async def transactions(self, desk: Desk, database: NamedDependency[Database]) -> Response[str]:
        shown = await desk.read_list()
        query = shown.query
        looked = {"filter": query.as_facts(), "rows": len(shown.page.rows)}
        await _write_down(desk, "orders.listed", looked)
        tenants = await tenant_choices(database, _SCOPE, chosen=query.tenant, provider_id=query.provider)
        providers = await provider_choices(database, _SCOPE, chosen=query.provider)
        return await desk.show_list(
            shown,
            tenants=tenants.options,
            tenant_word=tenants.chosen,
            providers=providers.options,
            provider_word=providers.chosen,
        )

    @get("/transactions/{order_id:str}")
    async def transaction(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        view = await desk.view(order_id)
        await _write_down(desk, "order.viewed", {"rows": 1}, order_id, view.order.tenant_id)
        return await desk.show_order(view)


async def _write_down(
    desk: OrderDesk,
    action: str,
    looked: Mapping[str, Any],
    order_id: str | None = None,
    tenant_id: str | None = None,
) -> None:
    """Record who saw what, committed before anything is shown; when that fails, nothing is shown."""
    facts = RequestFacts.of(desk.request)
    act = Act(
        actor=desk.staff.actor,
        action=action,
        object_kind="order",
        object_id=order_id,
        tenant_id=tenant_id,
        after=looked,
        request_id=facts.request_id,
        peer=facts.peer,
    )
    async with desk.database.write(_SCOPE) as session:
        await record(session, PLATFORM_CHAIN, act, desk.now)
