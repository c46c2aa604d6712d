"""Request bodies, headers and parameters of refunds for the API reference."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.spec import Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType

from sptenants.orders.openapi import (
    answers_also,
    idempotency_header,
    json_body,
    paging_parameters,
    query_parameter,
    text_schema,
)
from sptenants.refunds.commands import MAX_REASON
from sptenants.refunds.states import RefundStatus
from wechatpay.money import MAX_AMOUNT

_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["amount"],
    additional_properties=False,
    properties={
        "merchant_refund_no": text_schema(
            "商户退款号，在本商户内唯一；没有它时必须提供 Idempotency-Key", min_length=1, max_length=64
        ),
        "amount": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_AMOUNT, description="分"),
        "reason": text_schema(f"付款人看到的退款原因，UTF-8 不超过 {MAX_REASON} 字节", max_length=MAX_REASON),
    },
)
_EXAMPLE = {"merchant_refund_no": "R20261121000187", "amount": 2000, "reason": "少发一杯"}


@dataclass
class RequestRefundOperation(Operation):
    """`POST /v1/orders/{order_id}/refunds`."""

    def __post_init__(self) -> None:
        self.request_body = json_body(_BODY, _EXAMPLE)
        self.parameters = [*(self.parameters or ()), idempotency_header()]
        answers_also(
            self,
            "201",
            {
                "200": "同一请求的重复：同一笔退款的现状",
                "202": "微信的应答不明，退款为 submitting：稍后查询，不要换号重退",
            },
        )


@dataclass
class ListRefundsOperation(Operation):
    """`GET /v1/refunds`."""

    def __post_init__(self) -> None:
        moment = text_schema("RFC 3339，区间左闭右开", format="date-time")
        self.parameters = [
            *(self.parameters or ()),
            query_parameter("status", text_schema("退款状态", enum=[s.value for s in RefundStatus])),
            query_parameter("order_id", text_schema("订单")),
            query_parameter("merchant_refund_no", text_schema("商户退款号")),
            query_parameter("created_from", moment),
            query_parameter("created_to", moment),
            *paging_parameters(),
        ]
