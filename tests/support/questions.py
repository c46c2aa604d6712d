"""What tests ask a gateway for: an order and a refund with everything in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.simulated import PAYER

from wechatpay.gateway import NewOrder, NewRefund, TradeType
from wechatpay.identifiers import OpenId, OutRefundNo, OutTradeNo
from wechatpay.money import Fen

NOTIFY = "http://127.0.0.1:9/notify"
"""Where nobody listens."""


def new_order(number: str, trade_type: TradeType, **more: Any) -> NewOrder:
    """Return an order of 12.80 yuan whose text holds what v2's string to sign is ambiguous about."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "out_trade_no": OutTradeNo(number),
        "amount": Fen(1280),
        "description": "晨曦咖啡-拿铁&卡布=2",
        "attach": "ord_1",
        "notify_url": NOTIFY,
        "payer_ip": "203.0.113.9",
        "trade_type": trade_type,
        "openid": OpenId(PAYER) if trade_type is TradeType.JSAPI else None,
        "product_id": None,
        "time_start": now,
        "time_expire": now + timedelta(minutes=30),
        "profit_sharing": False,
    }
    return NewOrder(**{**values, **more})


def refund_of(number: str, refund_no: str, amount: int = 300) -> NewRefund:
    """Return a refund of such an order, by its number."""
    return NewRefund(
        OutRefundNo(refund_no), OutTradeNo(number), None, Fen(amount), Fen(1280), "洒了一半", NOTIFY
    )
