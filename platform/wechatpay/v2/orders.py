"""Orders by API v2: what unifiedorder, orderquery and closeorder are asked, and what they answer.

Source: wechatpay-v2 2, 4.4, 4.5.
"""

from __future__ import annotations

import re

from wechatpay.credentials import Credentials, PartnerCredentials
from wechatpay.errors import BadField, InvalidRequest
from wechatpay.gateway import NewOrder, OrderState, Prepay, TradeState, TradeType
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, PrepayId, SubMchId, TransactionId
from wechatpay.v2.exchange import Answer, Question
from wechatpay.v2.fields import Fields, wire_time
from wechatpay.v2.signing import neutralise

_CODE_URL = re.compile(r"[!-~]{1,512}")
_H5_URL = re.compile(r"(https?)://[!#-;=?-~]{1,505}")


def placing(credentials: Credentials, order: NewOrder) -> Question:
    """unifiedorder. Raises InvalidRequest for MICROPAY, which has a call of its own."""
    fields = order_fields(credentials, order)
    return Question("unifiedorder", "/pay/unifiedorder", fields, echoed=("trade_type",))


def order_fields(credentials: Credentials, order: NewOrder) -> dict[str, str]:
    """The business fields of unifiedorder, the same for every repetition of the same order.

    Each trade type sends what is its own and nothing more (S2-05). Raises as `placing`.
    """
    if order.trade_type is TradeType.MICROPAY:
        raise InvalidRequest(
            "trade_type", "付款码支付不经统一下单", "a payment code is charged, not ordered in advance"
        )
    fields = {
        **common_fields(order),
        "notify_url": order.notify_url,
        "trade_type": order.trade_type.wire,
    }
    if order.trade_type is TradeType.NATIVE:
        fields["product_id"] = order.product_id or order.out_trade_no.text
    elif order.trade_type is TradeType.JSAPI and order.openid is not None:
        fields[_payer_field(credentials)] = order.openid.text
    elif order.scene is not None:
        fields["scene_info"] = order.scene.wire
    return fields


def common_fields(order: NewOrder) -> dict[str, str]:
    """What unifiedorder and micropay both take."""
    fields = {
        "body": neutralise(order.description),
        "attach": order.attach,
        "out_trade_no": order.out_trade_no.text,
        "total_fee": str(order.amount.value),
        "spbill_create_ip": order.payer_ip,
        "time_start": wire_time(order.time_start),
        "time_expire": wire_time(order.time_expire),
        "profit_sharing": "Y" if order.profit_sharing else "",
    }
    return {name: value for name, value in fields.items() if value}


def _payer_field(credentials: Credentials) -> str:
    """`sub_openid` belongs to `sub_appid`, `openid` to `appid` (wechatpay-v2 2.1)."""
    under_sub_appid = isinstance(credentials, PartnerCredentials) and credentials.sub_appid is not None
    return "sub_openid" if under_sub_appid else "openid"


def prepay(answer: Answer, trade_type: TradeType, *, plain_pages: bool) -> Prepay:
    """Read a verified unifiedorder answer. Raises BadField for what its trade type makes mandatory.

    `plain_pages`: the H5 page may be one of plain http.
    """
    fields = Fields(answer.fields)
    return Prepay(
        fields.need("prepay_id", PrepayId),
        _code_url(fields) if trade_type is TradeType.NATIVE else None,
        _h5_url(fields, plain_pages=plain_pages) if trade_type is TradeType.H5 else None,
        answer.call,
    )


def _code_url(fields: Fields) -> str:
    url = fields.text("code_url")
    if _CODE_URL.fullmatch(url) is None:
        raise BadField("code_url")
    return url


def _h5_url(fields: Fields, *, plain_pages: bool) -> str:
    """The address a browser is sent to, so that it must be one and nothing else."""
    url = fields.text("mweb_url")
    form = _H5_URL.fullmatch(url)
    if form is None or (form[1] == "http" and not plain_pages):
        raise BadField("mweb_url")
    return url


def querying(out_trade_no: OutTradeNo) -> Question:
    """orderquery by our number."""
    fields = {"out_trade_no": out_trade_no.text}
    return Question("orderquery", "/pay/orderquery", fields, echoed=("out_trade_no",))


def queried(answer: Answer) -> OrderState:
    """Read a verified orderquery answer. Raises BadField for what its state makes mandatory."""
    fields = Fields(answer.fields)
    try:
        state = TradeState(fields.text("trade_state"))
    except ValueError:
        raise BadField("trade_state") from None
    return order_state(answer, state)


def order_state(answer: Answer, state: TradeState) -> OrderState:
    """Read what an answer says of an order in `state`. Raises BadField for what that makes mandatory."""
    fields = Fields(answer.fields)
    found = OrderState(
        out_trade_no=fields.need("out_trade_no", OutTradeNo),
        trade_state=state,
        trade_state_desc=fields.text("trade_state_desc"),
        mch_id=fields.need("mch_id", MchId),
        appid=fields.need("appid", AppId),
        sub_mch_id=fields.identifier("sub_mch_id", SubMchId),
        sub_appid=fields.identifier("sub_appid", AppId),
        transaction_id=fields.identifier("transaction_id", TransactionId),
        total_fee=fields.fen("total_fee"),
        fee_type=fields.word("fee_type") or "CNY",
        cash_fee=fields.fen("cash_fee"),
        coupon_fee=fields.fen("coupon_fee"),
        settlement_total_fee=fields.fen("settlement_total_fee"),
        trade_type=fields.trade_type("trade_type"),
        bank_type=fields.word("bank_type"),
        openid=fields.identifier("openid", OpenId),
        sub_openid=fields.identifier("sub_openid", OpenId),
        attach=fields.text("attach"),
        time_end=fields.time("time_end"),
        call=answer.call,
    )
    if state.was_paid:
        for name in ("transaction_id", "total_fee", "time_end"):
            if getattr(found, name) is None:
                raise BadField(name)
    return found


def closing(out_trade_no: OutTradeNo) -> Question:
    """closeorder."""
    return Question("closeorder", "/pay/closeorder", {"out_trade_no": out_trade_no.text})
