"""Keeping a price list by hand, on both databases: walls, the full list, orders that keep their amount."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert
from tests.conftest import HeldClock
from tests.support.house import build_house

from spcore.audit.actor import Actor
from spcore.audit.verifier import verify
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, NotFound
from sptenants.prices.editing import MOST, PriceEditing
from sptenants.prices.models import Price
from sptenants.prices.service import NewPrice
from sptenants.registry.access import RequestFacts

LATTE = NewPrice(code="latte", name="拿铁", amount=1280, max_quantity=20)
BY = Actor("person", "per_1", "陈店长")
FACTS = RequestFacts("req_1", "203.0.113.9")


@pytest.fixture
async def scopes(database: Database) -> tuple[TenantScope, ...]:
    return (await build_house(database)).tenants


async def test_T01_each_tenant_keeps_its_own_list(
    database: Database, clock: HeldClock, scopes: tuple[TenantScope, ...]
) -> None:
    editing, (own, other) = PriceEditing(database, clock), scopes
    await editing.add(own, LATTE, BY, FACTS)
    await editing.add(other, replace(LATTE, amount=9_900), BY, FACTS)

    await editing.change(own, replace(LATTE, amount=1_300), BY, FACTS)
    await editing.remove(own, "latte", BY, FACTS)

    assert await editing.list(own) == []
    assert [price.amount.value for price in await editing.list(other)] == [9_900]
    for missing in (editing.price(own, "latte"), editing.remove(own, "latte", BY, FACTS)):
        with pytest.raises(NotFound):
            await missing
    with pytest.raises(NotFound):
        await editing.change(own, LATTE, BY, FACTS)
    assert (await verify(database)).ok


async def test_a_code_is_on_the_list_once(
    database: Database, clock: HeldClock, scopes: tuple[TenantScope, ...]
) -> None:
    editing = PriceEditing(database, clock)
    await editing.add(scopes[0], LATTE, BY, FACTS)

    with pytest.raises(InvalidInput) as refused:
        await editing.add(scopes[0], replace(LATTE, amount=1), BY, FACTS)

    assert refused.value.faults[0].code == "taken"
    assert (await editing.price(scopes[0], "latte")).amount.value == 1280


async def test_a_list_that_is_full_takes_no_more(
    database: Database, clock: HeldClock, scopes: tuple[TenantScope, ...]
) -> None:
    scope, editing = scopes[0], PriceEditing(database, clock)
    rows = [
        {
            "provider_id": scope.provider_id,
            "tenant_id": scope.tenant_id,
            "code": f"c{place:04d}",
            "name": "x",
            "amount": 1,
            "max_quantity": 1,
            "active": True,
            "updated_at": clock.now(),
        }
        for place in range(MOST)
    ]
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Price)), rows)

    with pytest.raises(InvalidInput) as refused:
        await editing.add(scope, LATTE, BY, FACTS)

    assert refused.value.faults[0].code == "too_many"
    assert len(await editing.list(scope)) == MOST
    assert [price.code for price in await editing.list(scope, "C0042")] == ["c0042"]
