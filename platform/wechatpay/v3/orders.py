"""Orders by API v3: what prepay, query and close are asked, and what they answer.

Source: wechatpay-v3 2.1 to 2.7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import quote

from wechatpay.credentials import Credentials, PartnerCredentials
from wechatpay.errors import BadField, InvalidRequest
from wechatpay.gateway import H5Scene, H5Type, NewOrder, OrderState, Prepay, TradeState, TradeType
from wechatpay.identifiers import OpenId, OutTradeNo, PrepayId, TransactionId
from wechatpay.money import Fen
from wechatpay.v3.exchange import Answer, Question
from wechatpay.v3.fields import Fields
from wechatpay.v3.identity import merchants, sent_identity, told_identity

MAX_NOTIFY_URL = 255
"""Bytes; one less than API v2 takes. Every other limit of the port is within v3's."""

_CHINA = timezone(timedelta(hours=8))
_WAYS = {
    TradeType.JSAPI: "jsapi",
    TradeType.NATIVE: "native",
    TradeType.APP: "app",
    TradeType.H5: "h5",
}
_SCENES = {
    H5Type.WAP: ("Wap", "app_url"),
    H5Type.IOS: ("iOS", "bundle_id"),
    H5Type.ANDROID: ("Android", "package_name"),
}
_SCENE_LIMITS = {"app_name": 64, "app_url": 128, "bundle_id": 128, "package_name": 128}
_CODE_URL = re.compile(r"[!-~]{1,512}")
_H5_URL = re.compile(r"(https?)://[!#-;=?-~]{1,505}")


@dataclass(frozen=True, slots=True)
class Payer:
    """The payer under the provider's or the merchant's own app, and under the sub-merchant's."""

    openid: OpenId | None
    sub_openid: OpenId | None


def placing(credentials: Credentials, order: NewOrder) -> Question:
    """prepay by the order's own way to pay. Raises InvalidRequest for MICROPAY, which stays with API v2, and
    for what is longer than v3 takes."""
    way = _WAYS.get(order.trade_type)
    if way is None:
        raise InvalidRequest(
            "trade_type", "付款码支付只经 API v2", "a payment code is charged by API v2 alone"
        )
    path = f"{_transactions(credentials)}/{way}"
    return Question("v3.prepay", "POST", path, body=order_fields(credentials, order))


def order_fields(credentials: Credentials, order: NewOrder) -> dict[str, Any]:
    """The body of prepay, the same for every repetition of the same order. Raises as `placing`."""
    if len(order.notify_url) > MAX_NOTIFY_URL:
        raise InvalidRequest(
            "notify_url", f"超过 {MAX_NOTIFY_URL} 字节", f"is longer than {MAX_NOTIFY_URL} bytes"
        )
    return {
        **sent_identity(credentials),
        "description": order.description,
        "out_trade_no": order.out_trade_no.text,
        "time_expire": order.time_expire.astimezone(_CHINA).isoformat(timespec="seconds"),
        "attach": order.attach,
        "notify_url": order.notify_url,
        "settle_info": {"profit_sharing": True} if order.profit_sharing else None,
        "amount": {"total": order.amount.value, "currency": "CNY"},
        "payer": _payer(credentials, order),
        "scene_info": {
            "payer_client_ip": order.payer_ip,
            "h5_info": _h5_info(order.scene) if order.scene else None,
        },
    }


def _payer(credentials: Credentials, order: NewOrder) -> dict[str, str] | None:
    """`sub_openid` belongs to `sub_appid`, `sp_openid` to `sp_appid` (wechatpay-v3 2.3)."""
    if order.trade_type is not TradeType.JSAPI or order.openid is None:
        return None
    if not isinstance(credentials, PartnerCredentials):
        return {"openid": order.openid.text}
    return {"sub_openid" if credentials.sub_appid else "sp_openid": order.openid.text}


def _h5_info(scene: H5Scene) -> dict[str, str]:
    """Where the payment starts, in v3's names. Raises InvalidRequest for what is too long there."""
    kind, address = _SCENES[scene.type]
    told = {"app_name": scene.name, address: scene.address}
    for name, value in told.items():
        if len(value) > _SCENE_LIMITS[name]:
            raise InvalidRequest(
                "h5_info",
                f"名称不超过 64 个字符，地址不超过 {_SCENE_LIMITS[address]} 个字符",
                f"the name takes 64 characters, the address {_SCENE_LIMITS[address]}",
            )
    return {"type": kind, **told}


def prepay(answer: Answer, trade_type: TradeType, *, plain_pages: bool) -> Prepay:
    """Read a verified prepay answer. Raises BadField for what its trade type makes mandatory.

    `plain_pages`: the H5 page may be one of plain http.
    """
    fields = Fields(answer.fields)
    with_id = trade_type in {TradeType.JSAPI, TradeType.APP}
    return Prepay(
        fields.need("prepay_id", PrepayId) if with_id else None,
        _code_url(fields) if trade_type is TradeType.NATIVE else None,
        _h5_url(fields, plain_pages=plain_pages) if trade_type is TradeType.H5 else None,
        answer.call,
    )


def _code_url(fields: Fields) -> str:
    url = fields.text("code_url") or ""
    if _CODE_URL.fullmatch(url) is None:
        raise BadField("code_url")
    return url


def _h5_url(fields: Fields, *, plain_pages: bool) -> str:
    """The address a browser is sent to, so that it must be one and nothing else."""
    url = fields.text("h5_url") or ""
    form = _H5_URL.fullmatch(url)
    if form is None or (form[1] == "http" and not plain_pages):
        raise BadField("h5_url")
    return url


def querying(credentials: Credentials, out_trade_no: OutTradeNo) -> Question:
    """query by our number."""
    identity = sent_identity(credentials)
    # It may be left out of the answer, and come unasked.
    sub_appid = identity.pop("sub_appid", None)
    return Question(
        "v3.query",
        "GET",
        _of_number(credentials, out_trade_no),
        query=merchants(credentials),
        expected={**identity, "out_trade_no": out_trade_no.text},
        if_told={"sub_appid": sub_appid} if sub_appid else {},
    )


def queried(answer: Answer) -> OrderState:
    """Read a verified query answer. Raises BadField for what its state makes mandatory."""
    fields = Fields(answer.fields)
    try:
        state = TradeState(fields.text("trade_state") or "")
    except ValueError:
        raise BadField("trade_state") from None
    identity, payer, amount = told_identity(fields), told_payer(fields), fields.section("amount")
    total, paid = amount.fen("total"), amount.fen("payer_total")
    found = OrderState(
        out_trade_no=fields.need("out_trade_no", OutTradeNo),
        trade_state=state,
        trade_state_desc=fields.text("trade_state_desc") or "",
        mch_id=identity.mch_id,
        appid=identity.appid,
        sub_mch_id=identity.sub_mch_id,
        sub_appid=identity.sub_appid,
        transaction_id=fields.identifier("transaction_id", TransactionId),
        total_fee=total,
        fee_type=amount.word("currency") or "CNY",
        cash_fee=paid,
        coupon_fee=_coupons(total, paid),
        settlement_total_fee=None,
        trade_type=fields.trade_type("trade_type"),
        bank_type=fields.word("bank_type"),
        openid=payer.openid,
        sub_openid=payer.sub_openid,
        attach=fields.text("attach") or "",
        time_end=fields.moment("success_time"),
        call=answer.call,
    )
    if state.was_paid:
        for name, value in (
            ("transaction_id", found.transaction_id),
            ("amount.total", found.total_fee),
            ("success_time", found.time_end),
        ):
            if value is None:
                raise BadField(name)
    return found


def _coupons(total: Fen | None, paid: Fen | None) -> Fen | None:
    if total is None or paid is None:
        return None
    if paid > total:
        raise BadField("amount.payer_total")
    return total - paid


def told_payer(fields: Fields) -> Payer:
    """Read who paid. Raises BadField."""
    payer = fields.section("payer")
    own = payer.identifier("sp_openid", OpenId) or payer.identifier("openid", OpenId)
    return Payer(own, payer.identifier("sub_openid", OpenId))


def closing(credentials: Credentials, out_trade_no: OutTradeNo) -> Question:
    """close; the answer is empty."""
    path = f"{_of_number(credentials, out_trade_no)}/close"
    return Question("v3.close", "POST", path, body=merchants(credentials), empty=True)


def _transactions(credentials: Credentials) -> str:
    partner = isinstance(credentials, PartnerCredentials)
    return "/v3/pay/partner/transactions" if partner else "/v3/pay/transactions"


def _of_number(credentials: Credentials, out_trade_no: OutTradeNo) -> str:
    return f"{_transactions(credentials)}/out-trade-no/{quote(out_trade_no.text, safe='*')}"
