"""Healing without any notification (failure catalogue 2.4, G04, G07, G09, Z10, INV 10)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from tests.support.till import Till

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.providers.keyring import Keyring
from spcore.providers.models import Provider, ProviderKey
from sptenants.orders import schedule
from sptenants.orders.budget import Budget
from sptenants.orders.filters import OrderFilter
from sptenants.orders.healing import Healing
from sptenants.orders.models import Order
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeState


def next_in_s(order: OrderRecord, now: Any, jitter: float = 0.5) -> float | None:
    due = schedule.next_check(order, now, lambda: jitter)
    return None if due is None else (due - now).total_seconds()


async def test_the_schedule_is_the_one_of_the_catalogue(till: Till) -> None:
    order = await till.placed()
    at = order.state_since
    submitting = replace(order, status=OrderStatus.SUBMITTING)
    offsets = [0, 2, 5, 15, 30, 60, 360]
    gaps = [next_in_s(submitting, at + timedelta(seconds=s)) for s in offsets]
    assert gaps == [2, 3, 10, 15, 30, 300, 300]
    pending = [next_in_s(order, at + timedelta(minutes=m)) for m in (0, 4, 5, 10)]
    assert pending == [60, 60, 300, 300]
    assert next_in_s(order, at + timedelta(minutes=29)) == 120  # expiry and a minute, not later
    closing = replace(order, status=OrderStatus.CLOSING)
    assert [next_in_s(closing, at + timedelta(seconds=s)) for s in (0, 5, 30, 120)] == [5, 25, 90, 300]
    closed = replace(order, status=OrderStatus.CLOSED)
    assert next_in_s(closed, at) == 600
    assert next_in_s(replace(closed, checks=1), at) is None
    assert next_in_s(replace(order, status=OrderStatus.PAID), at) is None


async def test_what_cannot_be_ended_is_asked_about_once_an_hour(till: Till) -> None:
    order = await till.placed()
    overdue = order.expires_at + timedelta(minutes=2)
    disputed = replace(order, anomaly="amount_mismatch")
    assert next_in_s(order, overdue) == 300
    assert next_in_s(order, overdue + timedelta(hours=1)) == 3600
    assert next_in_s(disputed, overdue) == 3600
    assert next_in_s(replace(disputed, status=OrderStatus.CLOSING), overdue) == 3600


async def test_the_schedule_is_spread_by_a_fifth_either_way(till: Till) -> None:
    order = await till.placed()
    assert next_in_s(order, order.state_since, jitter=0.0) == pytest.approx(48)
    assert next_in_s(order, order.state_since, jitter=1.0) == pytest.approx(72)


async def test_a_payment_without_notification_is_found_within_a_minute(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    await till.run_healing(times=1, seconds=60)
    healed = await till.order(order.id)
    assert (healed.status, healed.paid_by) == (OrderStatus.PAID, "query")
    assert [event.type for event in await till.events()] == ["payment.succeeded"]


async def test_an_unpaid_order_is_closed_at_wechat_soon_after_its_expiry(till: Till) -> None:
    order = await till.placed()
    await till.run_healing(times=32, minutes=1)
    closed = await till.order(order.id)
    assert closed.status is OrderStatus.CLOSED
    assert order.out_trade_no is not None
    assert till.wechat.books[order.out_trade_no].state is TradeState.CLOSED
    assert closed.next_check_at == closed.closed_at + timedelta(minutes=10)  # type: ignore[operator]
    await till.run_healing(times=1, minutes=11)
    assert (await till.order(order.id)).next_check_at is None


async def test_money_that_arrived_after_the_close_is_found_by_the_confirming_query(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    await till.run_healing(times=32, minutes=1)
    till.wechat.books[order.out_trade_no].state = TradeState.NOTPAY
    till.wechat.pay(order.out_trade_no, till.clock.now())
    await till.run_healing(times=1, minutes=11)
    late = await till.order(order.id)
    assert (late.status, late.anomaly) == (OrderStatus.PAID, "late_payment")


async def test_a_close_that_did_not_hold_is_repeated(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    await till.run_healing(times=32, minutes=1)
    till.wechat.books[order.out_trade_no].state = TradeState.NOTPAY
    await till.run_healing(times=1, minutes=11)
    assert till.wechat.books[order.out_trade_no].state is TradeState.CLOSED


async def test_an_order_nobody_paid_for_is_closed_without_asking_wechat(till: Till) -> None:
    order = await till.placed(openid=None)
    await till.run_healing(times=1, minutes=31)
    closed = await till.order(order.id)
    assert closed.status is OrderStatus.CLOSED
    assert not till.wechat.calls


async def test_G04_an_order_that_never_arrived_is_sent_again_after_two_answers_a_minute_apart(
    till: Till,
) -> None:
    till.wechat.fail("unifiedorder", "lost")
    order = await till.placed()
    await till.run_healing(times=10, seconds=5)
    assert till.wechat.numbers == [order.out_trade_no]  # one absence is no proof within the first minute
    await till.run_healing(times=10, seconds=60)
    assert till.wechat.numbers == [order.out_trade_no] * 2
    assert (await till.order(order.id)).status is OrderStatus.PENDING


async def test_an_order_that_stays_absent_fails_at_its_expiry_and_not_before(till: Till) -> None:
    till.wechat.fail("unifiedorder", "lost", "lost", "lost")
    order = await till.placed()
    await till.run_healing(times=29, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.SUBMITTING
    assert till.wechat.numbers == [order.out_trade_no] * 2  # created once, repeated once
    await till.run_healing(times=8, minutes=1)
    over = await till.order(order.id)
    assert over.status is OrderStatus.FAILED
    assert till.wechat.numbers == [order.out_trade_no] * 2


async def test_P5_only_wechats_signed_word_makes_an_order_absent(till: Till) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    till.wechat.fail("orderquery", *["refuse:SIGNERROR", "refuse_unsigned:ORDERNOTEXIST"] * 30)
    order = await till.placed()
    await till.run_healing(times=40, minutes=1)
    assert (await till.order(order.id)).is_open
    assert till.wechat.numbers == [order.out_trade_no]


async def test_G07_half_an_hour_without_wechat_heals_without_help(till: Till) -> None:
    till.wechat.fail("unifiedorder", "not_sent")
    till.wechat.fail("orderquery", *["not_sent"] * 12)
    order = await till.placed(expires_in_s=7200)
    await till.run_healing(times=30, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.SUBMITTING
    await till.run_healing(times=40, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.PENDING


async def test_a_process_that_died_after_the_first_commit_leaves_an_order_that_heals(till: Till) -> None:
    class Killed(BaseException):
        pass

    async def die() -> None:
        raise Killed

    till.wechat.before_answer["unifiedorder"] = die
    with pytest.raises(Killed):
        await till.placed()
    await till.run_healing(times=1, seconds=30)
    assert till.wechat.calls["orderquery"] == 0  # the lease still holds: the call might be running
    await till.run_healing(times=1, seconds=31)
    (row,) = (await till.reader.list(till.scope, OrderFilter(), 10)).rows
    assert row.order.status is OrderStatus.PENDING
    assert len(till.wechat.books) == 1


async def test_Z10_four_workers_at_once_ask_about_each_order_once(till: Till) -> None:
    for number in range(6):
        await till.placed(f"T{number}")
    till.clock.advance(seconds=61)
    workers = [
        Healing(till.database, till.clock, till.keyring, till.wechat, jitter=lambda: 0.5) for _ in range(4)
    ]
    looked = await asyncio.gather(*(worker.run_due() for worker in workers))
    assert sum(looked) == 6
    assert till.wechat.calls["orderquery"] == 6


async def test_a_dead_workers_lease_ends_and_another_takes_over(till: Till) -> None:
    order = await till.placed()
    now = till.clock.now()
    orders = table_of(Order)
    async with till.database.write(till.scope) as session:
        await session.execute(
            update(orders)
            .where(orders.c.tenant_id == till.scope.tenant_id, orders.c.id == order.id)
            .values(leased_by="dead", leased_until=now + timedelta(seconds=90), next_check_at=now)
        )
    assert await till.healing.run_due() == 0
    till.clock.advance(seconds=91)
    assert await till.healing.run_due() == 1


async def test_G09_a_spent_budget_postpones_and_drops_nothing(till: Till) -> None:
    orders = [await till.placed(f"T{number}") for number in range(5)]
    frugal = Healing(
        till.database,
        till.clock,
        till.keyring,
        till.wechat,
        jitter=lambda: 0.5,
        budget=Budget(till.clock, per_second=1, burst=2),
    )
    till.clock.advance(seconds=61)
    assert await frugal.run_due() == 2
    for _ in range(4):
        till.clock.advance(seconds=3)
        await frugal.run_due()
    assert till.wechat.calls["orderquery"] == 5
    assert None not in [(await till.order(order.id)).next_check_at for order in orders]


async def test_a_provider_without_a_key_postpones_its_orders_and_recovers(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    keys = table_of(ProviderKey)
    scope = ProviderScope(till.scope.provider_id)
    async with till.database.write(scope) as session:
        kept = (
            (await session.execute(select(keys).where(keys.c.provider_id == scope.provider_id)))
            .mappings()
            .all()
        )
        await session.execute(delete(keys).where(keys.c.provider_id == scope.provider_id))
    bare = (await another_process(till)).healing
    till.clock.advance(seconds=61)
    await bare.run_due()
    waiting = await till.order(order.id)
    assert waiting.status is OrderStatus.PENDING
    assert waiting.next_check_at == till.clock.now() + timedelta(minutes=1)
    async with till.database.write(scope) as session:
        await session.execute(keys.insert(), [dict(row) for row in kept])
    till.clock.advance(minutes=1)
    await bare.run_due()
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_a_wrong_amount_found_by_query_raises_an_anomaly_once_and_keeps_the_order_watched(
    till: Till,
) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now(), amount=1)
    await till.run_healing(times=40, minutes=1)
    disputed = await till.order(order.id)
    assert disputed.status is OrderStatus.PENDING
    assert disputed.anomaly == "amount_mismatch"
    assert disputed.next_check_at is not None
    told = [entry for entry in (await till.detail(order.id)).timeline if "anomaly" in entry.raw]
    assert len(told) == 1


async def test_an_order_keeps_the_identities_and_algorithm_it_was_made_with(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    orders = till.scope
    async with till.database.write(ProviderScope(orders.provider_id)) as session:
        await session.execute(
            update(table_of(Provider))
            .where(Provider.id == orders.provider_id)
            .values(appid="wx" + "9" * 16, sign_type="MD5", api_version="v3")
        )
    await till.run_healing(times=1, seconds=60)
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def another_process(till: Till) -> Till:
    """Another process over the same database: its keyring has not read anything yet."""
    keyring = Keyring(till.database, till.vault, till.clock)
    healing = Healing(till.database, till.clock, keyring, till.wechat, jitter=lambda: 0.5)
    return replace(till, keyring=keyring, healing=healing)
