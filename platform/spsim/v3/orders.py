"""Orders by API v3: the four prepays, both queries, close (wechatpay-v3 2)."""

from __future__ import annotations

import json
import re
from typing import Final

from spsim import payments, refund_books, trades
from spsim.api_keys import V3
from spsim.clock import rfc3339
from spsim.orders import H5_LIFE_MS, STATE_TEXTS
from spsim.payments import Payment
from spsim.registry import remember_openid
from spsim.trades import MICROPAY, Trade
from spsim.world import World

from . import paths, rules
from .endpoint import Anything, Document, Endpoint, Object, Request, Rule, Text
from .failures import Failed, against_the_rules, no_permission, wrong_parameter
from .identities import check_appids, check_collecting, check_payer, check_relation
from .prepay_fields import MCH_ID, OUT_TRADE_NO, schema
from .values import check_ip, check_notify_url, read_time

SIGN_TYPE: Final = "RSA"
_TRADE_TYPES: Final = {"jsapi": "JSAPI", "native": "NATIVE", "app": "APP", "h5": "MWEB"}
_SHORTEST_MS: Final = 55 * 1000
"""`time_expire` may not be earlier than about a minute after the order."""
_TRANSACTION_ID: Final = re.compile(r"[0-9]{28}")


def _prepay(trade_type: str) -> Rule:
    def rule(world: World, request: Request) -> Document:
        """Make an order, or a new token of the same one (wechatpay-v3 2.2)."""
        _check_values(request, trade_type)
        check_relation(world, request)
        check_collecting(world, request, trade_type)
        check_appids(world, request, trade_type)
        check_payer(world, request)
        trade = trades.by_number(world, request.provider.mch_id, request.text("/out_trade_no"))
        if trade is None:
            trade = _create(world, request, trade_type)
        else:
            _check_reentry(world, request, trade, trade_type)
        return _token(world, trade, trade_type)

    return rule


def _check_values(request: Request, trade_type: str) -> None:
    check_notify_url("/notify_url", request.text("/notify_url"))
    if ip := request.text("/scene_info/payer_client_ip"):
        check_ip("/scene_info/payer_client_ip", ip, real=trade_type == "MWEB")
    if trade_type != "JSAPI" or not request.provider.has_sub_merchants:
        return
    if not (request.text("/payer/sp_openid") or request.text("/payer/sub_openid")):
        raise wrong_parameter("/payer/sp_openid", "", "sp_openid和sub_openid必须传其一")
    if request.text("/payer/sub_openid") and not request.text("/sub_appid"):
        raise wrong_parameter("/sub_appid", "", "传入sub_openid时必须传sub_appid")


def _create(world: World, request: Request, trade_type: str) -> Trade:
    now = world.clock.now_ms()
    expires_at = now + trades.ORDER_LIFE_MS
    if text := request.text("/time_expire"):
        expires_at = read_time("/time_expire", text)
        if expires_at < now + _SHORTEST_MS:
            raise wrong_parameter("/time_expire", text, "不得早于下单时间后1分钟")
    params = _in_words_of_v2(request, trade_type)
    trade = trades.insert(world, params, SIGN_TYPE, now, expires_at, v3_request=_canonical(request))
    for app, user in (("appid", "openid"), ("sub_appid", "sub_openid")):
        if user in params:
            remember_openid(world.ledger, params[app], params[user])
    return trade


def _in_words_of_v2(request: Request, trade_type: str) -> dict[str, str]:
    """Return the order's parameters under the names that the books know them by."""
    params = {
        "appid": request.text("/sp_appid") or request.text("/appid"),
        "mch_id": request.provider.mch_id,
        "sub_appid": request.text("/sub_appid"),
        "sub_mch_id": request.text("/sub_mchid"),
        "openid": request.text("/payer/sp_openid") or request.text("/payer/openid"),
        "sub_openid": request.text("/payer/sub_openid"),
        "device_info": request.text("/scene_info/device_id"),
        "body": request.text("/description"),
        "attach": request.text("/attach"),
        "out_trade_no": request.text("/out_trade_no"),
        "total_fee": str(request.number("/amount/total")),
        "notify_url": request.text("/notify_url"),
        "trade_type": trade_type,
    }
    return {name: value for name, value in params.items() if value}


def _canonical(request: Request) -> str:
    """Return the body in the one form by which two are compared."""
    return json.dumps(request.body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _check_reentry(world: World, request: Request, trade: Trade, trade_type: str) -> None:
    if trade.get("sub_mch_id") != request.text("/sub_mchid") or trade.api != V3:
        raise _number_used()
    if trade.state == "SUCCESS":
        raise Failed(400, "ORDER_PAID", "该订单已支付")
    if trade.state == "CLOSED" or world.clock.now_ms() >= trade.expires_at:
        raise Failed(400, "ORDER_CLOSED", "该订单已关闭，请重新下单")
    if trade.get("trade_type") != trade_type:
        raise _number_used()
    if trade.v3_request != _canonical(request):
        raise against_the_rules("请求重入时，参数与首次请求时不一致，请检查")


def _number_used() -> Failed:
    return Failed(403, "OUT_TRADE_NO_USED", "商户订单号重复")


def _token(world: World, trade: Trade, trade_type: str) -> Document:
    prepay = trades.new_prepay(world, trade)
    if trade_type == "NATIVE":
        return {"code_url": prepay.code_url}
    if trade_type == "MWEB":
        until = world.clock.now_ms() + H5_LIFE_MS
        return {"h5_url": f"{world.public_base}/_sim/phone/{prepay.prepay_id}?package={until}"}
    return {"prepay_id": prepay.prepay_id}


def _by_id(world: World, request: Request) -> Document:
    """Tell about the order that a payment of WeChat's number was made for."""
    check_relation(world, request)
    transaction_id = request.path["transaction_id"]
    if not _TRANSACTION_ID.fullmatch(transaction_id):
        raise Failed(500, "INVALID_TRANSACTIONID", "订单号非法")
    payment = payments.by_transaction(world, transaction_id)
    if payment is None:
        raise _no_such_order()
    return _told(world, _own(world, request, trades.by_id(world, payment.trade_id)), payment)


def _by_number(world: World, request: Request) -> Document:
    """Tell about an order by the merchant's number; it stands for the first payment."""
    check_relation(world, request)
    found = trades.by_number(world, request.provider.mch_id, request.path["out_trade_no"])
    trade = _own(world, request, found)
    return _told(world, trade, payments.first(world, trade))


def _close(world: World, request: Request) -> None:
    """Close an unpaid order; once more is fine (wechatpay-v3 2.6)."""
    check_relation(world, request)
    found = trades.by_number(world, request.provider.mch_id, request.path["out_trade_no"])
    trade = _own(world, request, found)
    if trade.get("trade_type") == MICROPAY:
        raise against_the_rules("付款码支付的订单不支持关闭，只能撤销")
    if trade.api != V3:
        # Close stays in the generation that made the order (wechatpay-v3 9).
        raise Failed(403, "TRADE_ERROR", "请使用下单时的接口版本关闭订单")
    if trade.state == "SUCCESS":
        raise Failed(400, "ORDER_PAID", "该订单已支付")
    if trade.state != "CLOSED":
        trades.move(world, trade, "CLOSED")


def _not_opened(_world: World, _request: Request) -> Document:
    """Refuse code payment: by v3 it is open to selected merchants only (wechatpay-v3 2.8)."""
    raise no_permission("商户未开通此产品权限")


def _own(world: World, request: Request, trade: Trade | None) -> Trade:
    """Return the order if it is the caller's and the named sub-merchant's, and v3 may see it."""
    mch_id, sub_mch_id = request.provider.mch_id, request.named("sub_mchid")
    if trade is None or trade.mch_id != mch_id or trade.get("sub_mch_id") != sub_mch_id:
        raise _no_such_order()
    if not rules.may_cross(world.ledger, mch_id, trade.api, V3):
        raise _no_such_order()
    return trade


def _no_such_order() -> Failed:
    return Failed(404, "ORDER_NOT_EXIST", "订单不存在")


def _told(world: World, trade: Trade, payment: Payment | None) -> Document:
    return transaction(trade, payment, refund_books.trade_state(world, trade, payment))


def transaction(trade: Trade, payment: Payment | None, state: str) -> Document:
    """Return an order as queries and notifications tell it: money and payer once it is paid (2.5, 3.2)."""
    told: Document = {}
    if trade.get("sub_mch_id"):
        told |= {"sp_appid": trade.get("appid"), "sp_mchid": trade.mch_id}
        if trade.get("sub_appid"):
            told["sub_appid"] = trade.get("sub_appid")
        told["sub_mchid"] = trade.get("sub_mch_id")
    else:
        told |= {"appid": trade.get("appid"), "mchid": trade.mch_id}
    told |= {
        "out_trade_no": trade.out_trade_no,
        "trade_state": state,
        "trade_state_desc": STATE_TEXTS[state],
    }
    if trade.get("device_info"):
        told["scene_info"] = {"device_id": trade.get("device_info")}
    if payment is None or state == "REVOKED":
        return told
    return told | {
        "transaction_id": payment.transaction_id,
        "trade_type": trade.get("trade_type"),
        "bank_type": "OTHERS",
        "attach": trade.get("attach"),
        "success_time": rfc3339(payment.paid_at),
        "payer": _payer(trade, payment),
        "amount": {
            "total": payment.total_fee,
            "payer_total": payment.total_fee,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def _payer(trade: Trade, payment: Payment) -> Document:
    if not trade.get("sub_mch_id"):
        return {"openid": payment.openid}
    payer: Document = {"sp_openid": payment.openid}
    return payer if payment.sub_openid is None else payer | {"sub_openid": payment.sub_openid}


_Numbers = dict[str, Text]
_PARTNER: Final[_Numbers] = {"sp_mchid": MCH_ID, "sub_mchid": MCH_ID}
_DIRECT: Final[_Numbers] = {"mchid": MCH_ID}


def _family(
    prepay: dict[str, str], numbers: _Numbers, *, others: tuple[str, ...], partner: bool
) -> tuple[Endpoint, ...]:
    """Return the endpoints of one family: `others` are by id, by number, close, codepay, reverse."""
    caller = next(iter(numbers))
    by_id, by_number, close, codepay, reverse = others
    number = {"out_trade_no": OUT_TRADE_NO}

    def pay_path(
        method: str,
        template: str,
        rule: Rule,
        body: Object | Anything | None = None,
        query: _Numbers | None = None,
        path: _Numbers | None = None,
    ) -> Endpoint:
        named = None if isinstance(body, Anything) else caller
        return Endpoint(
            method, template, rule, body, query or {}, path or {}, caller=named, partner=partner, agent=False
        )

    return (
        *(
            pay_path(
                "POST", template, _prepay(_TRADE_TYPES[kind]), schema(_TRADE_TYPES[kind], partner=partner)
            )
            for kind, template in prepay.items()
        ),
        pay_path("GET", by_id, _by_id, query=numbers, path={"transaction_id": Text(32, required=True)}),
        pay_path("GET", by_number, _by_number, query=numbers, path=number),
        pay_path("POST", close, _close, Object(numbers), path=number),
        pay_path("POST", codepay, _not_opened, Anything()),
        pay_path("POST", reverse, _not_opened, Anything(), path=number),
    )


ENDPOINTS: Final = (
    *_family(
        paths.PREPAY,
        _PARTNER,
        others=(paths.BY_ID, paths.BY_NUMBER, paths.CLOSE, paths.CODEPAY, paths.REVERSE),
        partner=True,
    ),
    *_family(
        paths.DIRECT_PREPAY,
        _DIRECT,
        others=(
            paths.DIRECT_BY_ID,
            paths.DIRECT_BY_NUMBER,
            paths.DIRECT_CLOSE,
            paths.DIRECT_CODEPAY,
            paths.DIRECT_REVERSE,
        ),
        partner=False,
    ),
)
