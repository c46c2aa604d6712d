"""The queue of differences: who is asked about, when again, and what two workers do (L01, 2.4, G09)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from tests.support.doubting import DoubtDesk, doubting, healing_of
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.providers.models import ProviderKey
from sptenants.orders.budget import Budget
from sptenants.orders.states import OrderStatus
from sptenants.reconciliation.causes import asks, plain
from sptenants.reconciliation.models import Difference
from sptenants.reconciliation.states import DifferenceDetail as D


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


@pytest.fixture
async def desk(till: Till) -> DoubtDesk:
    return doubting(till)


async def doubtful(desk: DoubtDesk, **fields: Any) -> str:
    """A payment that our books have and WeChat's bill has not, whatever is asked."""
    order = await desk.till.placed(fields.pop("no", "T1"))
    await desk.till.learn_paid(order)
    return await desk.of_order(D.PAYMENT_ABSENT, order, desk.today, ours=order.amount.value, **fields)


def test_what_is_not_asked_about_has_its_cause_at_once() -> None:
    assert {detail for detail in D if not asks(detail)} == {detail for detail in D if plain(detail)}


async def test_2_4_it_is_asked_again_ever_more_rarely_and_for_three_days(desk: DoubtDesk) -> None:
    found = await doubtful(desk)
    began = desk.till.clock.now()
    gaps: list[float] = []
    while (asked := await desk.asked(found)).next_at is not None:
        gaps.append((asked.next_at - desk.till.clock.now()).total_seconds() / 60)
        desk.till.clock.moment = asked.next_at
    assert gaps[:3] == [5, 30, 120]
    assert set(gaps[3:]) == {360}
    assert timedelta(days=2, hours=18) < desk.till.clock.now() - began <= timedelta(days=3)
    assert (asked.state, asked.tries) == ("open", len(gaps) + 1)
    desk.till.clock.advance(days=1)
    assert await desk.healing.run_due() == 0


async def test_nobodys_rows_and_what_cannot_be_asked_about_are_left_alone(desk: DoubtDesk) -> None:
    await desk.difference(D.OTHER_PROVIDER, desk.today, tenant_id=None, theirs=5)
    await desk.difference(D.FEE, desk.today, theirs=5, mark="fee")
    before = desk.wechat.calls.copy()
    assert await desk.healing.run_due() == 0
    assert desk.wechat.calls == before


async def test_two_workers_at_once_ask_once(desk: DoubtDesk) -> None:
    await doubtful(desk)
    other = healing_of(desk.till, desk.desk, Budget(desk.till.clock), "w2")
    before = desk.wechat.calls["orderquery"]
    done = await asyncio.gather(desk.healing.run_due(), other.run_due())
    assert sum(done) == 1
    assert desk.wechat.calls["orderquery"] == before + 1


async def test_D06_a_killed_workers_difference_comes_back_when_its_lease_ends(desk: DoubtDesk) -> None:
    found = await doubtful(desk)
    rows = table_of(Difference)
    until = desk.till.clock.now() + timedelta(seconds=60)
    async with desk.till.database.write(desk.provider) as session:
        await session.execute(
            update(rows)
            .where(rows.c.provider_id == desk.scope.provider_id, rows.c.id == found)
            .values(leased_by="killed", leased_until=until)
        )
    assert await desk.healing.run_due() == 0
    desk.till.clock.moment = until
    assert (await desk.asked(found)).tries == 1


async def test_a_person_who_closed_it_meanwhile_is_not_overruled(desk: DoubtDesk) -> None:
    """What WeChat proves is booked all the same."""
    order = await desk.till.placed()
    assert order.out_trade_no is not None
    known = desk.wechat.pay(order.out_trade_no, desk.till.clock.now())
    found = await desk.of_order(
        D.STATE, order, desk.today, theirs=order.amount.value, transaction_id=known.transaction_id
    )
    rows, now = table_of(Difference), desk.till.clock.now()

    async def close() -> None:
        async with desk.till.database.write(desk.provider) as session:
            await session.execute(
                update(rows)
                .where(rows.c.provider_id == desk.scope.provider_id, rows.c.id == found)
                .values(
                    state="resolved",
                    resolution="person",
                    resolved_by="王敏",
                    resolved_at=now,
                    note="looked at",
                    next_at=None,
                )
            )

    desk.wechat.after_answer["orderquery"] = close
    closed = await desk.asked(found)
    assert (closed.resolution, closed.resolved_by, closed.note) == ("person", "王敏", "looked at")
    assert (await desk.till.order(order.id)).status is OrderStatus.PAID


async def test_a_worker_whose_lease_ran_out_leaves_it_to_the_next_one(desk: DoubtDesk) -> None:
    found = await doubtful(desk)
    rows, until = table_of(Difference), desk.till.clock.now() + timedelta(minutes=5)

    async def take_over() -> None:
        async with desk.till.database.write(desk.provider) as session:
            await session.execute(
                update(rows)
                .where(rows.c.provider_id == desk.scope.provider_id, rows.c.id == found)
                .values(leased_by="w2", leased_until=until)
            )

    desk.wechat.after_answer["orderquery"] = take_over
    left = await desk.asked(found)
    assert (left.leased_by, left.tries, left.cause) == ("w2", 0, None)


async def test_G09_without_a_token_it_waits_and_is_not_dropped(desk: DoubtDesk) -> None:
    found = [await doubtful(desk, no=f"T{n}") for n in range(3)]
    poor = healing_of(desk.till, desk.desk, Budget(desk.till.clock, per_second=1, burst=1), "poor")
    assert await poor.run_due() == 1
    assert await poor.run_due() == 0
    for _ in range(2):
        desk.till.clock.advance(seconds=1)
        assert await poor.run_due() == 1
    assert [(await desk.read(each)).tries for each in found] == [1, 1, 1]


async def test_a_provider_without_keys_is_told_why_nothing_was_asked(desk: DoubtDesk) -> None:
    found = await doubtful(desk)
    rows = table_of(ProviderKey)
    async with desk.till.database.write(desk.provider) as session:
        await session.execute(delete(rows).where(rows.c.provider_id == desk.scope.provider_id))
    fresh = replace(
        desk.till, keyring=type(desk.till.keyring)(desk.till.database, desk.till.vault, desk.till.clock)
    )
    await healing_of(fresh, desk.desk, Budget(desk.till.clock), "w3").run_due()
    waiting = await desk.read(found)
    assert (waiting.state, waiting.cause, waiting.tries) == ("open", "no_answer", 1)
    assert waiting.cause_facts == {"reason": "provider_not_ready"}
    assert waiting.next_at is not None
