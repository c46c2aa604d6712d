"""Business rules of unifiedorder, orderquery and closeorder (wechatpay-v2 2, 4.4, 4.5, 11.2).

Every function takes an admitted call and returns the business fields of a signed answer, or raises Declined
(signed, with `err_code`) or Refused (unsigned).
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from . import trades
from .admission import Call, Declined, Refused
from .clock import read_wire_time
from .fields import REENTRY
from .registry import binding_kind, remember_openid
from .trades import Trade
from .world import World

_OUT_TRADE_NO: Final = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_FEN: Final = re.compile(r"[1-9][0-9]{0,8}")
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
_STATE_TEXTS: Final = {"NOTPAY": "订单未支付", "SUCCESS": "支付成功", "CLOSED": "订单已关闭"}


def unifiedorder(world: World, call: Call) -> dict[str, str]:
    """Make an order, or return the payable prepay id of the same one again (wechatpay-v2 1.10)."""
    _check_values(call)
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
        answer["mweb_url"] = f"{world.public_base}/_sim/phone/{prepay.prepay_id}"
    return answer


def orderquery(world: World, call: Call) -> dict[str, str]:
    """Tell the state of an order; `transaction_id` wins over `out_trade_no`."""
    trade = _find(world, call)
    answer = {"trade_state": trade.state, "trade_state_desc": _STATE_TEXTS[trade.state]}
    payment = trades.payment_of(world, trade)
    if payment is None:
        return answer | {"out_trade_no": trade.out_trade_no, "total_fee": trade.get("total_fee")}
    return answer | trades.paid_fields(trade, payment)


def closeorder(world: World, call: Call) -> dict[str, str]:
    """Close an unpaid order."""
    trade = _find(world, call)
    if trade.state == "SUCCESS":
        raise Declined("ORDERPAID", "该订单已支付")
    if trade.state == "CLOSED":
        raise Declined("ORDERCLOSED", "该订单已关闭")
    trades.close(world, trade)
    return {"result_msg": "OK"}


def _check_values(call: Call) -> None:
    if not _OUT_TRADE_NO.fullmatch(call.get("out_trade_no")):
        raise Declined("PARAM_ERROR", "out_trade_no必须为6到32位数字、字母或_-|*")
    if not _FEN.fullmatch(call.get("total_fee")):
        raise Declined("PARAM_ERROR", "total_fee必须为大于0的整数，单位为分")
    for name, allowed in _CHOICES.items():
        if call.get(name) and call.get(name) not in allowed:
            raise Declined("PARAM_ERROR", f"{name}只能为{'、'.join(allowed)}")
    try:
        ip_address(call.get("spbill_create_ip"))
    except ValueError:
        raise Declined("PARAM_ERROR", "spbill_create_ip不是有效的IP地址") from None
    for name in ("detail", "scene_info"):
        if call.get(name) and not _is_json_object(call.get(name)):
            raise Declined("PARAM_ERROR", f"{name}不是有效的JSON")
    _check_notify_url(call.get("notify_url"))


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _check_notify_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character in url for character in " \t\n"):
        raise Declined("PARAM_ERROR", "notify_url必须为http或https的绝对地址")
    if "?" in url or "#" in url:
        raise Declined("PARAM_ERROR", "notify_url不能携带参数")


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
    if any(call.get(name) != trade.get(name) for name in REENTRY):
        raise Declined("INVALID_REQUEST", "201 商户订单号重复")
    if world.clock.now_ms() >= trade.expires_at:
        raise Declined("INVALID_REQUEST", "订单已超过支付有效期")


def _find(world: World, call: Call) -> Trade:
    """Return the order a query or close names; it must be of the same merchant and sub-merchant."""
    if call.get("transaction_id"):
        trade = trades.by_transaction(world, call.get("transaction_id"))
    else:
        trade = trades.by_number(world, call.provider.mch_id, call.get("out_trade_no"))
    if trade is None:
        raise Declined("ORDERNOTEXIST", "订单不存在")
    if trade.mch_id != call.provider.mch_id:
        raise Refused("商户号和订单不匹配")
    if trade.get("sub_mch_id") != call.get("sub_mch_id"):
        raise Refused("子商户号和订单信息不匹配")
    return trade
