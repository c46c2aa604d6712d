"""No notification arrives at all: a thousand paid orders become paid by healing, on schedule (2.4, INV 1).

Acceptance pains 11 (the callback never arrives) and 12 (paid, and the order stuck).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from tests.support.databases import sqlite_url
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.base import Model, table_of
from spcore.db.engine import Database
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage
from sptenants.orders.healing import Healing
from sptenants.orders.models import Attempt, Heal, Order
from sptenants.orders.numbering import new_out_trade_no

ORDERS = 1000
PLACED_WITHIN_S = 240
PAID_WITHIN_S = 300
STEP_S = 2


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
async def busy(sqlite: str, clock: Clock) -> AsyncIterator[Till]:
    database = Database(sqlite)
    yield await build_till(database, clock)
    await database.close()


async def test_INV1_a_thousand_orders_without_a_single_notification_are_all_paid(busy: Till) -> None:
    chance = random.Random(2026)
    pays_at = await _place_many(busy, chance)
    healing = Healing(busy.database, busy.clock, busy.keyring, busy.wechat, jitter=chance.random)
    for second in range(0, PLACED_WITHIN_S + PAID_WITHIN_S + 360, STEP_S):
        for number in [number for number, at in pays_at.items() if at <= second]:
            busy.wechat.pay(number, busy.clock.now())
            del pays_at[number]
        await healing.run_due(ORDERS)
        busy.clock.advance(seconds=STEP_S)
    assert await _count(busy, Order, Order.status == "paid") == ORDERS
    assert await _count(busy, OutboxMessage, OutboxMessage.type == "payment.succeeded") == ORDERS
    assert await _count(busy, Heal, Heal.wrong == "lost_notification") == ORDERS
    assert busy.wechat.payments == ORDERS
    queries = busy.wechat.calls["orderquery"] / ORDERS
    print(f"queries an order: {queries}")
    assert queries <= 15


async def _place_many(till: Till, chance: random.Random) -> dict[str, int]:
    """Return a thousand numbers, and in which second each is paid.

    One is placed as always and the others are stored as its like, over some minutes: what is tested comes
    afterwards.
    """
    first = await till.placed("T0")
    known, start = till.wechat.books[first.out_trade_no or ""], till.clock.now()
    orders, attempts = table_of(Order), table_of(Attempt)
    mine = till.scope.tenant_id
    async with till.database.write(till.scope) as session:
        order = await _row(session, select(orders).where(orders.c.tenant_id == mine))
        attempt = await _row(session, select(attempts).where(attempts.c.tenant_id == mine))
        copies, pays_at = [], {first.out_trade_no or "": _after_s(chance)}
        for n in range(1, ORDERS):
            second = n * PLACED_WITHIN_S // ORDERS
            at = start + timedelta(seconds=second)
            number = new_out_trade_no(at)
            pays_at[number.text] = second + _after_s(chance)
            till.wechat.books[number.text] = replace(known, order=replace(known.order, out_trade_no=number))
            moments = {
                name: order[name] + timedelta(seconds=second) for name in ("created_at", "state_since")
            }
            own = {"id": new_id("ord", at), "merchant_order_no": f"T{n}", "out_trade_no": number.text}
            due = at + timedelta(seconds=48 + 24 * chance.random())
            copies.append(order | own | moments | {"next_check_at": due})
        await session.execute(insert(orders), copies)
        numbers = [{"order_id": c["id"], "out_trade_no": c["out_trade_no"]} for c in copies]
        await session.execute(insert(attempts), [attempt | number for number in numbers])
    return pays_at


def _after_s(chance: random.Random) -> int:
    """Most payers are quick, and one in ten takes some minutes."""
    return chance.randrange(60, PAID_WITHIN_S) if chance.random() < 0.1 else chance.randrange(5, 60)


async def _row(session: Any, query: Any) -> dict[str, Any]:
    return dict((await session.execute(query)).mappings().one())


async def _count(till: Till, table: type[Model], condition: Any) -> int:
    rows = table_of(table)
    query = select(func.count()).select_from(rows).where(rows.c.tenant_id == till.scope.tenant_id, condition)
    async with till.database.read(till.scope) as session:
        return int(await session.scalar(query) or 0)
