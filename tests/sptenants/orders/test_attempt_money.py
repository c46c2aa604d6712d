"""Money on replaced attempts, and payment codes after one another (INV 5, INV 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.replacing import NATIVE, attempts, old_order, replaced, states
from tests.support.till import PEER, Till, wanted

from sptenants.orders.commands import IdempotencyKey, NextAttempt
from sptenants.orders.errors import (
    IdempotencyConflict,
    OrderStateConflict,
    TooSoon,
    WechatUnavailable,
)
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import AttemptState, OrderStatus
from wechatpay.gateway import TradeState, TradeType
from wechatpay.identifiers import AuthCode
from wechatpay.money import Fen

CODE, FRESH = "134567890123456789", "129876543210987654"


async def late_money(till: Till, order: OrderRecord) -> None:
    """The payer pays the first attempt after all, and WeChat says so."""
    number = order.out_trade_no
    assert number is not None
    till.wechat.books[number].state = TradeState.NOTPAY
    till.wechat.pay(number, till.clock.now())
    assert (await till.tell(till.wechat.notification(number, await till.signing_key()))).settled


async def test_money_on_the_old_attempt_pays_the_order_with_the_old_amount_and_ends_the_new_one(
    till: Till,
) -> None:
    order = await old_order(till)
    new = (await replaced(till, order)).order
    await late_money(till, order)
    paid = await till.order(order.id)
    assert (paid.status, paid.amount, paid.out_trade_no) == (
        OrderStatus.PAID,
        Fen(12800),
        order.out_trade_no,
    )
    await till.run_healing(times=7, minutes=1)
    assert new.out_trade_no is not None
    assert till.wechat.books[new.out_trade_no].state is TradeState.CLOSED
    assert await attempts(till, order) == [(1, AttemptState.PAID, 12800), (2, AttemptState.CLOSED, 9900)]
    assert (await till.order(order.id)).next_check_at is None
    assert [event.type for event in await till.events()] == ["payment.succeeded"]
    # Nobody was asked about it before WeChat lets it be closed.
    assert till.wechat.calls["closeorder"] == 2


async def test_INV5_money_on_both_attempts_is_a_double_payment(till: Till) -> None:
    order = await old_order(till)
    new = (await replaced(till, order)).order
    await late_money(till, order)
    assert new.out_trade_no is not None
    till.wechat.pay(new.out_trade_no, till.clock.now())
    await till.run_healing(times=7, minutes=1)
    paid = await till.order(order.id)
    assert (paid.status, paid.amount, paid.anomaly) == (OrderStatus.PAID, Fen(12800), "double_payment")
    assert await attempts(till, order) == [(1, AttemptState.PAID, 12800), (2, AttemptState.PAID, 9900)]
    assert paid.next_check_at is None
    assert [event.type for event in await till.events()].count("payment.succeeded") == 1


async def test_money_on_the_old_attempt_of_a_paid_order_is_a_double_payment(till: Till) -> None:
    order = await old_order(till)
    new = (await replaced(till, order)).order
    await till.tell(await till.paid_body(new))
    await late_money(till, order)
    paid = await till.order(order.id)
    assert (paid.status, paid.amount, paid.anomaly) == (OrderStatus.PAID, Fen(9900), "double_payment")
    assert paid.out_trade_no == new.out_trade_no


@pytest.mark.parametrize("fault", ["lost", "timeout"])
async def test_an_attempt_left_behind_is_closed_until_that_is_certain(till: Till, fault: str) -> None:
    order = await old_order(till)
    new = (await replaced(till, order)).order
    await late_money(till, order)
    till.wechat.fail("closeorder", fault, fault)
    await till.run_healing(times=12, minutes=1)
    assert new.out_trade_no is not None
    assert till.wechat.books[new.out_trade_no].state is TradeState.CLOSED
    assert (await attempts(till, order))[1][1] is AttemptState.CLOSED


async def test_Z01_money_on_the_old_attempt_while_the_new_one_is_made_is_answered_as_paid(till: Till) -> None:
    order = await old_order(till)

    async def money_comes() -> None:
        await late_money(till, order)

    till.wechat.before_answer["unifiedorder"] = money_comes
    with pytest.raises(OrderStateConflict) as conflict:
        await replaced(till, order)
    assert conflict.value.order.status is OrderStatus.PAID
    await till.run_healing(times=7, minutes=1)
    assert [state for state in states(till) if state is TradeState.NOTPAY] == []


# --- payment codes and keys --------------------------------------------------------------------------------


def a_code(code: str) -> NextAttempt:
    return NextAttempt(trade_type=TradeType.MICROPAY, auth_code=AuthCode(code))


async def typing(till: Till) -> OrderRecord:
    till.wechat.fail("micropay", "typing")
    code = wanted(trade_type=TradeType.MICROPAY, openid=None, auth_code=AuthCode(CODE))
    return (await till.orders.place(till.caller, code, peer=PEER)).order


async def test_a_fresh_code_is_charged_only_after_the_first_was_reversed(till: Till) -> None:
    order = await typing(till)
    till.clock.advance(seconds=10)
    with pytest.raises(TooSoon) as early:
        await replaced(till, order, a_code(FRESH))
    assert early.value.retry_after_s == 5
    assert till.wechat.charged == [CODE]
    till.clock.advance(seconds=5)
    placed = await replaced(till, order, a_code(FRESH))
    assert placed.order.status is OrderStatus.PAID
    assert states(till) == [TradeState.REVOKED, TradeState.SUCCESS]
    assert till.wechat.charged == [CODE, FRESH]


async def test_a_fresh_code_is_never_charged_while_a_reversal_is_open(till: Till) -> None:
    order = await typing(till)
    till.clock.advance(seconds=15)
    till.wechat.fail("reverse", "recall")
    with pytest.raises(WechatUnavailable):
        await replaced(till, order, a_code(FRESH))
    assert till.wechat.charged == [CODE]


async def test_no_code_follows_a_reversal_that_a_lagging_query_does_not_show(till: Till) -> None:
    order = await typing(till)
    till.clock.advance(seconds=15)
    (known,) = till.wechat.books.values()

    async def pay_just_now() -> None:
        till.wechat.pay(order.out_trade_no or "", till.clock.now())

    async def lag_behind() -> None:
        known.state = TradeState.SUCCESS

    till.wechat.after_answer["orderquery"] = pay_just_now
    till.wechat.before_answer["reverse"] = lag_behind
    with pytest.raises(WechatUnavailable):
        await replaced(till, order, a_code(FRESH))
    assert till.wechat.charged == [CODE]
    known.state = TradeState.REVOKED
    assert (await replaced(till, order, a_code(FRESH))).order.status is OrderStatus.PAID


async def test_a_payer_without_a_code_may_scan_instead(till: Till) -> None:
    order = await typing(till)
    till.clock.advance(seconds=20)
    placed = await replaced(till, order, NATIVE)
    assert placed.code_url is not None
    assert states(till) == [TradeState.REVOKED, TradeState.NOTPAY]


async def test_an_idempotency_key_makes_one_attempt(till: Till) -> None:
    order = await typing(till)
    till.clock.advance(seconds=20)
    key = IdempotencyKey("POST /v1/orders/attempts", "k1", "h1")
    till.wechat.fail("micropay", "typing")
    first = await replaced(till, order, a_code(FRESH), key=key)
    till.clock.advance(seconds=20)
    again = await replaced(till, order, a_code(FRESH), key=key)
    assert (again.replayed, again.outcome, again.order.out_trade_no) == (
        True,
        "unknown",
        first.order.out_trade_no,
    )
    assert till.wechat.charged == [CODE, FRESH]
    with pytest.raises(IdempotencyConflict):
        await replaced(till, order, NATIVE, key=IdempotencyKey(key.route, key.key, "h2"))


async def test_P7_a_prepay_id_of_two_hours_is_renewed_and_no_attempt_is_made(till: Till) -> None:
    order = await till.placed(expires_in_s=6 * 3600)
    till.clock.advance(hours=2)
    placed = await replaced(till, order, NextAttempt())
    assert placed.order.out_trade_no == order.out_trade_no
    assert till.wechat.books[order.out_trade_no or ""].prepays == 2
    assert till.clock.now() - order.created_at == timedelta(hours=2)
