"""Paid by query, and no notification: on the list, and off it when one comes (acceptance, pain 11)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.support.till import Till
from tests.support.work_list import kinds_of, on_the_list

from sptenants.notify.silence import Silence
from sptenants.orders.evidence import SILENT_AFTER
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeState


async def found_by_query(till: Till, no: str = "T1") -> tuple[OrderRecord, bytes]:
    """An order that healing found paid a minute after it was made, and the message that did not come."""
    order = await till.placed(no)
    body = await till.paid_body(order)
    await till.run_healing(times=1, seconds=61)
    paid = await till.order(order.id)
    assert (paid.status, paid.paid_by) == (OrderStatus.PAID, "query")
    assert paid.silence_due_at == till.clock.now() + SILENT_AFTER
    return paid, body


async def look(till: Till, **later: float) -> int:
    till.clock.advance(**later)
    return await Silence(till.database, till.clock).run_due()


async def test_ten_minutes_of_silence_put_the_order_on_the_list_and_leave_it_paid(till: Till) -> None:
    order, _body = await found_by_query(till)
    assert await look(till, minutes=9) == 0
    assert await look(till, minutes=1) == 1
    (silent,) = await on_the_list(till)
    assert (silent.kind, silent.state, silent.order_id) == ("silent_callback", "open", order.id)
    after = await till.order(order.id)
    assert (after.status, after.anomaly, after.silence_due_at) == (OrderStatus.PAID, None, None)
    assert await look(till, hours=1) == 0


async def test_a_notification_within_ten_minutes_keeps_it_off_the_list(till: Till) -> None:
    _order, body = await found_by_query(till)
    till.clock.advance(minutes=5)
    assert (await till.tell(body)).settled
    assert await look(till, minutes=6) == 1
    assert await on_the_list(till) == []


async def test_a_refused_message_breaks_no_silence(till: Till) -> None:
    _order, body = await found_by_query(till)
    assert not (await till.tell(body.replace(b"<sign><![CDATA[", b"<sign><![CDATA[0"))).settled
    assert await look(till, minutes=11) == 1
    assert await kinds_of(till) == [("silent_callback", "open")]


async def test_C6_a_message_that_wechat_did_not_confirm_breaks_no_silence_either(till: Till) -> None:
    order = await till.placed()
    known, now = till.wechat.books[order.out_trade_no or ""], till.clock.now()
    ambiguous = await till.paid_body(order, attach="a&b")
    known.state = TradeState.NOTPAY
    assert not (await till.tell(ambiguous)).settled
    till.wechat.pay(order.out_trade_no or "", now)
    await till.run_healing(times=1, seconds=61)
    assert await look(till, minutes=11) == 1
    assert await kinds_of(till) == [("silent_callback", "open")]


async def test_a_notification_that_comes_hours_later_settles_it_and_says_how_late(till: Till) -> None:
    order, body = await found_by_query(till)
    await look(till, minutes=11)
    till.clock.advance(hours=3)
    assert (await till.tell(body)).settled
    (settled,) = await on_the_list(till)
    assert (settled.state, settled.resolved_by) == ("resolved", "system")
    late = till.clock.now() - (order.paid_at or till.clock.now())
    assert f"{round(late / timedelta(seconds=1))} 秒" in (settled.note or "")
    assert (await till.tell(body)).settled
    assert len(await on_the_list(till)) == 1


async def test_an_order_that_its_notification_paid_is_never_looked_at(till: Till) -> None:
    order = await till.placed()
    assert (await till.tell(await till.paid_body(order))).settled
    assert (await till.order(order.id)).silence_due_at is None
    assert await look(till, hours=1) == 0


async def test_two_workers_that_look_at_once_raise_it_once(till: Till) -> None:
    await found_by_query(till)
    till.clock.advance(minutes=11)
    workers = [Silence(till.database, till.clock) for _ in range(4)]
    await asyncio.gather(*(worker.run_due() for worker in workers))
    (silent,) = await on_the_list(till)
    assert silent.seen == 1
