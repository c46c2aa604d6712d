"""Request bodies, headers and parameters for the API reference.

The handlers read them through `intake`, which lists every fault at once; so they are described here and not
inferred from a signature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from sptenants.orders.commands import DEFAULT_EXPIRES_IN_S, MAX_EXPIRES_IN_S, MIN_EXPIRES_IN_S
from sptenants.orders.intake import DEFAULT_LIMIT, MAX_AMOUNT, MAX_ATTACH, MAX_LIMIT, MAX_METADATA
from sptenants.orders.states import OrderStatus


def _text(description: str, **rules: Any) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, **rules)


_ORDER_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["merchant_order_no", "amount", "description"],
    additional_properties=False,
    properties={
        "merchant_order_no": _text("商户订单号，在本商户内唯一", min_length=1, max_length=64),
        "amount": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_AMOUNT, description="分"),
        "currency": _text("只支持 CNY", default="CNY"),
        "description": _text("付款人看到的商品描述，UTF-8 不超过 127 字节"),
        "trade_type": _text("JSAPI（小程序、公众号）或 NATIVE（扫码）", default="JSAPI"),
        "sub_appid": _text("已绑定的 AppID；JSAPI 必填", pattern="^wx[0-9a-zA-Z]{16}$"),
        "openid": _text("付款人在 sub_appid 下的 openid；不填则由小程序 /pay 时绑定"),
        "expires_in": Schema(
            type=OpenAPIType.INTEGER,
            minimum=MIN_EXPIRES_IN_S,
            maximum=MAX_EXPIRES_IN_S,
            default=DEFAULT_EXPIRES_IN_S,
            description="支付有效期，秒",
        ),
        "attach": _text("留在本平台，随查询与事件返回", max_length=MAX_ATTACH),
        "profit_sharing": Schema(type=OpenAPIType.BOOLEAN, default=False),
        "metadata": Schema(
            type=OpenAPIType.OBJECT,
            max_properties=MAX_METADATA,
            additional_properties=Schema(type=OpenAPIType.STRING, max_length=500),
        ),
    },
)
_ORDER_EXAMPLE = {
    "merchant_order_no": "T20261121000187",
    "amount": 12800,
    "description": "拿铁双人套餐",
    "trade_type": "JSAPI",
    "sub_appid": "wx3f8c21d0b7e6a91c",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "expires_in": 1800,
    "metadata": {"store": "01"},
}
_PRICED_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["price_code", "quantity"],
    additional_properties=False,
    properties={
        "price_code": _text("商品价目中的代码"),
        "quantity": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=9999),
    },
)


def _json_body(schema: Schema, example: dict[str, Any]) -> RequestBody:
    media = OpenAPIMediaType(schema=schema, examples={"example": Example(value=example)})
    return RequestBody(content={"application/json": media}, required=True)


def _query(name: str, schema: Schema) -> Parameter:
    return Parameter(name=name, param_in="query", schema=schema, required=False)


def _idempotency_key() -> Parameter:
    schema = Schema(type=OpenAPIType.STRING, min_length=1, max_length=255)
    return Parameter(
        name="Idempotency-Key", param_in="header", schema=schema, required=False, description="重试时保持不变"
    )


def _paging() -> list[Parameter]:
    limit = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT)
    return [_query("limit", limit), _query("cursor", _text("上一页的 next_cursor"))]


def _answers_also(operation: Operation, like: str, also: dict[str, str]) -> None:
    """Describe further statuses that come with the same body as status `like`."""
    answers = dict(operation.responses or {})
    model = answers[like]
    if isinstance(model, OpenAPIResponse):
        answers |= {status: replace(model, description=text) for status, text in also.items()}
    operation.responses = answers


_REPEATED = "同一请求的重复：同一笔订单，支付参数重新签名"
_UNKNOWN = "微信的应答不明，订单为 submitting：稍后查询，不要换号重下"
_CLOSING = "已登记，下单满五分钟后执行"


@dataclass
class CreateOrderOperation(Operation):
    """`POST /v1/orders`."""

    def __post_init__(self) -> None:
        self.request_body = _json_body(_ORDER_BODY, _ORDER_EXAMPLE)
        self.parameters = [*(self.parameters or ()), _idempotency_key()]
        _answers_also(self, "201", {"200": _REPEATED, "202": _UNKNOWN})


@dataclass
class PayOrderOperation(Operation):
    """`POST /v1/mini/{tenant_id}/orders/{order_id}/pay`."""

    def __post_init__(self) -> None:
        _answers_also(self, "200", {"202": _UNKNOWN})


@dataclass
class CloseOrderOperation(Operation):
    """`POST /v1/orders/{order_id}/close`."""

    def __post_init__(self) -> None:
        _answers_also(self, "200", {"202": _CLOSING})


@dataclass
class CreatePricedOrderOperation(Operation):
    """`POST /v1/mini/{tenant_id}/orders`."""

    def __post_init__(self) -> None:
        self.request_body = _json_body(_PRICED_BODY, {"price_code": "latte", "quantity": 2})
        self.parameters = [*(self.parameters or ()), _idempotency_key()]
        _answers_also(self, "201", {"200": _REPEATED, "202": _UNKNOWN})


@dataclass
class ListOrdersOperation(Operation):
    """`GET /v1/orders`."""

    def __post_init__(self) -> None:
        moment = _text("RFC 3339，区间左闭右开", format="date-time")
        self.parameters = [
            *(self.parameters or ()),
            _query("merchant_order_no", _text("商户订单号")),
            _query("status", _text("订单状态", enum=[status.value for status in OrderStatus])),
            _query("created_from", moment),
            _query("created_to", moment),
            *_paging(),
        ]


@dataclass
class PagedOperation(Operation):
    """A list with `limit` and `cursor`."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or ()), *_paging()]


@dataclass
class WaitOperation(Operation):
    """`GET /v1/mini/{tenant_id}/orders/{order_id}`."""

    def __post_init__(self) -> None:
        wait = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=10, description="最多等待的秒数")
        self.parameters = [*(self.parameters or ()), _query("wait", wait)]
