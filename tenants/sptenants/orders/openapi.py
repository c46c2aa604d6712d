"""Request bodies, headers and parameters for the API reference.

The handlers read them through `intake`, which lists every fault at once; so they are described here and not
inferred from a signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from sptenants.orders.commands import DEFAULT_EXPIRES_IN_S, MAX_EXPIRES_IN_S, MIN_EXPIRES_IN_S
from sptenants.orders.intake import MAX_AMOUNT, MAX_ATTACH, MAX_METADATA
from sptenants.orders.reading import DEFAULT_LIMIT, MAX_LIMIT
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import H5Type, TradeType


def text_schema(description: str, **rules: Any) -> Schema:
    """Return the schema of a text; `rules` are further keywords of it."""
    return Schema(type=OpenAPIType.STRING, description=description, **rules)


def _trade_type(description: str, **rules: Any) -> Schema:
    return text_schema(description, enum=[trade_type.value for trade_type in TradeType], **rules)


_WAY_FIELDS = {
    "payer_ip": text_schema("H5：付款手机的 IP 地址，微信会核对；不填则用调用方的地址"),
    "h5_info": Schema(
        type=OpenAPIType.OBJECT,
        description="H5 的场景信息；不填则为本平台的网址和商户名称",
        required=["type", "wap_url", "wap_name"],
        additional_properties=False,
        properties={
            "type": text_schema("付款发起的地方", enum=[kind.value for kind in H5Type]),
            "wap_url": text_schema("网站地址；IOS 填 Bundle ID，Android 填包名"),
            "wap_name": text_schema("网站或应用的名称"),
        },
    ),
    "auth_code": text_schema("MICROPAY 必填：付款人出示的付款码；不保存", pattern="^1[0-5][0-9]{16}$"),
}
_ORDER_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["merchant_order_no", "amount", "description"],
    additional_properties=False,
    properties={
        "merchant_order_no": text_schema("商户订单号，在本商户内唯一", min_length=1, max_length=64),
        "amount": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_AMOUNT, description="分"),
        "currency": text_schema("只支持 CNY", default="CNY"),
        "description": text_schema("付款人看到的商品描述，UTF-8 不超过 127 字节"),
        "trade_type": _trade_type("支付方式", default="JSAPI"),
        "sub_appid": text_schema(
            "已绑定的 AppID；JSAPI（小程序、公众号）和 APP（移动应用）必填", pattern="^wx[0-9a-zA-Z]{16}$"
        ),
        "openid": text_schema("JSAPI：付款人在 sub_appid 下的 openid；小程序可不填，由 /pay 时绑定"),
        **_WAY_FIELDS,
        "expires_in": Schema(
            type=OpenAPIType.INTEGER,
            minimum=MIN_EXPIRES_IN_S,
            maximum=MAX_EXPIRES_IN_S,
            default=DEFAULT_EXPIRES_IN_S,
            description="支付有效期，秒",
        ),
        "attach": text_schema("留在本平台，随查询与事件返回", max_length=MAX_ATTACH),
        "profit_sharing": Schema(type=OpenAPIType.BOOLEAN, default=False),
        "metadata": Schema(
            type=OpenAPIType.OBJECT,
            max_properties=MAX_METADATA,
            additional_properties=Schema(type=OpenAPIType.STRING, max_length=500),
        ),
    },
)
_COMMON = {"merchant_order_no": "T20261121000187", "amount": 12800, "description": "拿铁双人套餐"}
_SCENE = {"type": "Wap", "wap_url": "https://shop.example.com", "wap_name": "晨曦咖啡"}
_ORDER_EXAMPLES = {
    "JSAPI": _COMMON
    | {
        "trade_type": "JSAPI",
        "sub_appid": "wx3f8c21d0b7e6a91c",
        "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "expires_in": 1800,
        "metadata": {"store": "01"},
    },
    "NATIVE": _COMMON | {"trade_type": "NATIVE"},
    "APP": _COMMON | {"trade_type": "APP", "sub_appid": "wx5b77e40aa1c2d3e4"},
    "H5": _COMMON | {"trade_type": "H5", "payer_ip": "203.0.113.9", "h5_info": _SCENE},
    "MICROPAY": _COMMON | {"trade_type": "MICROPAY", "auth_code": "134567890123456789"},
}
_ATTEMPT_BODY = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    description="要改变的内容；不填的保持原样",
    properties={
        "amount": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_AMOUNT, description="分"),
        "trade_type": _trade_type("换一种支付方式"),
        "sub_appid": text_schema("换一个已绑定的 AppID", pattern="^wx[0-9a-zA-Z]{16}$"),
        "openid": text_schema("JSAPI：换 sub_appid 时必填"),
        **_WAY_FIELDS,
    },
)
_ATTEMPT_EXAMPLES = {
    "amount": {"amount": 9900},
    "way": {"trade_type": "NATIVE"},
    "code": {"trade_type": "MICROPAY", "auth_code": "134567890123456789"},
}
_PRICED_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["price_code", "quantity"],
    additional_properties=False,
    properties={
        "price_code": text_schema("商品价目中的代码"),
        "quantity": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=9999),
    },
)


def json_body(schema: Schema, example: dict[str, Any]) -> RequestBody:
    """Return a JSON request body with its one example."""
    return _body_of(schema, {"example": example})


def _body_of(schema: Schema, examples: Mapping[str, Any], *, required: bool = True) -> RequestBody:
    shown: dict[str, Example | Reference] = {name: Example(value=value) for name, value in examples.items()}
    media = OpenAPIMediaType(schema=schema, examples=shown)
    return RequestBody(content={"application/json": media}, required=required)


def query_parameter(name: str, schema: Schema) -> Parameter:
    """Return an optional parameter of an address."""
    return Parameter(name=name, param_in="query", schema=schema, required=False)


def idempotency_header() -> Parameter:
    """Return the header that makes a POST safe to repeat (failure catalogue 2.1)."""
    schema = Schema(type=OpenAPIType.STRING, min_length=1, max_length=255)
    return Parameter(
        name="Idempotency-Key", param_in="header", schema=schema, required=False, description="重试时保持不变"
    )


def paging_parameters() -> list[Parameter]:
    """Return the parameters of every list."""
    limit = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT)
    return [query_parameter("limit", limit), query_parameter("cursor", text_schema("上一页的 next_cursor"))]


def answers_also(operation: Operation, like: str, also: dict[str, str]) -> None:
    """Describe further statuses that come with the same body as status `like`."""
    answers = dict(operation.responses or {})
    model = answers[like]
    if isinstance(model, OpenAPIResponse):
        answers |= {status: replace(model, description=text) for status, text in also.items()}
    operation.responses = answers


_REPEATED = "同一请求的重复：同一笔订单，支付参数重新签名"
_UNKNOWN = "微信的应答不明，订单为 submitting：稍后查询，不要换号重下"
_CLOSING = "已登记，下单满五分钟（付款码满 15 秒）后执行"
_TYPING = "微信的应答不明（submitting），或付款人正在输入密码（pending）：稍后查询，不要换号重下"
_SAME = "内容没有变化：当前的下单尝试，支付参数重新签名"


@dataclass
class CreateOrderOperation(Operation):
    """`POST /v1/orders`."""

    def __post_init__(self) -> None:
        self.request_body = _body_of(_ORDER_BODY, _ORDER_EXAMPLES)
        self.parameters = [*(self.parameters or ()), idempotency_header()]
        answers_also(self, "201", {"200": _REPEATED, "202": _TYPING})


@dataclass
class ReplaceAttemptOperation(Operation):
    """`POST /v1/orders/{order_id}/attempts`."""

    def __post_init__(self) -> None:
        self.description = (
            "先关闭当前的下单尝试（付款码则撤销），向微信查实已关闭，再以新的商户单号下单；"
            "同一时刻只有一次可付。"
            "下单未满五分钟（付款码未满 15 秒）时回答 409 和 Retry-After；"
            "关闭途中已付款时回答 409 和已支付的订单；"
            "微信没有确认关闭时回答 503，用同样的内容重试即可。"
        )
        self.request_body = _body_of(_ATTEMPT_BODY, _ATTEMPT_EXAMPLES, required=False)
        self.parameters = [*(self.parameters or ()), idempotency_header()]
        answers_also(self, "201", {"200": _SAME, "202": _TYPING})


@dataclass
class QrCodeOperation(Operation):
    """`GET /v1/orders/{order_id}/qr.svg`."""

    def __post_init__(self) -> None:
        drawn = OpenAPIMediaType(
            schema=text_schema("SVG 图像"),
            examples={"example": Example(value='<svg xmlns="http://www.w3.org/2000/svg"></svg>')},
        )
        answer = OpenAPIResponse(description="SVG 图像", content={"image/svg+xml": drawn})
        self.responses = dict(self.responses or {}) | {"200": answer}


@dataclass
class PayOrderOperation(Operation):
    """`POST /v1/mini/{tenant_id}/orders/{order_id}/pay`."""

    def __post_init__(self) -> None:
        answers_also(self, "200", {"202": _UNKNOWN})


@dataclass
class CloseOrderOperation(Operation):
    """`POST /v1/orders/{order_id}/close`."""

    def __post_init__(self) -> None:
        answers_also(self, "200", {"202": _CLOSING})


@dataclass
class CreatePricedOrderOperation(Operation):
    """`POST /v1/mini/{tenant_id}/orders`."""

    def __post_init__(self) -> None:
        self.request_body = json_body(_PRICED_BODY, {"price_code": "latte", "quantity": 2})
        self.parameters = [*(self.parameters or ()), idempotency_header()]
        answers_also(self, "201", {"200": _REPEATED, "202": _UNKNOWN})


@dataclass
class ListOrdersOperation(Operation):
    """`GET /v1/orders`."""

    def __post_init__(self) -> None:
        moment = text_schema("RFC 3339，区间左闭右开", format="date-time")
        self.parameters = [
            *(self.parameters or ()),
            query_parameter("merchant_order_no", text_schema("商户订单号")),
            query_parameter("status", text_schema("订单状态", enum=[status.value for status in OrderStatus])),
            query_parameter("created_from", moment),
            query_parameter("created_to", moment),
            *paging_parameters(),
        ]


@dataclass
class WaitOperation(Operation):
    """`GET /v1/mini/{tenant_id}/orders/{order_id}`."""

    def __post_init__(self) -> None:
        wait = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=10, description="最多等待的秒数")
        self.parameters = [*(self.parameters or ()), query_parameter("wait", wait)]
