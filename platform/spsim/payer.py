"""The payer's phone: whether the cashier opens, and what the payer does then (wechatpay-v2 3, 11.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from . import payments, trades
from .api_keys import V3
from .payments import Payment
from .registry import api_certificates, find_provider
from .signing import random_text, verifies
from .trades import Prepay, Trade
from .v3 import crypto
from .world import World

SIGNATURE_FAILED: Final = "支付验证签名失败"

_SECONDS: Final = re.compile(r"[0-9]{10}")
_CASHIER: Final = ("timeStamp", "nonceStr", "package", "signType", "paySign")
_APP_CASHIER: Final = ("appid", "partnerid", "prepayid", "package", "noncestr", "timestamp", "sign")


class CannotPay(Exception):
    """The phone refuses: `code` for programs, `message` as the payer reads it, `detail` for the developer."""

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Cashier:
    """An order with the prepay id by which the phone found it."""

    trade: Trade
    prepay: Prepay


def find_cashier(
    world: World,
    *,
    prepay_id: str | None = None,
    code_url: str | None = None,
    out_trade_no: str | None = None,
    mch_id: str | None = None,
) -> Cashier:
    """Find an order by exactly one of its names; raises CannotPay when there is none or more than one."""
    if sum(name is not None for name in (prepay_id, code_url, out_trade_no)) != 1:
        raise CannotPay("BAD_REQUEST", "请求有误", "give exactly one of prepay_id, code_url, out_trade_no")
    if out_trade_no is not None:
        found = trades.by_number_anywhere(world, out_trade_no)
        found = [trade for trade in found if mch_id in {None, trade.mch_id}]
        if len(found) > 1:
            raise CannotPay("AMBIGUOUS", "请求有误", "several providers have this out_trade_no: add mch_id")
        prepay = trades.latest_prepay(world, found[0]) if found else None
    elif prepay_id is not None:
        prepay = trades.find_prepay(world, "prepay_id", prepay_id)
    else:
        prepay = trades.find_prepay(world, "code_url", code_url or "")
    if prepay is None:
        raise CannotPay("ORDERNOTEXIST", "订单不存在")
    trade = trades.by_id(world, prepay.trade_id)
    if code_url is not None and trade.api == V3 and trades.latest_prepay(world, trade) != prepay:
        raise CannotPay("CODE_EXPIRED", "二维码已失效，请重新获取", "a later prepay made a new code_url")
    return Cashier(trade, prepay)


def was_scanned(world: World, out_trade_no: str, mch_id: str | None) -> bool:
    """Tell whether the number is that of a MICROPAY order, which has no cashier to find."""
    found = trades.by_number_anywhere(world, out_trade_no)
    return any(t.get("trade_type") == trades.MICROPAY for t in found if mch_id in {None, t.mch_id})


def check_payable(world: World, cashier: Cashier) -> None:
    """Raise CannotPay when the order is paid, closed or expired, or its prepay id is older than two hours."""
    trade = cashier.trade
    if trade.state == "SUCCESS":
        raise CannotPay("ORDERPAID", "该订单已支付")
    if trade.state == "CLOSED":
        raise CannotPay("ORDERCLOSED", "该订单已关闭")
    if world.clock.now_ms() >= trade.expires_at:
        raise CannotPay("ORDER_EXPIRED", "订单已超过支付有效期", "time_expire has passed")
    if trades.prepay_expired(world, cashier.prepay):
        raise CannotPay(
            "PREPAY_EXPIRED", "调用支付JSAPI缺少参数：total_fee", "the prepay_id is older than 2 hours"
        )


def check_pay_params(
    world: World, cashier: Cashier, params: dict[str, str], appid: str | None = None
) -> None:
    """Check what the page gave to the phone, as the phone does, and raise CannotPay when it does not open.

    `appid` is the mini-program or official account that runs; when not said it is the right one. For APP
    orders `params` are the six signed fields of the Open SDK and `sign` (wechatpay-v2 3.3). An order of v3
    wants RSA, by a certificate of the provider (wechatpay-v3 2.4).
    """
    if cashier.trade.get("trade_type") == "APP":
        _check_app_params(world, cashier, params)
        return
    for name in _CASHIER:
        if not params.get(name):
            raise CannotPay("PAY_PARAMS", f"调用支付JSAPI缺少参数：{name}", f"{name} is missing or empty")
    trade = cashier.trade
    running = params.get("appId") or appid or trade.payer_appid
    if running not in trade.cashier_appids:
        made_for = " or ".join(trade.cashier_appids)
        raise _bad_signature(f"the order was made for {made_for}, the cashier runs in {running}")
    if not _SECONDS.fullmatch(params["timeStamp"]):
        raise _bad_signature("timeStamp must be ten digits: seconds, not milliseconds")
    if len(params["nonceStr"]) > 32:
        raise _bad_signature("nonceStr is longer than 32 characters")
    if params["package"] != f"prepay_id={cashier.prepay.prepay_id}":
        raise _bad_signature("package must be prepay_id= and the prepay id of this order")
    if params["signType"] != trade.sign_type:
        raise _bad_signature(f"signType must be {trade.sign_type}, as the order was made")
    if trade.api == V3:
        lines = running, params["timeStamp"], params["nonceStr"], params["package"]
        genuine = _rsa_verifies(world, trade, lines, params["paySign"])
    else:
        signed = {name: params[name] for name in _CASHIER} | {"appId": running}
        genuine = verifies(signed, params["paySign"], _key_of(world, trade), trade.sign_type)
    if not genuine:
        raise _bad_signature("paySign does not verify over appId, timeStamp, nonceStr, package, signType")


def _check_app_params(world: World, cashier: Cashier, params: dict[str, str]) -> None:
    for name in _APP_CASHIER:
        if not params.get(name):
            raise CannotPay("PAY_PARAMS", f"缺少参数：{name}", f"{name} is missing or empty")
    trade = cashier.trade
    expected = {
        "appid": trade.payer_appid,
        "partnerid": _partner(trade),
        "prepayid": cashier.prepay.prepay_id,
        "package": "Sign=WXPay",
    }
    for name, value in expected.items():
        if params[name] != value:
            raise _bad_signature(f"{name} must be {value}")
    if not _SECONDS.fullmatch(params["timestamp"]):
        raise _bad_signature("timestamp must be ten digits: seconds, not milliseconds")
    if trade.api == V3:
        lines = params["appid"], params["timestamp"], params["noncestr"], params["prepayid"]
        if not _rsa_verifies(world, trade, lines, params["sign"]):
            raise _bad_signature("sign does not verify over appid, timestamp, noncestr, prepayid")
        return
    signed = {name: params[name] for name in _APP_CASHIER}
    if not verifies(signed, params["sign"], _key_of(world, trade), trade.sign_type):
        raise _bad_signature("sign does not verify over the six lower-case fields")


def _partner(trade: Trade) -> str:
    """Return the number that an app names: of v2 orders who is paid, of v3 orders who signs (-v3 2.4)."""
    return trade.mch_id if trade.api == V3 else trade.get("sub_mch_id") or trade.mch_id


def _rsa_verifies(world: World, trade: Trade, lines: tuple[str, ...], signature: str) -> bool:
    """Tell whether the provider signed these lines with the key of any certificate that is valid."""
    message = "".join(f"{line}\n" for line in lines).encode()
    known = api_certificates(world.ledger, trade.mch_id)
    return any(crypto.verifies(certificate.pem, message, signature) for certificate in known)


def _bad_signature(detail: str) -> CannotPay:
    return CannotPay("PAY_SIGN", SIGNATURE_FAILED, detail)


def _key_of(world: World, trade: Trade) -> str:
    provider = find_provider(world.ledger, trade.mch_id)
    if provider is None or provider.api_v2_key is None:
        raise CannotPay("PAY_SIGN", SIGNATURE_FAILED, "the provider has no api_v2_key")
    return provider.api_v2_key


def settle(world: World, cashier: Cashier, user: str | None, *, again: bool = False) -> Payment:
    """Pay the order as `user` (an openid under the order's payer appid; the order's own payer when None).

    `again` pays an order that is paid already, as never should happen (catalogue B05). Raises CannotPay when
    the order cannot be paid, or a JSAPI order is paid by somebody else.
    """
    trade = cashier.trade
    if again:
        if trade.state != "SUCCESS":
            raise CannotPay("NOTPAY", "订单未支付", "again is for orders that are paid already")
    else:
        check_payable(world, cashier)
    if user is not None and trade.payer and user != trade.payer:
        raise CannotPay(
            "PAYER_MISMATCH", "支付用户与下单用户不一致", "a JSAPI order is paid by its own openid"
        )
    return payments.record(world, trade, user or trade.payer or f"o{random_text(27)}")
