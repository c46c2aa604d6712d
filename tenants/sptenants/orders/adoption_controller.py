"""The route by which a merchant's server has a lost order rebuilt from WeChat's records (B06, D09)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType

from spcore.errors import Text
from sptenants.orders.adoption import Adopted, Adoption
from sptenants.orders.controller import shown
from sptenants.orders.errors import NothingToAdopt, WechatUnavailable
from sptenants.orders.openapi import answers_also, json_body, text_schema
from sptenants.orders.reading import Reader, present, unknown_field
from sptenants.orders.records import OrderRecord
from sptenants.orders.schemas import OrderObject
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right
from wechatpay.identifiers import OutTradeNo

_NUMBER = re.compile(r"[0-9A-Za-z_|*-]{6,32}")
_NUMBER_RULE = Text(
    "应为微信账单中的商户单号：6–32 位字母、数字或 _ | * - 。",
    "must be the out_trade_no of WeChat's bill: 6 to 32 letters, digits or any of _ | * -",
)
_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["out_trade_no"],
    additional_properties=False,
    properties={"out_trade_no": text_schema("微信账单中的商户单号", min_length=6, max_length=32)},
)


@dataclass
class AdoptOrderOperation(Operation):
    """`POST /v1/orders/adopt`."""

    def __post_init__(self) -> None:
        self.request_body = json_body(_BODY, {"out_trade_no": "01JD3K8W7Q4M6X0B2T9V5H1CZN"})
        answers_also(self, "201", {"200": "订单已在本平台，未作改动"})


class AdoptionController(Controller):
    path = "/v1/orders"
    tags = ("orders",)

    @post(
        "/adopt",
        opt=access("api", "tenant_key", "provider_key", right=Right.ORDERS_WRITE),
        summary="补录：按微信侧记录找回丢失的已支付订单",
        operation_class=AdoptOrderOperation,
    )
    async def adopt(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        adoption: NamedDependency[Adoption],
    ) -> Response[OrderObject]:
        number = read_number(await request.json())
        adopted = await adoption.adopt(
            caller.provider, caller.tenant, number, by=caller.actor, facts=RequestFacts.of(request)
        )
        order = shown(order_of(adopted))
        status = 201 if adopted.outcome == "adopted" else 200
        return Response(order, status_code=status, headers={"Location": f"/v1/orders/{order.id}"})


def read_number(document: object) -> OutTradeNo:
    """Read the body `{"out_trade_no"}`. Raises InvalidInput listing every fault."""
    reader = Reader(document)
    reader.only(frozenset({"out_trade_no"}), unknown_field)
    number = reader.text("out_trade_no", _NUMBER, _NUMBER_RULE, required=True)
    reader.done()
    return OutTradeNo(present(number))


def order_of(adopted: Adopted) -> OrderRecord:
    """Return the order. Raises NothingToAdopt, or WechatUnavailable when asking again may help."""
    if adopted.order is not None:
        return adopted.order
    if adopted.outcome == "unclear":
        raise WechatUnavailable
    raise NothingToAdopt(unpaid=adopted.outcome == "unpaid")
