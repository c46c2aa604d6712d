"""Price lists: the client names a code, we name the amount (M2, O01, O02)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from tests.conftest import HeldClock
from tests.support.house import build_house

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput
from sptenants.prices.models import Price
from sptenants.prices.service import MAX_NAME_BYTES, NewPrice, Prices, Quote, price_of, prices_of, put
from sptenants.registry.errors import Forbidden
from wechatpay.money import Fen

LATTE = NewPrice(code="latte", name="拿铁", amount=1280, max_quantity=20)


@pytest.fixture
async def scopes(database: Database) -> tuple[TenantScope, ...]:
    return (await build_house(database)).tenants


@pytest.fixture
async def shop(database: Database, clock: HeldClock, scopes: tuple[TenantScope, ...]) -> TenantScope:
    """A tenant that sells latte."""
    async with database.write(scopes[0]) as session:
        await put(session, scopes[0], LATTE, clock.now())
    return scopes[0]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (1, Quote(Fen(1280), "拿铁")),
        (2, Quote(Fen(2560), "拿铁 ×2")),
        (20, Quote(Fen(25600), "拿铁 ×20")),
    ],
)
async def test_M2_the_amount_comes_from_the_list(
    database: Database, shop: TenantScope, quantity: int, expected: Quote
) -> None:
    assert await Prices(database).quote(shop, "latte", quantity) == expected


@pytest.mark.parametrize("quantity", [0, -1, 21, 10**18, True, 1.0, "2", None, float("nan")])
async def test_O02_quantities_outside_the_list_are_refused(
    database: Database, shop: TenantScope, quantity: Any
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await Prices(database).quote(shop, "latte", quantity)

    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("#/quantity", "out_of_range")
    assert "1 到 20" in fault.text.zh


async def test_a_total_beyond_wechats_limit_is_refused(
    database: Database, shop: TenantScope, clock: HeldClock
) -> None:
    dear = NewPrice(code="car", name="汽车", amount=600_000_000, max_quantity=5)
    async with database.write(shop) as session:
        await put(session, shop, dear, clock.now())

    assert (await Prices(database).quote(shop, "car", 1)).amount == Fen(600_000_000)
    with pytest.raises(InvalidInput) as refused:
        await Prices(database).quote(shop, "car", 2)
    assert [fault.code for fault in refused.value.faults] == ["amount_too_large"]


async def test_unknown_and_switched_off_codes_are_answered_alike(
    database: Database, shop: TenantScope, clock: HeldClock
) -> None:
    async with database.write(shop) as session:
        await put(session, shop, replace(LATTE, code="mocha", active=False), clock.now())
    answers = []
    for code in ("mocha", "tea", ""):
        with pytest.raises(InvalidInput) as refused:
            await Prices(database).quote(shop, code, 1)
        answers.append(refused.value.faults)

    assert answers == [answers[0]] * 3
    assert [fault.pointer for fault in answers[0]] == ["#/price_code"]


async def test_a_tenant_without_a_list_may_not_sell_by_code(
    database: Database, shop: TenantScope, scopes: tuple[TenantScope, ...]
) -> None:
    with pytest.raises(Forbidden):
        await Prices(database).quote(scopes[1], "latte", 1)


async def test_putting_the_same_price_again_changes_nothing(
    database: Database, shop: TenantScope, clock: HeldClock
) -> None:
    stored_at = clock.now()
    clock.advance(days=1)
    async with database.write(shop) as session:
        assert await put(session, shop, LATTE, clock.now()) is False
        assert await put(session, shop, replace(LATTE, amount=1380), clock.now()) is True

    async with database.read(shop) as session:
        price = await price_of(session, shop, "latte")
        listed = await prices_of(session, shop)
    assert price is not None
    assert (price.amount, price.updated_at) == (1380, clock.now())
    assert stored_at < price.updated_at
    assert [row.code for row in listed] == ["latte"]


@pytest.mark.parametrize(
    ("spoilt", "pointer"),
    [
        pytest.param({"code": ""}, "#/code", id="no code"),
        pytest.param({"code": "a" * 65}, "#/code", id="long code"),
        pytest.param({"code": "latte\n"}, "#/code", id="line end in the code"),
        pytest.param({"name": " "}, "#/name", id="blank name"),
        pytest.param({"name": "拿" * 37}, "#/name", id="O11 name over its bytes"),
        pytest.param({"name": "拿铁☕️🥐"}, "#/name", id="O11 emoji"),
        pytest.param({"name": "拿铁\x00"}, "#/name", id="O11 control character"),
        pytest.param({"amount": 0}, "#/amount", id="O02 nothing"),
        pytest.param({"amount": 10**9}, "#/amount", id="O02 too much"),
        pytest.param({"max_quantity": 0}, "#/max_quantity", id="no quantity"),
    ],
)
async def test_a_price_that_cannot_be_sold_is_refused(
    database: Database, shop: TenantScope, clock: HeldClock, spoilt: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.write(shop) as session:
            await put(session, shop, replace(LATTE, **spoilt), clock.now())

    assert [fault.pointer for fault in refused.value.faults] == [pointer]


async def test_O11_the_longest_name_fits_a_description_with_its_quantity(
    database: Database, shop: TenantScope, clock: HeldClock
) -> None:
    longest = NewPrice("long", "x" * MAX_NAME_BYTES, amount=1, max_quantity=9999)
    async with database.write(shop) as session:
        await put(session, shop, longest, clock.now())

    quoted = await Prices(database).quote(shop, "long", 9999)
    assert len(quoted.description.encode()) <= 127


async def test_O02_the_database_itself_keeps_amounts_in_bounds(
    database: Database, shop: TenantScope, clock: HeldClock
) -> None:
    for amount, quantity in ((0, 1), (10**9, 1), (1, 0), (1, 10_000)):
        with pytest.raises(IntegrityError):
            async with database.write(shop) as session:
                session.add(
                    Price(
                        provider_id=shop.provider_id,
                        tenant_id=shop.tenant_id,
                        code="x",
                        name="x",
                        amount=amount,
                        max_quantity=quantity,
                        active=True,
                        updated_at=clock.now(),
                    )
                )
