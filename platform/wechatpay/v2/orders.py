"""Orders by API v2: unifiedorder, orderquery, closeorder.

Source: wechatpay-v2 2, 4.4, 4.5.
"""

from __future__ import annotations

import re

from wechatpay.call import CallRecord
from wechatpay.credentials import Credentials, PartnerCredentials
from wechatpay.errors import InvalidRequest, Refused, UnknownOutcome
from wechatpay.gateway import Closed, NewOrder, OrderState, Prepay, TradeState, TradeType
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, PrepayId, SubMchId, TransactionId
from wechatpay.transport import Transport
from wechatpay.v2.exchange import Answer, Question, ask
from wechatpay.v2.fields import BadField, Fields, wire_time
from wechatpay.v2.signing import neutralise

_OFFERED = frozenset({TradeType.JSAPI, TradeType.NATIVE})
_CODE_URL = re.compile(r"[!-~]{1,512}")


class V2Gateway:
    """The Gateway port over API v2. Holds no credentials: each call brings its own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        """unifiedorder. See Gateway.place."""
        question = Question(
            "unifiedorder", "/pay/unifiedorder", order_fields(credentials, order), echoed=("trade_type",)
        )
        answer = await ask(self._transport, credentials, question)
        fields = Fields(answer.fields)
        try:
            prepay_id = fields.need("prepay_id", PrepayId)
            code_url = _code_url(fields) if order.trade_type is TradeType.NATIVE else None
        except BadField as error:
            raise _incomplete(error, answer.call) from None
        return Prepay(prepay_id, code_url, answer.call)

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        """orderquery by our number. See Gateway.query."""
        answer = await ask(
            self._transport,
            credentials,
            Question(
                "orderquery",
                "/pay/orderquery",
                {"out_trade_no": out_trade_no.text},
                echoed=("out_trade_no",),
            ),
        )
        try:
            return _order_state(answer)
        except BadField as error:
            raise _incomplete(error, answer.call) from None

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        """closeorder; ORDERCLOSED is success (wechatpay-v2 1.10). See Gateway.close."""
        question = Question("closeorder", "/pay/closeorder", {"out_trade_no": out_trade_no.text})
        try:
            answer = await ask(self._transport, credentials, question)
        except Refused as refusal:
            if refusal.code == "ORDERCLOSED" and refusal.level == "result" and refusal.call is not None:
                return Closed(refusal.call, already=True)
            raise
        return Closed(answer.call, already=False)


def order_fields(credentials: Credentials, order: NewOrder) -> dict[str, str]:
    """The business fields of unifiedorder, the same for every repetition of the same order.

    Each trade type sends what is its own and nothing more (S2-05). Raises InvalidRequest for a
    trade type this release does not offer.
    """
    if order.trade_type not in _OFFERED:
        raise InvalidRequest(
            "trade_type", "本版本只支持 JSAPI 和 NATIVE", "this release offers JSAPI and NATIVE only"
        )
    fields = {
        "body": neutralise(order.description),
        "attach": order.attach,
        "out_trade_no": order.out_trade_no.text,
        "total_fee": str(order.amount.value),
        "spbill_create_ip": order.payer_ip,
        "time_start": wire_time(order.time_start),
        "time_expire": wire_time(order.time_expire),
        "notify_url": order.notify_url,
        "trade_type": order.trade_type.wire,
        "profit_sharing": "Y" if order.profit_sharing else "",
    }
    if order.trade_type is TradeType.NATIVE:
        fields["product_id"] = order.product_id or order.out_trade_no.text
    elif order.openid is not None:
        fields[_payer_field(credentials)] = order.openid.text
    return {name: value for name, value in fields.items() if value}


def _payer_field(credentials: Credentials) -> str:
    """`sub_openid` belongs to `sub_appid`, `openid` to `appid` (wechatpay-v2 2.1)."""
    under_sub_appid = isinstance(credentials, PartnerCredentials) and credentials.sub_appid is not None
    return "sub_openid" if under_sub_appid else "openid"


def _code_url(fields: Fields) -> str:
    url = fields.text("code_url")
    if _CODE_URL.fullmatch(url) is None:
        raise BadField("code_url")
    return url


def _order_state(answer: Answer) -> OrderState:
    """Read a verified orderquery answer. Raises BadField for what its state makes mandatory."""
    fields = Fields(answer.fields)
    state = _trade_state(fields)
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


def _trade_state(fields: Fields) -> TradeState:
    try:
        return TradeState(fields.text("trade_state"))
    except ValueError:
        raise BadField("trade_state") from None


def _incomplete(error: BadField, call: CallRecord) -> UnknownOutcome:
    outcome = UnknownOutcome(f"answer_without_{error.field}")
    outcome.call = call
    return outcome
