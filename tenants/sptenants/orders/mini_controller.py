"""Routes by which a mini-program orders and pays. Who pays comes from its session alone (O01, O07)."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from sptenants.orders import intake
from sptenants.orders.controller import idempotency_key, placed_response
from sptenants.orders.openapi import CreatePricedOrderOperation, PayOrderOperation, WaitOperation
from sptenants.orders.schemas import OrderObject, PayParams, to_object
from sptenants.orders.service import MAX_WAIT_S, OrderService
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.caller import Payer

_AnyRequest = Request[Any, Any, Any]
_OF_PAYER = access("mini", "mini_session")


class MiniOrderController(Controller):
    path = "/v1/mini/{tenant_id:str}/orders"
    tags = ("mini-program",)

    @post(opt=_OF_PAYER, summary="按价目下单并取支付参数", operation_class=CreatePricedOrderOperation)
    async def create(
        self,
        request: _AnyRequest,
        tenant_id: FromPath[str],
        payer: NamedDependency[Payer],
        orders: NamedDependency[OrderService],
    ) -> Response[OrderObject]:
        wanted = intake.read_priced_order(await request.json())
        content = {"code": wanted.price_code, "quantity": wanted.quantity, "payer": payer.openid}
        key = idempotency_key(request, "POST /v1/mini/orders", content)
        placed = await orders.place_priced(payer, wanted, peer=RequestFacts.of(request).peer, key=key)
        return placed_response(placed, f"/v1/mini/{tenant_id}/orders/{placed.order.id}")

    @post(
        "/{order_id:str}/pay",
        opt=_OF_PAYER,
        status_code=200,
        summary="取已有订单的支付参数",
        operation_class=PayOrderOperation,
    )
    async def pay(
        self,
        request: _AnyRequest,
        tenant_id: FromPath[str],  # noqa: ARG002 - `payer` has checked it
        order_id: FromPath[str],
        payer: NamedDependency[Payer],
        orders: NamedDependency[OrderService],
    ) -> Response[PayParams]:
        intake.read_nothing(await request.json())
        placed = await orders.pay(payer, order_id, peer=RequestFacts.of(request).peer)
        body = PayParams(order_id=placed.order.id, status=placed.order.status.value)
        if placed.pay_params is not None:
            body = PayParams(
                order_id=placed.order.id, status=placed.order.status.value, pay_params=placed.pay_params
            )
        return Response(body, status_code=202 if placed.outcome == "unknown" else 200)

    @get("/{order_id:str}", opt=_OF_PAYER, summary="查看自己的订单", operation_class=WaitOperation)
    async def show(
        self,
        request: _AnyRequest,
        tenant_id: FromPath[str],  # noqa: ARG002 - `payer` has checked it
        order_id: FromPath[str],
        payer: NamedDependency[Payer],
        orders: NamedDependency[OrderService],
    ) -> OrderObject:
        wait_s = intake.read_wait(list(request.query_params.multi_items()), MAX_WAIT_S)
        return to_object(await orders.await_outcome(payer, order_id, wait_s))
