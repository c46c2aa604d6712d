"""Closing: never blindly, never in the first five minutes, and money always wins (P8-P12, Z04-Z07)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.support.till import PEER, Till

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.db.scope import ProviderScope
from spcore.errors import NotFound
from sptenants.orders.errors import OrderStateConflict
from sptenants.orders.states import OrderStatus
from sptenants.registry.errors import RateLimited
from wechatpay.gateway import TradeState, TradeType

WANG = Actor("person", "per_1", "王敏")


async def test_P8_a_close_in_the_first_five_minutes_is_kept_and_done_later(till: Till) -> None:
    order = await till.placed()
    asked = await till.orders.close(till.scope, order.id, WANG, reason="改单")
    assert asked.status is OrderStatus.PENDING
    assert asked.close_requested_at == till.clock.now()
    assert till.wechat.calls["closeorder"] == 0
    with pytest.raises(OrderStateConflict):
        await till.placed()  # and nobody gets payment parameters any more
    with pytest.raises(OrderStateConflict):
        await till.orders.pay(till.payer(), order.id, peer=PEER)
    await till.run_healing(times=6, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    assert order.out_trade_no is not None
    assert till.wechat.books[order.out_trade_no].state is TradeState.CLOSED


async def test_a_close_after_five_minutes_asks_closes_and_asks_again(till: Till) -> None:
    order = await till.placed()
    till.clock.advance(minutes=5)
    closed = await till.orders.close(till.scope, order.id, WANG)
    assert closed.status is OrderStatus.CLOSED
    assert till.wechat.calls["orderquery"] == 2
    assert till.wechat.calls["closeorder"] == 1
    assert [event.type for event in await till.events()] == ["order.closed"]
    async with till.database.read(ProviderScope(till.scope.provider_id)) as session:
        acts = await session.scalars(select(AuditRow).where(AuditRow.chain == till.scope.provider_id))
        assert [(act.action, act.actor_name, act.object_id) for act in acts] == [
            ("order.close_requested", "王敏", order.id)
        ]


async def test_P8_an_order_that_is_paid_is_never_asked_to_close(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    till.clock.advance(minutes=6)
    assert (await till.orders.close(till.scope, order.id, WANG)).status is OrderStatus.PAID
    assert till.wechat.calls["closeorder"] == 0


async def test_closing_again_changes_nothing(till: Till) -> None:
    order = await till.placed()
    till.clock.advance(minutes=5)
    closed = await till.orders.close(till.scope, order.id, WANG)
    assert await till.orders.close(till.scope, order.id, WANG) == closed
    assert len(await till.events()) == 1


async def test_an_order_nobody_was_asked_to_pay_closes_at_once_without_wechat(till: Till) -> None:
    order = await till.placed(openid=None)
    closed = await till.orders.close(till.scope, order.id, WANG)
    assert closed.status is OrderStatus.CLOSED
    assert closed.next_check_at is None
    assert not till.wechat.calls


@pytest.mark.parametrize("moment", ["orderquery", "closeorder"])
async def test_Z04_P10_a_payment_that_races_the_close_wins(till: Till, moment: str) -> None:
    order = await till.placed()
    number = order.out_trade_no
    assert number is not None
    till.clock.advance(minutes=6)

    async def pay_just_now() -> None:
        till.wechat.pay(number, till.clock.now())

    if moment == "orderquery":
        till.wechat.after_answer["orderquery"] = pay_just_now
    else:
        till.wechat.fail("closeorder", "lost")
        till.wechat.before_answer["closeorder"] = pay_just_now
    settled = await till.orders.close(till.scope, order.id, WANG)
    assert (settled.status, settled.anomaly) == (OrderStatus.PAID, None)
    assert till.wechat.books[number].state is TradeState.SUCCESS


async def test_P11_an_unclear_close_stays_closing_until_a_query_tells(till: Till) -> None:
    order = await till.placed()
    till.clock.advance(minutes=6)
    till.wechat.fail("closeorder", "timeout")
    closing = await till.orders.close(till.scope, order.id, WANG)
    assert closing.status is OrderStatus.CLOSED  # it took effect, and the query after it says so

    second = await till.placed("T2")
    till.clock.advance(minutes=6)
    till.wechat.fail("closeorder", "lost")
    asked = await till.orders.close(till.scope, second.id, WANG)
    assert asked.status is OrderStatus.CLOSING
    await till.run_healing(times=2, seconds=10)
    assert (await till.order(second.id)).status is OrderStatus.CLOSED


async def test_a_paid_order_cannot_be_closed(till: Till) -> None:
    order = await till.placed()
    await till.tell(await till.paid_body(order))
    with pytest.raises(OrderStateConflict):
        await till.orders.close(till.scope, order.id, WANG)


async def test_Y3_a_foreign_order_can_neither_be_closed_nor_asked_about(till: Till) -> None:
    order = await till.placed()
    foreign = till.callers[1].scope
    with pytest.raises(NotFound):
        await till.orders.close(foreign, order.id, WANG)
    with pytest.raises(NotFound):
        await till.orders.sync(foreign, order.id, WANG)


async def test_Z06_money_after_our_expiry_and_before_the_close_counts(till: Till) -> None:
    order = await till.placed()
    till.clock.advance(minutes=31)
    await till.tell(await till.paid_body(order))
    paid = await till.order(order.id)
    assert paid.status is OrderStatus.PAID
    assert paid.anomaly is None


async def test_Z05_P12_money_after_the_close_is_paid_late_with_an_anomaly(till: Till) -> None:
    order = await till.placed()
    number = order.out_trade_no
    assert number is not None
    till.clock.advance(minutes=6)
    await till.orders.close(till.scope, order.id, WANG)
    till.wechat.books[number].state = TradeState.NOTPAY  # WeChat lets somebody pay all the same
    assert (await till.tell(await till.paid_body(order))).settled
    paid = await till.order(order.id)
    assert (paid.status, paid.anomaly) == (OrderStatus.PAID, "late_payment")
    events = await till.events()
    assert [(event.type, event.sequence) for event in events] == [
        ("order.closed", 1),
        ("payment.succeeded", 2),
    ]
    assert events[1].payload["late"] is True


async def test_Z07_money_a_day_late_for_a_suspended_tenant_counts(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    await till.set_tenant(status="suspended")
    till.clock.advance(hours=24)
    assert (await till.tell(body)).settled
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_asking_wechat_finds_money_and_is_limited_to_one_question_in_three_seconds(till: Till) -> None:
    order = await till.placed()
    assert (await till.orders.sync(till.scope, order.id, WANG)).status is OrderStatus.PENDING
    with pytest.raises(RateLimited) as limited:
        await till.orders.sync(till.scope, order.id, WANG)
    assert limited.value.retry_after_s == 3
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    till.clock.advance(seconds=3)
    synced = await till.orders.sync(till.scope, order.id, WANG)
    assert (synced.status, synced.paid_by) == (OrderStatus.PAID, "query")
    assert await till.orders.sync(till.scope, order.id, WANG) == synced


async def test_a_native_order_is_closed_like_any_other(till: Till) -> None:
    order = await till.placed(trade_type=TradeType.NATIVE, sub_appid=None, openid=None)
    till.clock.advance(minutes=6)
    assert (await till.orders.close(till.scope, order.id, WANG)).status is OrderStatus.CLOSED
