"""Sums by hour and day are what a count of the orders themselves would say."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from tests.conftest import HeldClock
from tests.support.house import House, build_house
from tests.support.order_history import KnownOrder, add_order, change_order, pay, refund

from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from sptenants.orders.filters import ReadScope
from sptenants.orders.summing import Summing
from sptenants.orders.sums import (
    DAY,
    HOUR,
    WHOLE,
    YOUNG,
    Part,
    Sums,
    by_day,
    by_owner,
    day_of,
    midnight,
    sums,
)
from wechatpay.money import Fen

APPS = ("wx3f8c21d0b7e6a91c", "wx8b1d04c99e23f5aa", None)
UNCLEAR = timedelta(seconds=60)


@pytest.fixture
async def houses(database: Database) -> Sequence[House]:
    return [await build_house(database, number=1), await build_house(database, number=2, tenants=1)]


def by_hand(orders: Sequence[KnownOrder], now: datetime) -> Sums:
    paid = [order for order in orders if order.status == "paid"]
    settled = [order for order in orders if order.prepaid and order.created_at <= now - YOUNG]
    unclear = [o for o in orders if o.status == "submitting" and o.state_since < now - UNCLEAR]
    return Sums(
        created=len(orders),
        paid_count=len(paid),
        paid_amount=Fen(sum(order.amount for order in paid)),
        settled_of=len(settled),
        settled_paid=sum(order.status == "paid" for order in settled),
        refunded_count=sum(order.refunded > 0 for order in orders),
        refunded_amount=Fen(sum(order.refunded for order in orders)),
        failed=sum(order.status == "failed" for order in orders),
        closed=sum(order.status == "closed" for order in orders),
        attention=len(unclear) + sum(order.anomaly is not None and order not in unclear for order in orders),
    )


async def brought_up_to_date(summing: Summing) -> None:
    while await summing.run():
        pass


async def read(
    database: Database, scope: ReadScope, begin: datetime, end: datetime, part: Part = WHOLE
) -> Sums:
    async with database.read(scope) as session:
        return (await sums(session, scope, begin, end, part=part))[0]


async def something_happens(
    database: Database, rng: random.Random, orders: list[KnownOrder], now: datetime, houses: Sequence[House]
) -> None:
    tenants = [tenant for house in houses for tenant in house.tenants]
    order = rng.choice(orders) if orders else None
    act = rng.choice(("new", "new", "pay", "pay", "refund", "close", "flag"))
    if order is None or act == "new":
        status = rng.choice(("pending", "pending", "submitting", "failed"))
        made = await add_order(
            database,
            rng.choice(tenants),
            now,
            amount=rng.randint(1, 99_999),
            status=status,
            prepaid=status == "pending",
            sub_appid=rng.choice(APPS),
        )
        orders.append(made)
    elif act == "pay" and order.status in ("pending", "submitting", "failed", "closed"):
        await pay(database, order, now)
    elif act == "refund" and order.status == "paid" and order.refunded < order.amount:
        await refund(database, order, rng.randint(1, order.amount - order.refunded), now)
    elif act == "close" and order.status == "pending":
        await change_order(database, order, now, status="closing", state_since=now)
        await change_order(database, order, now, status="closed", state_since=now)
        order.status = "closed"
    elif act == "flag":
        order.anomaly = None if order.anomaly else "amount_mismatch"
        await change_order(database, order, now, anomaly=order.anomaly)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_any_history_the_sums_are_those_of_the_orders(
    database: Database, clock: HeldClock, houses: Sequence[House], seed: int
) -> None:
    rng, orders, summing, began = (
        random.Random(seed),
        list[KnownOrder](),
        Summing(database, clock),
        clock.now(),
    )
    for _ in range(60):
        clock.advance(minutes=rng.choice((0, 0, 3, 31, 55, 400)))
        await something_happens(database, rng, orders, clock.now(), houses)
        if rng.random() < 0.25:
            await summing.run()
    await brought_up_to_date(summing)

    now, tenant = clock.now(), houses[0].tenants[0]
    first, last = day_of(began), day_of(now)
    scopes: dict[ReadScope, Callable[[KnownOrder], bool]] = {
        PlatformScope("test"): lambda order: True,
        houses[0].provider: lambda order: order.tenant.provider_id == houses[0].provider.provider_id,
        tenant: lambda order: order.tenant == tenant,
    }
    for scope, is_in in scopes.items():
        mine = [order for order in orders if is_in(order)]
        async with database.read(scope) as session:
            days = await by_day(session, scope, first, last)
        for day, found in days.items():
            assert found == by_hand([order for order in mine if day_of(order.created_at) == day], now), day
        assert await read(database, scope, midnight(first), midnight(last + DAY)) == by_hand(mine, now)
    of_app = [order for order in orders if order.sub_appid == APPS[0]]
    everything = (midnight(first), midnight(last + DAY))
    assert await read(database, PlatformScope("test"), *everything, Part(sub_appid=APPS[0])) == by_hand(
        of_app, now
    )
    since = midnight(last) - DAY + 7 * HOUR
    until = midnight(last) + 5 * HOUR
    within = [order for order in orders if since <= order.created_at < until]
    assert await read(database, PlatformScope("test"), since, until) == by_hand(within, now)


async def test_a_refund_weeks_later_is_found(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    tenant, day, summing = houses[0].tenants[0], day_of(clock.now()), Summing(database, clock)
    order = await add_order(database, tenant, clock.now(), amount=12_800)
    neighbour = await add_order(database, houses[0].tenants[1], clock.now(), amount=500)
    await pay(database, order, clock.now())
    await pay(database, neighbour, clock.now())
    await summing.run()
    clock.advance(days=20)
    await brought_up_to_date(summing)

    await refund(database, order, 2_000, clock.now())
    clock.advance(minutes=1)
    await summing.run()

    async with database.read(houses[0].provider) as session:
        found = await by_owner(session, houses[0].provider, "tenant", [day])
    assert found[tenant.tenant_id].refunded_amount == Fen(2_000)
    assert found[tenant.tenant_id].refunded_per_10000 == 1562
    assert found[neighbour.tenant.tenant_id].paid_amount == Fen(500)
    assert list(found) == [tenant.tenant_id, neighbour.tenant.tenant_id]


async def test_an_order_counts_for_the_success_rate_once_it_is_half_an_hour_old(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    scope, summing = houses[0].provider, Summing(database, clock)
    await add_order(database, houses[0].tenants[0], clock.now())
    today = (midnight(day_of(clock.now())), midnight(day_of(clock.now())) + DAY)
    await summing.run()
    clock.advance(minutes=29)
    await summing.run()
    young = await read(database, scope, *today)
    clock.advance(minutes=1)
    await summing.run()
    old = await read(database, scope, *today)

    assert (young.settled_of, young.success_per_10000) == (0, None)
    assert (old.settled_of, old.success_per_10000) == (1, 0)


async def test_a_transaction_that_commits_late_is_found_all_the_same(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    summing, begun = Summing(database, clock), clock.now()
    clock.advance(minutes=20)
    await summing.run()

    await add_order(database, houses[0].tenants[0], begun)
    clock.advance(minutes=1)
    await summing.run()

    found = await read(database, houses[0].provider, midnight(day_of(begun)), midnight(day_of(begun)) + DAY)
    assert found.created == 1


async def test_doing_it_again_and_in_two_workers_makes_no_difference(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    await add_order(database, houses[0].tenants[0], clock.now())
    for summing in (Summing(database, clock), Summing(database, clock), Summing(database, clock)):
        await brought_up_to_date(summing)

    today = day_of(clock.now())
    assert (await read(database, houses[0].provider, midnight(today), midnight(today) + DAY)).created == 1


async def test_Y4_sums_of_others_are_not_in_reach(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    mine, theirs = houses
    await add_order(database, theirs.tenants[0], clock.now())
    await brought_up_to_date(Summing(database, clock))
    today = (midnight(day_of(clock.now())), midnight(day_of(clock.now())) + DAY)

    foreign = Part(tenant_id=theirs.tenants[0].tenant_id)
    for scope in (mine.provider, mine.tenants[0]):
        assert (await read(database, scope, *today)).created == 0
        assert (await read(database, scope, *today, foreign)).created == 0
    assert (await read(database, theirs.provider, *today)).created == 1


async def test_only_whole_hours_that_are_kept_can_be_asked_for(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    scope: ProviderScope | TenantScope = houses[0].provider
    await brought_up_to_date(Summing(database, clock))
    today = midnight(day_of(clock.now()))

    assert await read(database, scope, today, today) == Sums()
    assert await read(database, scope, today - 20 * DAY, today - 10 * DAY) == Sums()
    with pytest.raises(ValueError, match="by the hour"):
        await read(database, scope, today, today + timedelta(minutes=30))
    with pytest.raises(ValueError, match="no longer kept"):
        await read(database, scope, today - 10 * DAY, today - 10 * DAY + HOUR)
