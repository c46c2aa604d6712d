"""B-11: the last lamp of a trial is lit by WeChat's bill of the day, and by nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.support.statement_rows import DAY, add_bill, add_line
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.golive.billed import billed_lamp
from sptenants.golive.records import Lamp
from sptenants.orders.models import Order
from sptenants.orders.sums import DAY as ONE_DAY


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


async def lamp_of(till: Till, order_id: str) -> Lamp:
    async with till.database.read(till.scope) as session:
        own = select(Order).where(Order.tenant_id == till.scope.tenant_id, Order.id == order_id)
        order = (await session.scalars(own)).one()
    return await billed_lamp(till.database, till.scope, order)


async def test_B11_the_bills_line_lights_the_lamp_and_a_neighbours_does_not(till: Till) -> None:
    order = await till.placed()
    assert (await lamp_of(till, order.id)).state == "wait"
    await till.learn_paid(order)
    paid_on = DAY + ONE_DAY
    bill = await add_bill(till, day=paid_on)
    number = {"out_trade_no": order.out_trade_no, "day": paid_on}
    refund = {"out_refund_no": "R1", "refund_id": "5030", "state": "REFUND"}
    await add_line(till, bill, 1, tenant=1, **number)
    await add_line(till, bill, 2, **number, **refund)
    waiting = await lamp_of(till, order.id)
    assert (waiting.state, waiting.at) == ("wait", None)
    await add_line(till, bill, 3, **number)
    lit = await lamp_of(till, order.id)
    assert (lit.state, lit.note.zh if lit.note else None) == ("ok", "11-21 账单第 3 行")


async def test_a_line_of_a_neighbouring_day_counts_too(till: Till) -> None:
    order = await till.placed()
    await till.learn_paid(order)
    bill = await add_bill(till, day=DAY)
    await add_line(till, bill, 1, out_trade_no=order.out_trade_no)
    assert (await lamp_of(till, order.id)).state == "ok"
