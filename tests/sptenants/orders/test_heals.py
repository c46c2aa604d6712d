"""The heal log: what healing put right, and only that (failure catalogue 2.4)."""

from __future__ import annotations

from datetime import timedelta

from tests.support.till import Till
from tests.support.work_list import healed

from sptenants.orders.heals import Wrong
from sptenants.orders.states import OrderStatus


async def test_a_payment_found_by_healing_is_a_lost_notification_since_it_was_paid(till: Till) -> None:
    order = await till.placed()
    till.clock.advance(seconds=20)
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, seconds=41)
    (heal,) = await healed(till)
    assert (heal.order_id, heal.wrong, heal.queries) == (order.id, Wrong.LOST_NOTIFICATION, 1)
    assert (heal.before, heal.after) == ("pending", "paid")
    assert heal.took == timedelta(seconds=41)
    told = (await till.detail(order.id)).timeline[0]
    assert told.title.zh == "已自愈：通知未到，由查单确认"
    assert (told.meta.zh, told.meta.en) == ("用时 41 秒 · 查询 1 次", "after 41 s · queries: 1")


async def test_queries_that_found_nothing_before_are_counted(till: Till) -> None:
    order = await till.placed()
    await till.run_healing(times=3, seconds=61)
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, seconds=61)
    (heal,) = await healed(till)
    assert heal.queries == 4


async def test_a_lost_answer_is_told_whether_the_order_is_payable_or_failed(till: Till) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    found = await till.placed("T1")
    await till.run_healing(times=1, seconds=61)
    assert (await till.order(found.id)).status is OrderStatus.PENDING
    till.wechat.fail("unifiedorder", "lost", "lost", "lost")
    lost = await till.placed("T2")
    await till.run_healing(times=40, minutes=1)
    assert (await till.order(lost.id)).status is OrderStatus.FAILED
    told = {heal.order_id: heal for heal in await healed(till) if heal.wrong is Wrong.LOST_ANSWER}
    assert (told[found.id].before, told[found.id].after) == ("submitting", "pending")
    assert (told[lost.id].before, told[lost.id].after) == ("submitting", "failed")


async def test_an_order_nobody_paid_in_time_is_everyday_business_and_no_heal(till: Till) -> None:
    order = await till.placed()
    await till.run_healing(times=33, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    assert await healed(till) == []


async def test_an_order_that_nobody_closed_in_time_is_overdue_since_it_was_due(till: Till) -> None:
    order = await till.placed()
    await till.run_healing(times=1, hours=3)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    (heal,) = await healed(till)
    assert heal.wrong is Wrong.OVERDUE_CLOSE
    assert heal.since == order.expires_at + timedelta(minutes=1)


async def test_P12_late_money_found_by_the_confirming_query_is_a_heal(till: Till) -> None:
    order = await till.placed()
    await till.run_healing(times=32, minutes=1)
    known = till.wechat.books[order.out_trade_no or ""]
    known.state = type(known.state).NOTPAY
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, minutes=11)
    (heal,) = await healed(till)
    assert (heal.wrong, heal.before, heal.after) == (Wrong.LATE_PAYMENT, "closed", "paid")


async def test_a_person_or_a_client_that_asks_heals_nothing(till: Till) -> None:
    asked, awaited = await till.placed("T1"), await till.placed("T2")
    for order in (asked, awaited):
        till.wechat.pay(order.out_trade_no or "", till.clock.now())
    assert (await till.orders.sync(till.scope, asked.id, till.caller.actor)).status is OrderStatus.PAID
    found = await till.orders.await_outcome(till.payer(), awaited.id, 2)
    assert found.status is OrderStatus.PAID
    assert await healed(till) == []


async def test_a_notification_in_time_leaves_nothing_to_heal(till: Till) -> None:
    order = await till.placed()
    await till.tell(await till.paid_body(order))
    await till.run_healing(times=3, minutes=30)
    assert await healed(till) == []
