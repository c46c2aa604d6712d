"""Refunds that are taken over by the number somebody names, by both APIs (F10)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.databases import sqlite_url
from tests.support.refund_desk import RefundDesk, build_desk
from tests.support.till import Till, build_till
from tests.support.till_v3 import build_till_v3

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.orders.records import OrderRecord
from sptenants.refunds.outside import Named
from sptenants.refunds.states import RefundStatus


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is in the database does not know the version."""
    return sqlite_url(tmp_path)


@pytest.fixture(params=["v2", "v3"])
async def till(database: Database, clock: Clock, request: pytest.FixtureRequest) -> Till:
    return await (build_till(database, clock) if request.param == "v2" else build_till_v3(database, clock))


@pytest.fixture
async def desk(till: Till) -> RefundDesk:
    return build_desk(till)


async def named(desk: RefundDesk, order: OrderRecord, number: str = "CONSOLE1") -> Named:
    assert order.out_trade_no is not None
    return await desk.service.outside.named(desk.scope, order.id, order.out_trade_no, number)


async def refunded_elsewhere(desk: RefundDesk, amount: int = 700) -> OrderRecord:
    order = await desk.paid(amount=1000)
    assert order.out_trade_no is not None
    desk.wechat.refund_elsewhere(order.out_trade_no, amount)
    return order


async def test_F10_a_named_refund_is_taken_over_once(desk: RefundDesk) -> None:
    order = await refunded_elsewhere(desk)
    done = await asyncio.gather(named(desk, order), named(desk, order))
    assert sorted(each.kind for each in done) == ["known", "taken"]
    assert (await named(desk, order)).kind == "known"
    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert (refund.out_refund_no, refund.source, refund.status) == (
        "CONSOLE1",
        "wechat",
        RefundStatus.PROCESSING,
    )
    assert (await desk.till.order(order.id)).refunding_amount.value == 700
    desk.settle("CONSOLE1")
    await desk.heal(minutes=2)
    assert (await desk.till.order(order.id)).refunded_amount.value == 700


async def test_F10_a_hint_that_something_was_refunded_is_settled_by_it(desk: RefundDesk) -> None:
    """By v3 WeChat says only that there is one; the bill says which."""
    order = await refunded_elsewhere(desk)
    desk.settle("CONSOLE1")
    by_v3 = "v3" in desk.wechat.spoken
    if by_v3:
        assert (await desk.service.look_outside(desk.scope, order.id)).answered
    assert (await named(desk, order)).kind == "taken"
    states = {row.mark: row.state for row in await desk.anomalies("refund_outside")}
    assert states == {"CONSOLE1": "open"} | ({order.out_trade_no: "resolved"} if by_v3 else {})


async def test_R5_what_WeChat_does_not_know_or_does_not_say_changes_nothing(desk: RefundDesk) -> None:
    order = await refunded_elsewhere(desk)
    assert (await named(desk, order, "NOBODYS")).kind == "absent"
    desk.wechat.fail("refundquery", "timeout")
    assert (await named(desk, order)).kind == "unclear"
    unpaid = await desk.till.placed("T-unpaid")
    assert (await named(desk, unpaid)).kind == "absent"
    assert not await desk.reader.of_order(desk.scope, order.id)


async def test_G13_a_refund_of_another_payment_is_not_taken_over(desk: RefundDesk) -> None:
    await refunded_elsewhere(desk)
    other = await desk.paid("T-other", amount=1000)
    answer = await named(desk, other)
    assert (answer.kind, answer.fields) == ("differs", ("out_trade_no",))
    assert not await desk.reader.of_order(desk.scope, other.id)


async def test_M4_a_sum_that_does_not_hold_is_left_to_a_person(desk: RefundDesk) -> None:
    order = await desk.paid(amount=1000)
    assert order.out_trade_no is not None
    desk.wechat.fail("refund", "lost")
    await desk.request(order, 800)
    desk.wechat.refund_elsewhere(order.out_trade_no, 500)
    answer = await named(desk, order)
    assert (answer.kind, answer.fields) == ("differs", ("refund_fee",))
    assert len(await desk.anomalies("refund_mismatch")) == 1
