"""Changing an order while it is paid, closed or changed: nothing is left half done (Z04, Z12, O10, INV 6)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from tests.support.replacing import attempts, old_order, replaced, states
from tests.support.till import Till

from spcore.audit.actor import Actor
from spcore.db.base import table_of
from spcore.errors import DomainError
from sptenants.orders.commands import NextAttempt, Placed
from sptenants.orders.errors import (
    OrderStateConflict,
    WechatRejected,
    WechatUnavailable,
)
from sptenants.orders.models import Attempt
from sptenants.orders.states import AttemptState, OrderStatus
from wechatpay.gateway import TradeState
from wechatpay.money import Fen

WANG = Actor("person", "per_1", "王敏")


@pytest.mark.parametrize("moment", ["before", "after the query", "in the close"])
async def test_O10_Z04_money_found_while_closing_pays_the_old_amount_and_makes_no_attempt(
    till: Till, moment: str
) -> None:
    order = await old_order(till)
    number = order.out_trade_no
    assert number is not None

    async def pay_just_now() -> None:
        till.wechat.pay(number, till.clock.now())

    if moment == "before":
        await pay_just_now()
    elif moment == "after the query":
        till.wechat.after_answer["orderquery"] = pay_just_now
    else:
        till.wechat.fail("closeorder", "lost")
        till.wechat.before_answer["closeorder"] = pay_just_now
    with pytest.raises(OrderStateConflict) as conflict:
        await replaced(till, order)
    assert conflict.value.order.status is OrderStatus.PAID
    paid = await till.order(order.id)
    assert (paid.status, paid.amount, paid.anomaly) == (OrderStatus.PAID, Fen(12800), None)
    assert await attempts(till, order) == [(1, AttemptState.PAID, 12800)]
    assert till.wechat.numbers == [number]


async def test_O10_a_notification_while_closing_wins_over_the_replacement(till: Till) -> None:
    order = await old_order(till)
    number = order.out_trade_no
    assert number is not None

    async def pay_and_tell() -> None:
        # WeChat closed it and takes money all the same; the message arrives before our next transaction.
        till.wechat.books[number].state = TradeState.NOTPAY
        till.wechat.pay(number, till.clock.now())
        assert (await till.tell(till.wechat.notification(number, await till.signing_key()))).settled
        till.wechat.books[number].state = TradeState.CLOSED

    till.wechat.before_answer["closeorder"] = pay_and_tell
    with pytest.raises(OrderStateConflict) as conflict:
        await replaced(till, order)
    assert conflict.value.order.status is OrderStatus.PAID
    assert till.wechat.numbers == [number]


@pytest.mark.parametrize("fault", ["lost", "timeout", "system_error", "not_sent"])
async def test_a_close_that_is_not_confirmed_makes_no_attempt_and_may_be_repeated(
    till: Till, fault: str
) -> None:
    order = await old_order(till)
    till.wechat.fail("closeorder", fault)
    if fault == "timeout":  # it took effect: the query after it says so, and that is enough
        assert (await replaced(till, order)).order.status is OrderStatus.PENDING
        return
    with pytest.raises(WechatUnavailable) as unclear:
        await replaced(till, order)
    assert unclear.value.extra["order"]["status"] == "closing"
    assert len(till.wechat.numbers) == 1
    placed = await replaced(till, order)
    assert placed.order.status is OrderStatus.PENDING
    assert states(till) == [TradeState.CLOSED, TradeState.NOTPAY]


async def test_an_abandoned_replacement_closes_cleanly(till: Till) -> None:
    order = await old_order(till)
    till.wechat.fail("closeorder", "lost")
    with pytest.raises(WechatUnavailable):
        await replaced(till, order)
    await till.run_healing(times=3, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    assert states(till) == [TradeState.CLOSED]
    assert [event.type for event in await till.events()] == ["order.closed"]


async def test_T2_an_unclear_first_question_leaves_the_order_as_it_was(till: Till) -> None:
    order = await old_order(till)
    till.wechat.fail("orderquery", "timeout")
    with pytest.raises(WechatUnavailable):
        await replaced(till, order)
    kept = await till.order(order.id)
    assert (kept.status, kept.out_trade_no) == (OrderStatus.PENDING, order.out_trade_no)
    assert till.wechat.calls["closeorder"] == 0
    assert await till.placed() == kept  # and it can be paid as before


async def test_a_confirmed_close_that_no_query_has_seen_is_not_enough(till: Till) -> None:
    order = await old_order(till)

    async def blind_the_query() -> None:
        till.wechat.fail("orderquery", "timeout")

    till.wechat.after_answer["orderquery"] = blind_the_query
    with pytest.raises(WechatUnavailable):
        await replaced(till, order)
    assert len(till.wechat.numbers) == 1


async def test_D02_a_process_that_dies_after_the_close_leaves_an_order_that_closes(till: Till) -> None:
    class Killed(BaseException):
        pass

    async def die() -> None:
        raise Killed

    order = await old_order(till)
    till.wechat.before_answer["closeorder"] = die
    with pytest.raises(Killed):
        await replaced(till, order)
    await till.run_healing(times=3, minutes=2)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    assert states(till) == [TradeState.CLOSED]


async def test_an_unclear_creation_of_the_new_attempt_is_healed_under_its_number(till: Till) -> None:
    order = await old_order(till)
    till.wechat.fail("unifiedorder", "lost")
    placed = await replaced(till, order)
    assert (placed.outcome, placed.order.status) == ("unknown", OrderStatus.SUBMITTING)
    await till.run_healing(times=8, minutes=1)
    healed = await till.order(order.id)
    assert (healed.status, healed.out_trade_no) == (OrderStatus.PENDING, placed.order.out_trade_no)
    assert len(set(till.wechat.numbers)) == 2


async def test_a_refused_new_attempt_fails_the_order_with_the_old_one_closed(till: Till) -> None:
    order = await old_order(till)
    till.wechat.fail("unifiedorder", "refuse:NOAUTH")
    with pytest.raises(WechatRejected):
        await replaced(till, order)
    assert (await till.order(order.id)).status is OrderStatus.FAILED
    assert await attempts(till, order) == [(1, AttemptState.CLOSED, 12800), (2, AttemptState.FAILED, 9900)]


async def test_Z12_INV6_many_changes_at_once_leave_one_payable_attempt(till: Till) -> None:
    order = await old_order(till)
    changes = [NextAttempt(amount=Fen(9900 + i)) for i in range(20)]
    answers = await asyncio.gather(
        *(replaced(till, order, change) for change in changes), return_exceptions=True
    )
    made = [answer for answer in answers if isinstance(answer, Placed)]
    refused = [answer for answer in answers if not isinstance(answer, Placed)]
    assert len(made) == 1
    assert all(isinstance(answer, DomainError) for answer in refused), refused
    assert [state for state in states(till) if state is TradeState.NOTPAY] == [TradeState.NOTPAY]
    assert len(till.wechat.books) == 2
    assert (await till.order(order.id)).amount == made[0].order.amount


async def test_Z12_closing_and_changing_at_once_end_in_one_of_the_two(till: Till) -> None:
    order = await old_order(till)
    closed, changed = await asyncio.gather(
        till.orders.close(till.scope, order.id, WANG), replaced(till, order), return_exceptions=True
    )
    assert not isinstance(closed, BaseException)
    assert isinstance(changed, Placed | DomainError), changed
    await till.run_healing(times=8, minutes=1)
    after = await till.order(order.id)
    assert after.status is OrderStatus.CLOSED  # the wish to close holds for whatever attempt there is
    assert set(states(till)) == {TradeState.CLOSED}


async def test_INV6_the_database_itself_allows_one_payable_attempt(till: Till) -> None:
    order = await old_order(till)
    await replaced(till, order)
    table = table_of(Attempt)
    old = (table.c.tenant_id == till.scope.tenant_id, table.c.out_trade_no == order.out_trade_no)
    async with till.database.write(till.scope) as session:
        with pytest.raises(IntegrityError):
            await session.execute(update(table).where(*old).values(state="payable"))
