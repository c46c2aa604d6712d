"""Business rules of micropay and reverse: charging a payment code and undoing it (wechatpay-v2 4.1, 4.2)."""

from __future__ import annotations

from typing import Final

from . import codes, orders, payments, refund_books, trades, values
from .admission import Call, Declined
from .codes import PayCode
from .payments import Payment
from .trades import MICROPAY, Trade
from .world import World

PASSWORD_LIFE_MS: Final = 45 * 1000
NO_REVERSE_BEFORE_MS: Final = 15 * 1000
REVERSE_LIFE_MS: Final = 7 * 24 * 3600 * 1000
PASSWORD_ABOVE: Final = 100_000
"""Above 1000 yuan the payer types the password (wechatpay-v2 4.1), in fen."""

_CHOICES: Final = {
    "fee_type": ("CNY",),
    "profit_sharing": ("Y", "N"),
    "limit_pay": ("no_credit",),
    "receipt": ("Y", "N"),
    "version": ("1.0",),
    "deposit": ("Y", "N"),
}
_WAITING: Final = {
    "userpaying": ("USERPAYING", "需要用户输入支付密码"),
    "bankerror": ("BANKERROR", "银行端超时，请查询订单"),
}
_FAILING: Final = {
    "notenough": ("NOTENOUGH", "用户账号余额不足"),
    "notsuportcard": ("NOTSUPORTCARD", "用户使用卡种不支持当前支付形式"),
    "trade_error": ("TRADE_ERROR", "支付异常，请确认用户支付状态"),
}
_NEVER_AGAIN: Final = {
    "SUCCESS": ("ORDERPAID", "该订单已支付"),
    "REVOKED": ("ORDERREVERSED", "订单已撤销"),
    "USERPAYING": _WAITING["userpaying"],
}


def micropay(world: World, call: Call) -> dict[str, str]:
    """Charge a payment code: paid in the answer, or declined with what became of it.

    A code that cannot be charged leaves no order; a payer who cannot pay leaves one in PAYERROR, which may
    be tried again with a fresh code of the same payer.
    """
    values.check_order(call, _CHOICES)
    known = trades.by_number(world, call.provider.mch_id, call.get("out_trade_no"))
    if known is not None:
        _check_repeated(call, known)
    code = codes.usable(world, call)
    if known is not None and not _same_payer(world, known, code):
        raise Declined("BUYER_MISMATCH", "支付帐号错误：同一订单号只能由同一用户支付")
    trade = _charge(world, call, known, code)
    if code.behaviour in _FAILING:
        trades.move(world, trade, "PAYERROR")
        raise Declined(*_FAILING[code.behaviour])
    if code.behaviour in _WAITING:
        raise Declined(*_WAITING[code.behaviour])
    if int(trade.get("total_fee")) > PASSWORD_ABOVE:
        raise Declined(*_WAITING["userpaying"])
    return payments.paid_fields(trade, _pay(world, trade, code))


def type_password(world: World, trade: Trade, *, right: bool) -> Payment | None:
    """Act as the payer of whom the password is asked: pay, or give up and leave the order in PAYERROR."""
    if not right:
        trades.move(world, trade, "PAYERROR")
        return None
    return _pay(world, trade, codes.of_trade(world, trade))


def reverse(world: World, call: Call) -> dict[str, str]:
    """Undo a micropay order: one that is not paid is closed for ever, of one that is the money goes back."""
    trade, payment = orders.find(world, call, unknown_transaction="INVALID_TRANSACTIONID")
    if trade.get("trade_type") != MICROPAY:
        raise Declined("INVALID_REQUEST", "仅付款码支付的订单支持撤销")
    if trade.state == "REVOKED":
        return {"recall": "N"}
    now = world.clock.now_ms()
    if now >= trade.created_at + REVERSE_LIFE_MS:
        raise Declined("REVERSE_EXPIRE", "订单超过7天，不能撤销，请使用退款")
    charged_at = codes.of_trade(world, trade).used_at or trade.created_at
    last = charged_at if payment is None else max(charged_at, payment.paid_at)
    if now < last + NO_REVERSE_BEFORE_MS:
        raise Declined("TRADE_ERROR", "支付后15秒内不能撤销，请稍后重试")
    if payment is not None and refund_books.of_payment(world, payment):
        raise Declined("INVALID_REQUEST", "订单已发生退款，不能撤销")
    with world.ledger.transaction():
        trades.move(world, trade, "REVOKED")
        world.ledger.run(
            "INSERT INTO reversal (trade_id, transaction_id, amount, reversed_at) VALUES (?, ?, ?, ?)",
            trade.id,
            None if payment is None else payment.transaction_id,
            0 if payment is None else payment.total_fee,
            now,
        )
    return {"recall": "N"}


def _check_repeated(call: Call, known: Trade) -> None:
    if known.get("trade_type") != MICROPAY:
        raise Declined("OUT_TRADE_NO_USED", "商户订单号重复")
    if known.get("sub_mch_id") == call.get("sub_mch_id") and known.state in _NEVER_AGAIN:
        raise Declined(*_NEVER_AGAIN[known.state])
    orders.check_same(call, known)


def _same_payer(world: World, known: Trade, code: PayCode) -> bool:
    before = codes.of_trade(world, known)
    return before.openid_under(known.payer_appid) == code.openid_under(known.payer_appid)


def _charge(world: World, call: Call, known: Trade | None, code: PayCode) -> Trade:
    """Use the code up; the order waits for its payer from now on."""
    now = world.clock.now_ms()
    until = now + PASSWORD_LIFE_MS
    with world.ledger.transaction():
        if known is None:
            unwanted = {"sign", "nonce_str", "auth_code"}
            params = {name: value for name, value in call.params.items() if name not in unwanted}
            params["trade_type"] = MICROPAY
            trade = trades.insert(world, params, call.sign_type, now, until, "USERPAYING")
        else:
            trade = trades.move(world, known, "USERPAYING", expires_at=until)
        codes.use(world, code, trade)
    return trade


def _pay(world: World, trade: Trade, code: PayCode) -> Payment:
    return payments.record(world, trade, code.openid_under(trade.payer_appid), notified=False)
