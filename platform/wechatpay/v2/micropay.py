"""Payment codes by API v2: charging one, and undoing that.

Source: wechatpay-v2 4.1, 4.2.
"""

from __future__ import annotations

from wechatpay.errors import BadField, InvalidRequest
from wechatpay.gateway import NewOrder, OrderState, Reversed, TradeState, TradeType
from wechatpay.identifiers import AuthCode, OutTradeNo
from wechatpay.v2.exchange import Answer, Question
from wechatpay.v2.fields import Fields
from wechatpay.v2.orders import common_fields, order_state

CHARGE_DEADLINE_S = 30.0
"""WeChat answers once the bank did, which takes longer than any other call."""


def charging(order: NewOrder, auth_code: AuthCode) -> Question:
    """micropay. Raises InvalidRequest for an order of another trade type.

    Never sent twice by itself: a second charge is for nobody to risk (wechatpay-v2 1.10).
    """
    if order.trade_type is not TradeType.MICROPAY:
        raise InvalidRequest(
            "trade_type", "只有付款码订单可以扣付款码", "only a MICROPAY order is charged with a payment code"
        )
    return Question(
        "micropay",
        "/pay/micropay",
        {**common_fields(order), "auth_code": auth_code.text},
        echoed=("out_trade_no", "total_fee"),
        expected={"trade_type": TradeType.MICROPAY.wire},
        deadline_s=CHARGE_DEADLINE_S,
        repeatable=False,
    )


def charged(answer: Answer) -> OrderState:
    """Read a verified micropay answer: a success is a payment. Raises BadField for what that needs."""
    return order_state(answer, TradeState.SUCCESS)


def reversing(out_trade_no: OutTradeNo) -> Question:
    """reverse by our number."""
    return Question("reverse", "/secapi/pay/reverse", {"out_trade_no": out_trade_no.text})


def reversal(answer: Answer) -> Reversed:
    """Read a verified reverse answer. Raises BadField unless it says whether to call again."""
    recall = Fields(answer.fields).text("recall")
    if recall not in {"Y", "N"}:
        raise BadField("recall")
    return Reversed(answer.call, again=recall == "Y")
