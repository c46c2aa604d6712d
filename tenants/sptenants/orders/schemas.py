"""What orders look like to programs (contract section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sptenants.orders.records import OrderRecord

CHINA = timezone(timedelta(hours=8))
"""The API writes times as WeChat does: RFC 3339 with +08:00 (console-and-api-design section 7)."""

_ORDER_ID = "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN"
_MOMENT = "2026-11-21T14:32:08+08:00"


class OrderObject(msgspec.Struct, frozen=True, kw_only=True):
    """One order. Amounts are whole fen."""

    id: Annotated[str, Meta(examples=[_ORDER_ID])]
    object: str = "order"
    mode: Annotated[str, Meta(description="`test` 或 `live`", examples=["live"])]
    status: Annotated[
        str,
        Meta(
            description="created submitting pending closing paid closed failed revoked（付款码已撤销）",
            examples=["pending"],
        ),
    ]
    refund_status: Annotated[str, Meta(description="none partial full", examples=["none"])]
    anomaly: Annotated[
        str | None,
        Meta(
            description="late_payment double_payment amount_mismatch identity_mismatch missing_there",
            examples=[None],
        ),
    ]
    amount: Annotated[int, Meta(description="分", examples=[12800])]
    refunded_amount: Annotated[int, Meta(examples=[0])]
    refunding_amount: Annotated[int, Meta(examples=[0])]
    currency: Annotated[str, Meta(examples=["CNY"])]
    description: Annotated[str, Meta(examples=["拿铁双人套餐"])]
    merchant_order_no: Annotated[str, Meta(examples=["T20261121000187"])]
    out_trade_no: Annotated[
        str | None,
        Meta(description="商户单号，付款人在微信账单里看到的", examples=["01JD3K8W7Q4M6X0B2T9V5H1CZN"]),
    ]
    transaction_id: Annotated[str | None, Meta(examples=["4200002026112112345678901234"])]
    sub_appid: Annotated[str | None, Meta(examples=["wx3f8c21d0b7e6a91c"])]
    trade_type: Annotated[str, Meta(description="JSAPI NATIVE APP H5 MICROPAY", examples=["JSAPI"])]
    source: Annotated[str, Meta(description="api_key miniprogram console trial", examples=["api_key"])]
    profit_sharing: Annotated[bool, Meta(examples=[False])]
    created_at: Annotated[str, Meta(examples=[_MOMENT])]
    expires_at: Annotated[str, Meta(examples=["2026-11-21T15:02:08+08:00"])]
    paid_at: Annotated[str | None, Meta(examples=[None])]
    close_requested_at: Annotated[str | None, Meta(examples=[None])]
    attach: Annotated[str | None, Meta(examples=[None])]
    metadata: Annotated[dict[str, str], Meta(examples=[{"store": "01"}])]
    pay_params: Annotated[
        dict[str, str] | UnsetType,
        Meta(
            description="小程序：wx.requestPayment 的五个参数；公众号页面另有 appId；APP：Open SDK 的七个参数"
        ),
    ] = UNSET
    code_url: Annotated[
        str | UnsetType,
        Meta(
            description="NATIVE：二维码的内容，两小时有效", examples=["weixin://wxpay/bizpayurl?pr=NwY5Mz9"]
        ),
    ] = UNSET
    h5_url: Annotated[
        str | UnsetType,
        Meta(
            description="H5：手机浏览器跳转的地址，五分钟有效；重复下单请求可取新的",
            examples=["https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx21"],
        ),
    ] = UNSET
    wechat: Annotated[
        dict[str, Any] | UnsetType, Meta(description="微信最近一次拒绝的代码和说明，仅在结果未明或失败时有")
    ] = UNSET


class OrderList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of orders, newest first."""

    object: str = "list"
    data: Sequence[OrderObject]
    next_cursor: str | None
    has_more: bool


class PayParams(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `…/pay`; without `pay_params` the outcome at WeChat is still unknown (202)."""

    order_id: Annotated[str, Meta(examples=[_ORDER_ID])]
    status: Annotated[str, Meta(examples=["pending"])]
    pay_params: Annotated[dict[str, str] | UnsetType, Meta(description="wx.requestPayment 的参数")] = UNSET


class TimelineObject(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an order, in the caller's language."""

    at: Annotated[str, Meta(examples=["2026-11-21T14:32:08.186+08:00"])]
    kind: Annotated[str, Meta(examples=["gateway.call"])]
    title: Annotated[str, Meta(examples=["调用微信下单 · HTTP 200 · 186 ms"])]
    meta: str
    raw: dict[str, Any]


class TimelineList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole timeline, newest first."""

    object: str = "list"
    data: Sequence[TimelineObject]
    next_cursor: None = None
    has_more: bool = False


def moment(at: datetime, *, timespec: str = "seconds") -> str:
    """Return a moment as the API writes it."""
    return at.astimezone(CHINA).isoformat(timespec=timespec)


def to_object(
    order: OrderRecord,
    *,
    pay_params: dict[str, str] | None = None,
    code_url: str | None = None,
    h5_url: str | None = None,
    wechat: dict[str, Any] | None = None,
) -> OrderObject:
    """Return the API's order; what is None is left out of the answer."""
    return OrderObject(
        id=order.id,
        mode=order.mode,
        status=order.status.value,
        refund_status=order.refund_status,
        anomaly=order.anomaly,
        amount=order.amount.value,
        refunded_amount=order.refunded_amount.value,
        refunding_amount=order.refunding_amount.value,
        currency=order.currency,
        description=order.description,
        merchant_order_no=order.merchant_order_no,
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
        sub_appid=order.sub_appid,
        trade_type=order.trade_type,
        source=order.source,
        profit_sharing=order.profit_sharing,
        created_at=moment(order.created_at),
        expires_at=moment(order.expires_at),
        paid_at=moment(order.paid_at) if order.paid_at else None,
        close_requested_at=moment(order.close_requested_at) if order.close_requested_at else None,
        attach=order.attach,
        metadata=order.metadata,
        pay_params=pay_params if pay_params is not None else UNSET,
        code_url=code_url if code_url is not None else UNSET,
        h5_url=h5_url if h5_url is not None else UNSET,
        wechat=wechat if wechat is not None else UNSET,
    )


def order_object(order: OrderRecord) -> dict[str, Any]:
    """Return the API's order as plain JSON values, for events and problems."""
    plain: dict[str, Any] = msgspec.to_builtins(to_object(order))
    return plain
