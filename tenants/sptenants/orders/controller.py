"""Routes by which a merchant's server makes, reads and closes orders (contract section 5)."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from spcore.db.keyset import Page
from sptenants.orders import intake, timeline
from sptenants.orders.commands import IdempotencyKey, Placed, digest
from sptenants.orders.errors import wechat_of
from sptenants.orders.openapi import (
    CloseOrderOperation,
    CreateOrderOperation,
    ListOrdersOperation,
    QrCodeOperation,
    ReplaceAttemptOperation,
)
from sptenants.orders.reader import OrderReader, OrderRow
from sptenants.orders.records import OrderRecord
from sptenants.orders.schemas import (
    OrderList,
    OrderObject,
    TimelineList,
    TimelineObject,
    moment,
    to_object,
)
from sptenants.orders.service import OrderService
from sptenants.orders.states import OPEN, OrderStatus
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right

_AnyRequest = Request[Any, Any, Any]
_READS = access("api", "tenant_key", "provider_key", right=Right.ORDERS_READ)
_CHANGES = access("api", "tenant_key", "provider_key", right=Right.ORDERS_WRITE)
_STATUS_OF = {"created": 201, "repeated": 200, "unknown": 202}


class OrderController(Controller):
    path = "/v1/orders"
    tags = ("orders",)

    @post(opt=_CHANGES, summary="下单", operation_class=CreateOrderOperation)
    async def create(
        self, request: _AnyRequest, caller: NamedDependency[Caller], orders: NamedDependency[OrderService]
    ) -> Response[OrderObject]:
        wanted = intake.read_order(await request.json())
        key = idempotency_key(
            request, "POST /v1/orders", {"no": wanted.merchant_order_no, **wanted.fingerprints()}
        )
        placed = await orders.place(caller, wanted, peer=RequestFacts.of(request).peer, key=key)
        return placed_response(placed, f"/v1/orders/{placed.order.id}")

    @get(opt=_READS, summary="订单列表，新的在前", operation_class=ListOrdersOperation)
    async def index(
        self,
        request: _AnyRequest,
        caller: NamedDependency[Caller],
        order_reader: NamedDependency[OrderReader],
    ) -> OrderList:
        wanted, limit, cursor = intake.read_list_query(list(request.query_params.multi_items()))
        page: Page[OrderRow] = await order_reader.list(caller.scope, wanted, limit, cursor)
        return OrderList(
            data=[shown(row.order) for row in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    @get("/{order_id:str}", opt=_READS, summary="查看订单")
    async def show(
        self,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        orders: NamedDependency[OrderService],
    ) -> OrderObject:
        return placed_object(await orders.seen(caller.scope, order_id))

    @get(
        "/{order_id:str}/qr.svg",
        opt=_READS,
        media_type="image/svg+xml",
        summary="扫码订单（NATIVE）的二维码",
        operation_class=QrCodeOperation,
    )
    async def qr_code(
        self,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        orders: NamedDependency[OrderService],
    ) -> str:
        return await orders.qr_code(caller.scope, order_id)

    @post(
        "/{order_id:str}/attempts",
        opt=_CHANGES,
        summary="更换下单尝试：改金额或支付方式",
        operation_class=ReplaceAttemptOperation,
    )
    async def replace_attempt(
        self,
        request: _AnyRequest,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        orders: NamedDependency[OrderService],
    ) -> Response[OrderObject]:
        asked = intake.read_attempt(await request.json())
        key = idempotency_key(request, "POST /v1/orders/attempts", {"order": order_id, **asked.content()})
        facts = RequestFacts.of(request)
        placed = await orders.replace_attempt(caller, order_id, asked, peer=facts.peer, key=key, facts=facts)
        return placed_response(placed, f"/v1/orders/{order_id}")

    @post(
        "/{order_id:str}/close",
        opt=_CHANGES,
        status_code=200,
        summary="关单（下单满五分钟后执行）",
        operation_class=CloseOrderOperation,
    )
    async def close(
        self,
        request: _AnyRequest,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        orders: NamedDependency[OrderService],
    ) -> Response[OrderObject]:
        intake.read_nothing(await request.json())
        facts = RequestFacts.of(request)
        order = await orders.close(caller.scope, order_id, caller.actor, facts=facts)
        return Response(shown(order), status_code=202 if order.is_open else 200)

    @post("/{order_id:str}/sync", opt=_CHANGES, status_code=200, summary="向微信查单")
    async def sync(
        self,
        request: _AnyRequest,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        orders: NamedDependency[OrderService],
    ) -> OrderObject:
        intake.read_nothing(await request.json())
        return shown(await orders.sync(caller.scope, order_id, caller.actor))

    @get("/{order_id:str}/timeline", opt=_READS, summary="订单时间线，新的在前")
    async def timeline(
        self,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        order_reader: NamedDependency[OrderReader],
        language: NamedDependency[timeline.Language],
    ) -> TimelineList:
        detail = await order_reader.detail(caller.scope, order_id)
        return TimelineList(data=[_timeline_object(entry, language) for entry in detail.timeline])


def shown(order: OrderRecord) -> OrderObject:
    """Return the API's order, with WeChat's last refusal while it matters."""
    return to_object(order, wechat=_refusal(order))


def placed_response(placed: Placed, location: str) -> Response[OrderObject]:
    """Answer for an order that was asked for: 201, 200 on repeat, 202 while unknown."""
    headers = {"Location": location}
    if placed.replayed:
        headers["Idempotent-Replay"] = "true"
    return Response(placed_object(placed), status_code=_STATUS_OF[placed.outcome], headers=headers)


def placed_object(placed: Placed) -> OrderObject:
    """Return the API's order with what pays it."""
    return to_object(
        placed.order,
        pay_params=placed.pay_params,
        code_url=placed.code_url,
        h5_url=placed.h5_url,
        wechat=_refusal(placed.order),
    )


def idempotency_key(request: _AnyRequest, route: str, content: dict[str, Any]) -> IdempotencyKey | None:
    """Return the request's Idempotency-Key with a digest of its content. Raises InvalidInput."""
    given = intake.read_key(request.headers.get("idempotency-key"))
    return None if given is None else IdempotencyKey(route, given, digest(content))


def _refusal(order: OrderRecord) -> dict[str, Any] | None:
    unsettled = order.status in OPEN or order.status is OrderStatus.FAILED
    return wechat_of(order.failure) if order.failure and unsettled else None


def _timeline_object(entry: timeline.Entry, language: timeline.Language) -> TimelineObject:
    return TimelineObject(
        at=moment(entry.at, timespec="milliseconds"),
        kind=entry.kind,
        title=entry.title.en if language == "en" else entry.title.zh,
        meta=entry.meta.en if language == "en" else entry.meta.zh,
        raw=entry.raw,
    )
