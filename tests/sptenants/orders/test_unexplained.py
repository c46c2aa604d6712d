"""Codes nobody has explained are collected per tenant, outside of the way of orders that go well (B-2)."""

from __future__ import annotations

from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from sptenants.orders.states import OrderStatus
from sptenants.orders.unexplained import note_refusal, unexplained

SCOPE = PlatformScope("test")
NEW = {"api": "unifiedorder", "code": "OF_NEXT_YEAR", "message": "新的错误", "definitive": False}


async def found(till: Till) -> list[tuple[str, str, str, int]]:
    rows = await unexplained(till.database, SCOPE)
    return [(row.tenant_id, row.code, row.message, row.seen) for row in rows]


async def test_B2_an_unknown_code_is_counted_for_its_tenant(database: Database, clock: Clock) -> None:
    till = await build_till(database, clock)
    first, second = (caller.scope for caller in till.callers)
    for scope, words in ((first, "一"), (first, "二"), (second, "三")):
        async with database.write(scope) as session:
            await note_refusal(session, scope, NEW | {"message": words}, till.clock.now())
        till.clock.advance(minutes=1)
    assert await found(till) == [
        (second.tenant_id, "OF_NEXT_YEAR", "三", 1),
        (first.tenant_id, "OF_NEXT_YEAR", "二", 2),
    ]


async def test_B2_what_is_explained_or_never_left_us_is_not_collected(
    database: Database, clock: Clock
) -> None:
    till = await build_till(database, clock)
    async with database.write(till.scope) as session:
        for failure in (None, NEW | {"code": "NOAUTH"}, NEW | {"code": "NOT_SENT"}):
            await note_refusal(session, till.scope, failure, till.clock.now())
    assert await found(till) == []


async def test_B2_a_refused_order_is_collected_where_its_refusal_is_stored(
    database: Database, clock: Clock
) -> None:
    till = await build_till(database, clock)
    till.wechat.fail("unifiedorder", "refuse:OF_NEXT_YEAR")
    order = await till.placed()
    assert order.status is OrderStatus.SUBMITTING
    assert [row[1] for row in await found(till)] == ["OF_NEXT_YEAR"]
