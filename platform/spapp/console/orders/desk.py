"""The order pages of an area: lists, one order, and what can be asked of it. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.enums import MediaType
from litestar.params import SkipValidation

from spapp.console.frame.forms import field
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace
from spapp.console.orders.billed import billed
from spapp.console.orders.figures import counted, figure_strip
from spapp.console.orders.query import OrderQuery
from spapp.console.orders.views import TIMELINE_FILTERS, OrderView, order_lines, tab_links
from spapp.console.saved_views.service import SavedViews
from spapp.console.saved_views.shelf import shelf_of
from spapp.web.pages import Display
from spcore.db.keyset import Page
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, NotFound, Text
from sptenants.orders.figures import Count, Figures
from sptenants.orders.filters import Tab
from sptenants.orders.reader import OrderReader, OrderRow
from sptenants.orders.records import OrderRecord
from sptenants.orders.service import OrderService
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import STATUS_WORDS
from sptenants.refunds.outside import Looked
from sptenants.refunds.reader import RefundReader
from sptenants.refunds.service import RefundService
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.of_orders import Progress, deliveries_of, progress
from sptenants.webhooks.service import Webhooks

MOST_RESENT = 20
"""Deliveries that one press sends again; an order has few, and several only with several endpoints."""


@dataclass(frozen=True, slots=True)
class OrderList:
    """Everything an order list shows, read before anything is rendered."""

    query: OrderQuery
    page: Page[OrderRow]
    counts: dict[Tab, Count]
    figures: Figures
    figures_before: Figures | None
    sent: Mapping[str, Progress]
    """How far webhooks are, by order id."""


@dataclass(frozen=True, slots=True)
class OrderDesk:
    place: Workplace
    reader: OrderReader
    orders: OrderService
    refunds: RefundReader
    refund_service: RefundService
    webhooks: Webhooks
    saved_views: SavedViews
    heading: str

    # --- list ----------------------------------------------------------------------------------------

    async def read_list(self) -> OrderList:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        scope, base = self.place.scope, self.place.orders
        query = OrderQuery.parse(base, self.place.request.query_params, self.place.now)
        wanted = query.to_filter()
        try:
            rows = await self.reader.list(scope, wanted, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            rows = await self.reader.list(scope, wanted, PAGE_SIZE)
        figures = await self.reader.figures(scope, wanted)
        # What is known only up to the last whole sum cannot be compared with the same time of yesterday.
        before = query.day_before() if figures.as_of is None and not figures.newest else None
        tenant_ids = sorted({row.order.tenant_id for row in rows.rows})
        return OrderList(
            query=query,
            page=rows,
            counts=await self.reader.tabs(scope, wanted),
            figures=figures,
            figures_before=await self.reader.figures(scope, before) if before else None,
            sent=await progress(self.place.database, scope, tenant_ids, [row.id for row in rows.rows]),
        )

    async def show_list(self, shown: OrderList, **choices: Any) -> Response[str]:
        """Answer with the list. `choices` are the options of the tenant and provider filters, if any."""
        query = shown.query
        return await self.place.show(
            "orders/list.html",
            place=self.place,
            heading=self.heading,
            current=self.place.orders,
            query=query,
            searched=query.q or "",
            tabs=tab_links(query, shown.counts),
            figures=figure_strip(shown.figures, shown.figures_before, shown.counts[Tab.ALL]),
            rows=order_lines(query, shown.page.rows, shown.sent),
            shelf=await shelf_of(self.place, self.saved_views, "orders", query),
            total=counted(shown.counts[query.tab]),
            next_url=query.next_url(shown.page.next_cursor),
            **({"tenants": None, "providers": None} | choices),
        )

    # --- one order -----------------------------------------------------------------------------------

    async def view(self, order_id: str, said: Notice | None = None) -> OrderView:
        """Read one order with its refunds. Raises NotFound, also for somebody else's (rule Y3)."""
        detail = await self.reader.detail(self.place.scope, order_id)
        refunds = await self.refunds.of_order(self.place.scope, order_id)
        sent = await deliveries_of(self.place.database, self.place.scope, detail.tenant.id, order_id)
        facts = await billed(self.place, detail.order, refunds)
        return OrderView(self.place, detail, tuple(refunds), tuple(sent), said, facts)

    async def show_order(self, view: OrderView) -> Response[str]:
        """Answer with the part for the drawer when htmx asks, else with the whole page."""
        return await self.place.show_detail(
            "orders/detail.html",
            "orders/page.html",
            view=view,
            order=view.order,
            timeline_filters=TIMELINE_FILTERS,
            as_text=view.text(Display.of(self.place.request).language),
            heading=self.heading,
            list_url=self.place.orders,
            current=self.place.orders,
        )

    def show_text(self, view: OrderView) -> Response[str]:
        """Answer with the order as plain text, to be pasted into a ticket."""
        text = view.text(Display.of(self.place.request).language)
        return Response(text, media_type=MediaType.TEXT, headers={"Cache-Control": "no-store"})

    async def resend(self, order_id: str) -> Response[Any]:
        """Send one delivery again, or all that did not arrive, else the latest. Raises NotFound."""
        wanted = field(await self.place.request.form(), "delivery")

        async def ask(scope: TenantScope) -> Notice:
            sent = await deliveries_of(self.place.database, scope, scope.tenant_id, order_id)
            late = [each for each in sent if each.state is not DeliveryState.DELIVERED]
            chosen = [each for each in sent if each.id == wanted] if wanted else late or sent[:1]
            if wanted and not chosen:
                raise NotFound
            for each in chosen[:MOST_RESENT]:
                await self.webhooks.resend(scope, self.place.staff.actor, each.id, self.place.facts)
            return _resent(len(chosen[:MOST_RESENT]))

        return await self._act(order_id, ask)

    async def sync(self, order_id: str) -> Response[Any]:
        """Ask WeChat what became of the order; of a paid one, what was refunded there. Raises NotFound."""

        async def ask(scope: TenantScope) -> Notice:
            order = await self.orders.sync(scope, order_id, self.place.staff.actor)
            if order.status is not OrderStatus.PAID:
                return _answer(order)
            return _refunds_there(order, await self.refund_service.look_outside(scope, order_id))

        return await self._act(order_id, ask)

    async def close(self, order_id: str) -> Response[Any]:
        """Ask for the order to be closed, so that nobody can pay it any more. Raises NotFound."""

        async def ask(scope: TenantScope) -> Notice | None:
            staff = self.place.staff
            return _closed(await self.orders.close(scope, order_id, staff.actor, facts=self.place.facts))

        return await self._act(order_id, ask)

    async def _act(
        self, order_id: str, do: Callable[[TenantScope], Awaitable[Notice | None]]
    ) -> Response[Any]:
        """Do it in the order's own tenant."""
        order = await self.reader.record(self.place.scope, order_id)

        async def done() -> Notice | None:
            return await do(TenantScope(order.provider_id, order.tenant_id))

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_order(await self.view(order_id, notice))

        return await self.place.act(f"{self.place.orders}/{order_id}", done, shown)


Desk = NamedDependency[SkipValidation[OrderDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def order_desk(heading: str) -> Provide:
    """Return the dependency `desk` of an area that calls its order list so."""

    def provide(
        place: Work,
        order_reader: NamedDependency[OrderReader],
        orders: NamedDependency[OrderService],
        refund_reader: NamedDependency[RefundReader],
        refunds: NamedDependency[RefundService],
        webhooks: NamedDependency[Webhooks],
        saved_views: NamedDependency[SavedViews],
    ) -> OrderDesk:
        return OrderDesk(place, order_reader, orders, refund_reader, refunds, webhooks, saved_views, heading)

    return Provide(provide, sync_to_thread=False)


def _answer(order: OrderRecord) -> Notice:
    words = STATUS_WORDS[order.status]
    text = Text(f"已向微信查询，订单状态：{words.zh}。", f"WeChat was asked. The order is {words.en}.")
    return Notice("ok" if order.status is OrderStatus.PAID else "info", text)


def _refunds_there(order: OrderRecord, looked: Looked) -> Notice:
    """Say that it is paid, and how many refunds WeChat has of it, made here or not (F10)."""
    if not looked.answered:
        text = Text(
            "订单已支付；微信暂时没有给出可信的退款应答，请稍后再查。",
            "The order is paid. WeChat gave no usable answer about refunds; ask again later.",
        )
        return Notice("wait", text)
    if looked.unnamed:
        text = Text(
            "订单已支付；微信侧有不是从本平台发起的退款，收到它的退款通知后会自动补录。",
            "The order is paid. WeChat has a refund that was not made here; it is recorded once WeChat tells"
            " of it.",
        )
        return Notice("wait", text)
    if not looked.found:
        return _answer(order)
    count = len(looked.found)
    return Notice(
        "ok",
        Text(
            f"已向微信查询：订单已支付，微信侧共有 {count} 笔退款。",
            f"WeChat was asked. The order is paid and has {count} refunds there.",
        ),
    )


def _resent(count: int) -> Notice:
    if count == 0:
        return Notice("info", Text("这个订单没有 Webhook 投递。", "This order has no webhook deliveries."))
    text = Text(
        f"已安排重发 {count} 个 Webhook 投递，结果会出现在时间线中。",
        f"Sending {count} webhook deliveries again; the timeline will tell how it went.",
    )
    return Notice("info", text)


def _closed(order: OrderRecord) -> Notice | None:
    """Say what came of it; as long as the close is under way, the page says so by itself."""
    if order.status in (OrderStatus.CLOSED, OrderStatus.REVOKED):
        return Notice("ok", Text("订单已关闭。", "The order is closed."))
    if order.status is OrderStatus.PAID:
        text = Text(
            "关单前付款用户已完成支付，订单未关闭。", "The payer was faster: the order is paid, not closed."
        )
        return Notice("wait", text)
    return None
