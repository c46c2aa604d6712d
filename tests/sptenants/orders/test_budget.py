"""The budget of questions: shared, fair, never a herd, and nothing is dropped (G09, D05, Q05)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from tests.support.till import Till, add_provider

from sptenants.orders.budget import Budget
from sptenants.orders.healing import Healing
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeType


def healing_with(till: Till, budget: Budget) -> Healing:
    return Healing(till.database, till.clock, till.keyring, till.wechat, jitter=lambda: 0.5, budget=budget)


async def paid_orders(till: Till, count: int, *, tenant: int = 0) -> list[OrderRecord]:
    placed = [await till.placed(f"T{number}", tenant=tenant) for number in range(count)]
    for order in placed:
        till.wechat.pay(order.out_trade_no or "", till.clock.now())
    return placed


async def status_of(till: Till, orders: list[OrderRecord], *, tenant: int = 0) -> Counter[str]:
    return Counter([(await till.order(order.id, tenant=tenant)).status.value for order in orders])


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate(clock: Any) -> None:
    budget = Budget(clock, per_second=2, burst=3)
    assert [budget.take("prv_1") for _ in range(4)] == [True, True, True, False]
    assert budget.take("prv_2")  # another provider's bucket is its own
    clock.advance(seconds=1)
    assert [budget.take("prv_1") for _ in range(3)] == [True, True, False]
    clock.advance(hours=1)
    assert [budget.take("prv_1") for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_jumps_back_gives_no_token_away_and_takes_none(clock: Any) -> None:
    budget = Budget(clock, per_second=1, burst=2)
    assert budget.take("prv_1")
    clock.advance(hours=-1)
    assert [budget.take("prv_1") for _ in range(2)] == [True, False]
    clock.advance(seconds=1)
    assert budget.take("prv_1")


def test_those_without_a_token_come_back_one_by_one_each_tenant_in_its_own_line(clock: Any) -> None:
    budget, now = Budget(clock, per_second=4, burst=1), clock.now()
    busy = [budget.again_at("prv_1", "ten_busy") for _ in range(1000)]
    assert [(at - now).total_seconds() for at in busy[:3]] == [0.25, 0.5, 0.75]
    assert busy[-1] == now + timedelta(seconds=250)
    assert budget.again_at("prv_1", "ten_quiet") == now + timedelta(seconds=0.25)
    clock.advance(minutes=10)
    assert budget.again_at("prv_1", "ten_busy") == clock.now() + timedelta(seconds=0.25)


async def test_G09_one_tenant_with_many_lost_orders_does_not_starve_another(till: Till) -> None:
    many, few = await paid_orders(till, 30), await paid_orders(till, 3, tenant=1)
    till.clock.advance(minutes=2)
    healing = healing_with(till, Budget(till.clock, per_second=1, burst=6))
    # As many as there are tokens: which orders these are is decided by turns, not by who is quicker.
    await healing.run_due(limit=6)
    assert await status_of(till, few, tenant=1) == Counter({"paid": 3})
    assert (await status_of(till, many))["paid"] == 3


async def test_G09_one_provider_without_budget_does_not_hold_up_another(till: Till) -> None:
    till.callers += await add_provider(till, number=2, key="ZYXWVUTSRQPONMLKJIHGFEDCBA987654")
    many = await paid_orders(till, 10)
    budget = Budget(till.clock, per_second=1, burst=5)
    healing = healing_with(till, budget)
    while budget.take(till.scope.provider_id):
        pass
    theirs = await till.placed("T1", tenant=2, sub_appid=None, openid=None, trade_type=TradeType.NATIVE)
    till.wechat.pay(theirs.out_trade_no or "", till.clock.now())
    till.clock.advance(minutes=2)
    while budget.take(till.scope.provider_id):
        pass
    await healing.run_due()
    assert (await till.order(theirs.id, tenant=2)).status is OrderStatus.PAID
    assert await status_of(till, many) == Counter({"pending": 10})


async def test_under_pressure_spacing_grows_and_every_order_keeps_its_next_look(till: Till) -> None:
    orders = await paid_orders(till, 25)
    till.clock.advance(minutes=2)
    healing = healing_with(till, Budget(till.clock, per_second=2, burst=2))
    assert await healing.run_due() == 2
    waiting = [await till.order(order.id) for order in orders]
    due = sorted(order.next_check_at for order in waiting if order.next_check_at is not None)
    assert len(due) == 23
    assert due[-1] - due[0] == timedelta(seconds=11)
    for _ in range(14):
        till.clock.advance(seconds=1)
        await healing.run_due()
    assert await status_of(till, orders) == Counter({"paid": 25})
    assert till.wechat.calls["orderquery"] == 25
