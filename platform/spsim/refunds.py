"""Business rules of refund and refundquery (wechatpay-v2 1.7, 1.10, 4.6, 4.7, 11.3)."""

from __future__ import annotations

from typing import Final

from . import balances, orders, payments, refund_books, refund_limits, values
from .admission import Call, Declined
from .api_keys import V2
from .clock import wire_date_time
from .payments import Payment
from .refund_books import API, RECEIVER, Refund, Wanted
from .trades import Trade
from .world import World

MOST_REFUNDS: Final = 50
PAGE: Final = 10
_YEAR_MS: Final = 365 * 24 * 3600 * 1000
_ACCOUNTS: Final = ("REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS")
DEFAULT_ACCOUNT: Final = "REFUND_SOURCE_RECHARGE_FUNDS"
_CHOICES: Final = {"refund_fee_type": ("CNY",), "refund_account": _ACCOUNTS}


def refund(world: World, call: Call) -> dict[str, str]:
    """Accept a refund, or answer the same one again; accepted is not done (wechatpay-v2 1.5)."""
    total, amount = _check_values(call)
    trade, payment = _paid(world, call)
    known = refund_books.by_number(world, call.provider.mch_id, call.get("out_refund_no"))
    if known is not None:
        _check_repeated(known, payment, total, amount)
        return _accepted(trade, payment, known)
    if total != payment.total_fee:
        raise Declined("PARAM_ERROR", "total_fee与订单金额不一致")
    check_admissible(world, trade, payment, amount)
    refund_limits.check_spacing(world, payment)
    wanted = Wanted(
        out_refund_no=call.get("out_refund_no"),
        amount=amount,
        account=call.get("refund_account") or DEFAULT_ACCOUNT,
        reason=call.get("refund_desc") or None,
        source=API,
        notify_url=call.get("notify_url") or None,
        api=V2,
    )
    return _accepted(trade, payment, refund_books.insert(world, trade, payment, wanted))


def refundquery(world: World, call: Call) -> dict[str, str]:
    """Tell about one refund, or a page of ten of a payment's refunds, oldest first.

    `refund_id` wins over `out_refund_no`, that over `transaction_id`, that over `out_trade_no`; the last
    stands for the order's first payment. `offset` skips.
    """
    refund_books.settle_due(world)
    offset = _offset(call)
    if call.get("refund_id") or call.get("out_refund_no"):
        trade, payment, found = _named(world, call)
    else:
        trade, paid = orders.find(world, call, unknown_transaction="INVALID_TRANSACTIONID")
        if paid is None:
            raise _no_such_refund()
        payment, found = paid, refund_books.of_payment(world, paid)
    page = found[offset or 0 :][:PAGE]
    if not page:
        raise _no_such_refund()
    answer = _order_fields(trade, payment) | {
        "refund_count": str(len(page)),
        "refund_fee": str(sum(refund.refund_fee for refund in page)),
    }
    if offset is not None or len(found) > PAGE:
        answer["total_refund_count"] = str(len(found))
    for number, refund in enumerate(page):
        answer |= {f"{name}_{number}": value for name, value in _refund_fields(refund).items()}
    return answer


def check_admissible(world: World, trade: Trade, payment: Payment, amount: int) -> None:
    """Check what every refund must fulfil, whoever asks for it; raises Declined."""
    if trade.state == "REVOKED":
        raise Declined("INVALID_REQUEST", "订单已撤销，不能退款")
    if world.clock.now_ms() > payment.paid_at + _YEAR_MS:
        raise Declined("TRADE_OVERDUE", "订单已经超过退款期限")
    alive = [other for other in refund_books.of_payment(world, payment) if other.status != "REFUNDCLOSE"]
    rest = payment.total_fee - sum(other.refund_fee for other in alive)
    if amount > payment.total_fee:
        raise Declined("PARAM_ERROR", "refund_fee大于订单金额")
    if rest == 0:
        raise Declined("INVALID_REQUEST", "订单已全额退款")
    if amount > rest:
        raise Declined("INVALID_REQUEST", "累计退款金额大于支付金额")
    if len(alive) >= MOST_REFUNDS:
        raise Declined("INVALID_REQUEST", f"一笔订单最多支持{MOST_REFUNDS}次部分退款")
    left = balances.available(world.ledger, trade.mch_id, trade.get("sub_mch_id"))
    if left is not None and amount > left:
        raise Declined("NOTENOUGH", "基本账户余额不足，请充值后重新发起")


def _check_values(call: Call) -> tuple[int, int]:
    values.check_out_refund_no(call)
    values.check_choices(call, _CHOICES)
    values.check_json(call, "detail")
    if call.get("notify_url"):
        values.check_notify_url(call.get("notify_url"))
    return values.fen(call, "total_fee"), values.fen(call, "refund_fee")


def _paid(world: World, call: Call) -> tuple[Trade, Payment]:
    trade, payment = orders.find(world, call, unknown_transaction="INVALID_TRANSACTIONID")
    if payment is None:
        raise Declined("ORDERNOTEXIST", "订单不存在或未支付")
    return trade, payment


def _check_repeated(known: Refund, payment: Payment, total: int, amount: int) -> None:
    if known.transaction_id != payment.transaction_id:
        raise Declined("INVALID_REQUEST", "商户退款单号重复")
    if (total, amount) != (payment.total_fee, known.refund_fee):
        raise Declined("REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致，请核实后再试")


def _order_fields(trade: Trade, payment: Payment) -> dict[str, str]:
    total = str(payment.total_fee)
    return {
        "transaction_id": payment.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "total_fee": total,
        "settlement_total_fee": total,
        "fee_type": "CNY",
        "cash_fee": total,
    }


def _accepted(trade: Trade, payment: Payment, refund: Refund) -> dict[str, str]:
    amount = str(refund.refund_fee)
    return _order_fields(trade, payment) | {
        "cash_fee_type": "CNY",
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_channel": "",
        "refund_fee": amount,
        "settlement_refund_fee": amount,
        "cash_refund_fee": amount,
        "coupon_refund_fee": "0",
        "coupon_refund_count": "0",
    }


def _named(world: World, call: Call) -> tuple[Trade, Payment, list[Refund]]:
    if call.get("refund_id"):
        refund = refund_books.by_id(world, call.get("refund_id"))
    else:
        refund = refund_books.by_number(world, call.provider.mch_id, call.get("out_refund_no"))
    if refund is None:
        raise _no_such_refund()
    trade = refund_books.trade_of(world, refund)
    orders.check_owner(call, trade)
    return trade, refund_books.payment_of(world, refund), [refund]


def _no_such_refund() -> Declined:
    return Declined("REFUNDNOTEXIST", "退款订单查询失败，订单号错误或订单状态不正确")


def _offset(call: Call) -> int | None:
    text = call.get("offset")
    if text and not (text.isascii() and text.isdigit()):
        raise Declined("PARAM_ERROR", "offset必须为整数")
    return int(text) if text else None


def _refund_fields(refund: Refund) -> dict[str, str]:
    amount = str(refund.refund_fee)
    fields = {
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_channel": "ORIGINAL",
        "refund_fee": amount,
        "settlement_refund_fee": amount,
        "coupon_refund_fee": "0",
        "coupon_refund_count": "0",
        "refund_status": refund.status,
        "refund_account": refund.account,
        "refund_recv_accout": RECEIVER,
    }
    if refund.status == "SUCCESS" and refund.settled_at is not None:
        fields["refund_success_time"] = wire_date_time(refund.settled_at)
    return fields


def by_console(world: World, trade: Trade, payment: Payment, wanted: Wanted) -> Refund:
    """Refund in WeChat's own console: the same rules, a number made there (catalogue F10)."""
    check_admissible(world, trade, payment, wanted.amount)
    return refund_books.insert(world, trade, payment, wanted)


def payment_named(world: World, trade: Trade, transaction_id: str | None) -> Payment | None:
    """Return the order's payment of this number, the first one when none is named."""
    named = (p for p in payments.every(world, trade) if transaction_id in {None, p.transaction_id})
    return next(named, None)
