"""The order pages of an area: whose orders, under which addresses, with which rights. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.service import Staff
from spapp.console.order_pages import (
    TIMELINE_FILTERS,
    Notice,
    OrderView,
    Rights,
    counted,
    figure_strip,
    order_lines,
    tab_links,
)
from spapp.console.query import OrderQuery
from spapp.console.shell import show
from spapp.web.pages import AnyRequest, is_htmx, page
from spcore.db.engine import Database
from spcore.db.keyset import Page
from spcore.db.scope import TenantScope
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from sptenants.orders.figures import Count, Figures
from sptenants.orders.filters import ReadScope, Tab
from sptenants.orders.reader import OrderReader, OrderRow
from sptenants.orders.records import OrderRecord
from sptenants.orders.service import OrderService
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import STATUS_WORDS
from sptenants.registry.access import RequestFacts

PAGE_SIZE = 20

_CHANGED = {"HX-Trigger": "order-changed"}
"""Tells the list behind the drawer that it is out of date."""


@dataclass(frozen=True, slots=True)
class OrderList:
    """Everything an order list shows, read before anything is rendered."""

    query: OrderQuery
    page: Page[OrderRow]
    counts: dict[Tab, Count]
    figures: Figures
    figures_before: Figures | None


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """`scope` says whose orders are seen; `base` is the address of the list, one order lies below it."""

    request: AnyRequest
    database: Database
    staff: Staff
    reader: OrderReader
    orders: OrderService
    now: datetime
    scope: ReadScope
    base: str
    heading: str
    rights: Rights

    # --- list ----------------------------------------------------------------------------------------

    async def read_list(self) -> OrderList:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        query = OrderQuery.parse(self.base, self.request.query_params, self.now)
        wanted = query.to_filter()
        try:
            rows = await self.reader.list(self.scope, wanted, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            faults = (*query.faults, *(fault.text for fault in refusal.faults))
            query = replace(query, cursor=None, trail=(), faults=faults)
            rows = await self.reader.list(self.scope, wanted, PAGE_SIZE)
        before = query.day_before()
        return OrderList(
            query=query,
            page=rows,
            counts=await self.reader.tabs(self.scope, wanted),
            figures=await self.reader.figures(self.scope, wanted),
            figures_before=await self.reader.figures(self.scope, before) if before else None,
        )

    async def show_list(self, shown: OrderList, **choices: Any) -> Response[str]:
        """Answer with the list. `choices` are the options of the tenant and provider filters, if any."""
        query = shown.query
        return await show(
            self.request,
            self.database,
            self.staff,
            "orders/list.html",
            heading=self.heading,
            current=self.base,
            query=query,
            searched=query.q or "",
            tabs=tab_links(query, shown.counts),
            figures=figure_strip(shown.figures, shown.figures_before, shown.counts[Tab.ALL]),
            rows=order_lines(query, shown.page.rows),
            total=counted(shown.counts[query.tab]),
            next_url=query.next_url(shown.page.next_cursor),
            **({"tenants": None, "providers": None} | choices),
        )

    # --- one order -----------------------------------------------------------------------------------

    async def view(self, order_id: str, said: Notice | None = None) -> OrderView:
        """Read one order. Raises NotFound, also for somebody else's (rule Y3)."""
        detail = await self.reader.detail(self.scope, order_id)
        return OrderView(f"{self.base}/{order_id}", detail, self.rights, self.now, said)

    async def show_order(self, view: OrderView) -> Response[str]:
        """Answer with the part for the drawer when htmx asks, else with the whole page."""
        context: dict[str, Any] = {
            "view": view,
            "order": view.order,
            "timeline_filters": TIMELINE_FILTERS,
        }
        if is_htmx(self.request):
            return page(self.request, "orders/detail.html", csrf_token=self.staff.csrf_token, **context)
        return await show(
            self.request,
            self.database,
            self.staff,
            "orders/page.html",
            heading=self.heading,
            list_url=self.base,
            current=self.base,
            **context,
        )

    async def sync(self, order_id: str) -> Response[Any]:
        """Ask WeChat what became of the order. Raises NotFound."""

        async def ask(scope: TenantScope) -> Notice | None:
            order = await self.orders.sync(scope, order_id, self.staff.actor)
            return _answer(order)

        return await self._act(order_id, ask)

    async def close(self, order_id: str) -> Response[Any]:
        """Ask for the order to be closed, so that nobody can pay it any more. Raises NotFound."""

        async def ask(scope: TenantScope) -> Notice | None:
            facts = RequestFacts.of(self.request)
            order = await self.orders.close(scope, order_id, self.staff.actor, facts=facts)
            return _closed(order)

        return await self._act(order_id, ask)

    async def _act(
        self, order_id: str, do: Callable[[TenantScope], Awaitable[Notice | None]]
    ) -> Response[Any]:
        """Do it in the order's own tenant and show the order as it is then, or why it was not done.

        Without htmx a success leads back to the page by a redirect, so that reloading does not ask again.
        """
        order = await self.reader.record(self.scope, order_id)
        try:
            notice = await do(TenantScope(order.provider_id, order.tenant_id))
        except NotFound:
            raise
        except DomainError as refusal:
            refused = await self.show_order(await self.view(order_id, Notice("bad", refusal.text)))
            refused.status_code = 422
            return refused
        if not is_htmx(self.request):
            return Redirect(f"{self.base}/{order_id}", status_code=303)
        shown = await self.show_order(await self.view(order_id, notice))
        shown.headers |= _CHANGED
        return shown


Desk = NamedDependency[SkipValidation[OrderDesk]]
"""How handlers ask for the desk that their area provides; it was built by us, so nothing validates it."""


def _answer(order: OrderRecord) -> Notice:
    words = STATUS_WORDS[order.status]
    text = Text(f"已向微信查询，订单状态：{words.zh}。", f"WeChat was asked. The order is {words.en}.")
    return Notice("ok" if order.status is OrderStatus.PAID else "info", text)


def _closed(order: OrderRecord) -> Notice | None:
    """Say what came of it; as long as the close is under way, the page says so by itself."""
    if order.status is OrderStatus.CLOSED:
        return Notice("ok", Text("订单已关闭。", "The order is closed."))
    if order.status is OrderStatus.PAID:
        text = Text(
            "关单前付款用户已完成支付，订单未关闭。", "The payer was faster: the order is paid, not closed."
        )
        return Notice("wait", text)
    return None
