"""One order, several attempts: the one before is seen closed before the next is payable (I2, O10, INV 6).

Acceptance pain 15: "201 duplicate order number" on paying again or in another way.
"""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.support.counter import counter
from tests.support.replacing import CHEAPER, NATIVE, attempts, old_order, replaced, states
from tests.support.till import APP, MINI, PEER, Till

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.db.scope import ProviderScope
from spcore.errors import InvalidInput, NotFound
from sptenants.orders.commands import NextAttempt
from sptenants.orders.errors import (
    IdempotencyConflict,
    InProgress,
    OrderStateConflict,
    TooSoon,
)
from sptenants.orders.states import AttemptState, OrderStatus
from wechatpay.gateway import TradeState, TradeType
from wechatpay.identifiers import AppId
from wechatpay.money import Fen

WANG = Actor("person", "per_1", "王敏")


# --- changing an order -------------------------------------------------------------------------------------


async def test_O10_another_amount_comes_under_another_number_after_the_old_one_is_closed(till: Till) -> None:
    order = await old_order(till)
    placed = await replaced(till, order)
    assert (placed.outcome, placed.order.status) == ("created", OrderStatus.PENDING)
    assert (placed.order.id, placed.order.amount) == (order.id, Fen(9900))
    assert placed.order.out_trade_no != order.out_trade_no
    assert placed.pay_params is not None
    assert states(till) == [TradeState.CLOSED, TradeState.NOTPAY]
    assert await attempts(till, order) == [
        (1, AttemptState.CLOSED, 12800),
        (2, AttemptState.PAYABLE, 9900),
    ]
    # Query, close, query: and only then the next number.
    assert (till.wechat.calls["orderquery"], till.wechat.calls["closeorder"]) == (2, 1)
    assert not await till.events()  # for the merchant the order is as open as before


async def test_the_new_attempt_is_paid_with_its_own_amount(till: Till) -> None:
    order = await old_order(till)
    placed = await replaced(till, order)
    assert (await till.tell(await till.paid_body(placed.order))).settled
    paid = await till.order(order.id)
    assert (paid.status, paid.amount, paid.anomaly) == (OrderStatus.PAID, Fen(9900), None)
    (event,) = await till.events()
    assert (event.type, event.payload["amount"]) == ("payment.succeeded", 9900)


async def test_another_way_to_pay_leaves_the_payer_behind(till: Till) -> None:
    order = await old_order(till)
    placed = await replaced(till, order, NATIVE)
    assert placed.code_url is not None
    assert (placed.pay_params, placed.order.openid) == (None, None)
    assert (placed.order.trade_type, placed.order.sub_appid) == ("NATIVE", MINI)


async def test_another_app_needs_its_own_payer(till: Till) -> None:
    order = await old_order(till)
    with pytest.raises(InvalidInput) as refused:
        await replaced(till, order, NextAttempt(trade_type=TradeType.APP))
    assert [fault.pointer for fault in refused.value.faults] == ["#/sub_appid"]
    placed = await replaced(till, order, NextAttempt(trade_type=TradeType.APP, sub_appid=AppId(APP)))
    assert placed.order.sub_appid == APP


async def test_a_change_that_cannot_work_closes_nothing(till: Till) -> None:
    order = await old_order(till)
    for asked in (
        NextAttempt(sub_appid=AppId(APP)),
        NextAttempt(sub_appid=AppId("wx" + "0" * 16)),
        NextAttempt(trade_type=TradeType.MICROPAY),
    ):
        with pytest.raises(InvalidInput):
            await replaced(till, order, asked)
    assert not till.wechat.calls["closeorder"]
    assert (await till.order(order.id)).status is OrderStatus.PENDING


async def test_an_order_that_waits_for_its_payer_may_become_a_code_at_once(till: Till) -> None:
    order = await till.placed(openid=None)
    placed = await replaced(till, order, NATIVE)
    assert placed.code_url is not None
    assert await attempts(till, order) == [(1, AttemptState.PAYABLE, 12800)]
    assert till.wechat.calls == {"unifiedorder": 1}


async def test_nothing_to_change_gives_the_present_attempt_again(till: Till) -> None:
    order = await till.placed()
    placed = await replaced(till, order, NextAttempt(amount=Fen(12800)))
    assert (placed.outcome, placed.order.out_trade_no) == ("repeated", order.out_trade_no)
    assert placed.pay_params is not None
    till.clock.advance(minutes=6)
    first = await replaced(till, order)
    again = await replaced(till, order)  # the same change once more, such as after a lost answer
    assert again.order.out_trade_no == first.order.out_trade_no
    assert len(till.wechat.books) == 2


async def test_creating_again_repeats_the_new_terms_and_refuses_the_old_ones(till: Till) -> None:
    order = await old_order(till)
    await replaced(till, order)
    assert (await till.placed(amount=Fen(9900))).id == order.id
    with pytest.raises(IdempotencyConflict) as conflict:
        await till.placed()
    assert [fault.pointer for fault in conflict.value.faults] == ["#/amount"]


async def test_the_act_is_audited_and_told_on_the_timeline(till: Till) -> None:
    order = await old_order(till)
    await replaced(till, order)
    async with till.database.read(ProviderScope(till.scope.provider_id)) as session:
        (act,) = await session.scalars(select(AuditRow).where(AuditRow.chain == till.scope.provider_id))
    assert (act.action, act.object_id, act.before["amount"], act.after["amount"]) == (
        "order.attempt_replaced",
        order.id,
        12800,
        9900,
    )
    told = [entry.title.zh for entry in (await till.detail(order.id)).timeline]
    assert "server 更换下单尝试" in told
    assert any("关单" in title for title in told)


# --- what is refused ---------------------------------------------------------------------------------------


async def test_P8_nothing_is_replaced_before_wechats_fifth_minute(till: Till) -> None:
    order = await till.placed()
    till.clock.advance(minutes=2)
    with pytest.raises(TooSoon) as early:
        await replaced(till, order)
    assert early.value.retry_after_s == 180
    assert till.wechat.calls == {"unifiedorder": 1}
    assert (await till.order(order.id)).status is OrderStatus.PENDING
    till.clock.advance(seconds=180)
    second = await replaced(till, order)
    with pytest.raises(TooSoon):  # the five minutes are of each number, not of the order
        await replaced(till, second.order, NATIVE)


@pytest.mark.parametrize("end", ["paid", "closed", "asked to close", "expired"])
async def test_an_order_that_is_over_takes_no_other_attempt(till: Till, end: str) -> None:
    order = await till.placed()
    if end == "asked to close":
        await till.orders.close(till.scope, order.id, WANG)
    till.clock.advance(minutes=31 if end == "expired" else 6)
    if end == "paid":
        await till.tell(await till.paid_body(order))
    elif end == "closed":
        await till.orders.close(till.scope, order.id, WANG)
    with pytest.raises(OrderStateConflict):
        await replaced(till, order)
    assert len(till.wechat.numbers) == 1


async def test_an_unknown_attempt_is_settled_before_another_is_made(till: Till) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    order = await old_order(till)
    with pytest.raises(InProgress):
        await replaced(till, order)
    assert len(till.wechat.numbers) == 1


async def test_Y3_a_foreign_order_cannot_be_changed(till: Till) -> None:
    order = await old_order(till)
    with pytest.raises(NotFound):
        await till.orders.replace_attempt(till.callers[1], order.id, CHEAPER, peer=PEER)


async def test_the_routes_say_when_to_come_again_and_show_the_order(till: Till) -> None:
    order = await till.placed()
    path = f"/v1/orders/{order.id}/attempts"
    async with counter(till) as client:
        early = await client.post(path, json={"amount": 9900})
        till.clock.advance(minutes=5)
        done = await client.post(path, json={"amount": 9900})
        same = await client.post(path, json={"amount": 9900})
        till.wechat.pay(done.json()["out_trade_no"], till.clock.now())
        till.clock.advance(minutes=5)
        paid = await client.post(path, json={"amount": 100})
        bad = await client.post(path, json={"amount": 0, "attach": "x"})
    assert (early.status_code, early.json()["code"]) == (409, "state_conflict")
    assert early.headers["retry-after"] == "300"
    assert (done.status_code, done.json()["amount"], done.json()["id"]) == (201, 9900, order.id)
    assert (same.status_code, same.json()["out_trade_no"]) == (200, done.json()["out_trade_no"])
    assert (paid.status_code, paid.json()["order"]["status"], paid.json()["order"]["amount"]) == (
        409,
        "paid",
        9900,
    )
    assert (bad.status_code, {fault["pointer"] for fault in bad.json()["errors"]}) == (
        422,
        {"#/amount", "#/attach"},
    )
