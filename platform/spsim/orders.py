"""Business rules of unifiedorder, orderquery and closeorder (wechatpay-v2 2, 4.4, 4.5, 11.2).

Every function takes an admitted call and returns the business fields of a signed answer, or raises Declined
(signed, with `err_code`) or Refused (unsigned).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from . import payments, refund_books, trades, values
from .admission import Call, Declined, Refused
from .api_keys import V2
from .clock import read_wire_time
from .fields import REENTRY
from .misconfigurations import check_product
from .payments import Payment
from .registry import binding_kind, remember_openid
from .trades import MICROPAY, Trade
from .v3 import rules
from .world import World

H5_LIFE_MS: Final = 5 * 60 * 1000
_MINUTE_MS: Final = 60 * 1000
_LONGEST_MS: Final = 15 * 24 * 3600 * 1000
_CHOICES: Final = {
    "trade_type": ("JSAPI", "NATIVE", "APP", "MWEB"),
    "fee_type": ("CNY",),
    "profit_sharing": ("Y", "N"),
    "limit_pay": ("no_credit",),
    "receipt": ("Y", "N"),
    "version": ("1.0",),
}
STATE_TEXTS: Final = {
    "NOTPAY": "订单未支付",
    "USERPAYING": "需要用户输入支付密码",
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "CLOSED": "订单已关闭",
    "REVOKED": "订单已撤销",
    "PAYERROR": "支付失败",
}


def unifiedorder(world: World, call: Call) -> dict[str, str]:
    """Make an order, or return the payable prepay id of the same one again (wechatpay-v2 1.10)."""
    values.check_order(call, _CHOICES)
    values.check_notify_url(call.get("notify_url"))
    check_product(world, call)
    _check_trade_type(world, call)
    trade = trades.by_number(world, call.provider.mch_id, call.get("out_trade_no"))
    if trade is None:
        trade = _create(world, call)
    else:
        _check_reentry(world, call, trade)
        trades.use_sign_type(world, trade, call.sign_type)
    prepay = trades.current_prepay(world, trade)
    answer = {"trade_type": call.get("trade_type"), "prepay_id": prepay.prepay_id}
    if prepay.code_url is not None:
        answer["code_url"] = prepay.code_url
    if call.get("trade_type") == "MWEB":
        # The page opens until then; the prepay id itself lives longer (wechatpay-v2 2.6).
        until = world.clock.now_ms() + H5_LIFE_MS
        answer["mweb_url"] = f"{world.public_base}/_sim/phone/{prepay.prepay_id}?package={until}"
    return answer


def orderquery(world: World, call: Call) -> dict[str, str]:
    """Tell the state of an order; `transaction_id` wins over `out_trade_no`."""
    trade, payment = find(world, call)
    state = refund_books.trade_state(world, trade, payment)
    answer = {"trade_state": state, "trade_state_desc": STATE_TEXTS[state]}
    if payment is None or state == "REVOKED":
        return answer | {"out_trade_no": trade.out_trade_no, "total_fee": trade.get("total_fee")}
    return answer | payments.paid_fields(trade, payment)


def closeorder(world: World, call: Call) -> dict[str, str]:
    """Close an unpaid order; a MICROPAY order can only be reversed (wechatpay-v2 4.2)."""
    trade, _payment = find(world, call)
    if trade.get("trade_type") == MICROPAY:
        raise Declined("INVALID_REQUEST", "付款码支付的订单不支持关闭，只能撤销")
    if trade.api != V2:
        # Close stays in the generation that made the order (wechatpay-v3 9).
        raise Declined("INVALID_REQUEST", "请使用下单时的接口版本关闭订单")
    if trade.state == "SUCCESS":
        raise Declined("ORDERPAID", "该订单已支付")
    if trade.state == "CLOSED":
        raise Declined("ORDERCLOSED", "该订单已关闭")
    trades.move(world, trade, "CLOSED")
    return {"result_msg": "OK"}


def find(
    world: World, call: Call, *, unknown_transaction: str = "ORDERNOTEXIST"
) -> tuple[Trade, Payment | None]:
    """Return the order that a call names, with the payment it means, None while there is none.

    WeChat's number names one payment, the merchant's stands for the first. The order must be of the same
    merchant and sub-merchant, and v2 may see it. `unknown_transaction` is the code for a transaction_id that
    does not exist.
    """
    payment: Payment | None = None
    trade: Trade | None = None
    if call.get("transaction_id"):
        payment = payments.by_transaction(world, call.get("transaction_id"))
        if payment is None:
            raise Declined(unknown_transaction, "订单不存在")
        trade = trades.by_id(world, payment.trade_id)
    else:
        trade = trades.by_number(world, call.provider.mch_id, call.get("out_trade_no"))
        if trade is None:
            raise Declined("ORDERNOTEXIST", "订单不存在")
        payment = payments.first(world, trade)
    check_owner(call, trade)
    if not rules.may_cross(world.ledger, trade.mch_id, trade.api, V2):
        raise Declined("ORDERNOTEXIST", "订单不存在")
    return trade, payment


def check_owner(call: Call, trade: Trade) -> None:
    """Refuse a call about an order of another merchant or sub-merchant."""
    if trade.mch_id != call.provider.mch_id:
        raise Refused("商户号和订单不匹配")
    if trade.get("sub_mch_id") != call.get("sub_mch_id"):
        raise Refused("子商户号和订单信息不匹配")


def check_same(call: Call, trade: Trade) -> None:
    """Check that a repeated number comes with the order's own parameters (wechatpay-v2 11.2)."""
    other = trade.api != V2
    if other or any(call.get(name) != trade.get(name) for name in REENTRY if name in call.endpoint.fields):
        raise Declined("INVALID_REQUEST", "201 商户订单号重复")


def _check_trade_type(world: World, call: Call) -> None:
    trade_type, sub_appid = call.get("trade_type"), call.get("sub_appid")
    if sub_appid and trade_type in {"JSAPI", "APP"}:
        kind = binding_kind(world.ledger, call.provider.mch_id, call.get("sub_mch_id"), sub_appid)
        if (kind == "app") != (trade_type == "APP"):
            raise Declined("PARAM_ERROR", "sub_appid的类型与trade_type不匹配")
    if trade_type == "MWEB" and ip_address(call.get("spbill_create_ip")).is_loopback:
        raise Declined("PARAM_ERROR", "H5支付的spbill_create_ip必须为用户的真实IP")


def _create(world: World, call: Call) -> Trade:
    now = world.clock.now_ms()
    params = {name: value for name, value in call.params.items() if name not in {"sign", "nonce_str"}}
    trade = trades.insert(world, params, call.sign_type, now, _expiry(call, now))
    for app, user in (("appid", "openid"), ("sub_appid", "sub_openid")):
        if call.get(user):
            remember_openid(world.ledger, call.get(app), call.get(user))
    return trade


def _expiry(call: Call, now: int) -> int:
    """Return when the order stops being payable: 1 minute to 15 days from now, 7 days when not said (2.2)."""
    try:
        start = read_wire_time(call.get("time_start")) if call.get("time_start") else None
        end = read_wire_time(call.get("time_expire")) if call.get("time_expire") else None
    except ValueError:
        raise Declined("PARAM_ERROR", "time_start和time_expire的格式必须为yyyyMMddHHmmss") from None
    if end is None:
        return now + trades.ORDER_LIFE_MS
    if end <= now or (start is not None and end <= start):
        raise Declined("PARAM_ERROR", "time_expire必须晚于当前时间和time_start，时区为UTC+8")
    return min(max(end, now + _MINUTE_MS), now + _LONGEST_MS)


def _check_reentry(world: World, call: Call, trade: Trade) -> None:
    if call.get("sub_mch_id") == trade.get("sub_mch_id"):
        if trade.state == "SUCCESS":
            raise Declined("ORDERPAID", "该订单已支付")
        if trade.state == "CLOSED":
            raise Declined("ORDERCLOSED", "该订单已关闭")
    check_same(call, trade)
    if world.clock.now_ms() >= trade.expires_at:
        raise Declined("INVALID_REQUEST", "订单已超过支付有效期")
