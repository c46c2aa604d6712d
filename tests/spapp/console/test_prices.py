"""The price list over HTTP: typed in yuan, kept in fen, every change audited (M1, M2, O02, T01)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_prices import HOSTILE, OF_STRANGER
from tests.support.visitor import Visitor

from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from sptenants.prices.models import Price
from sptenants.prices.service import MAX_AMOUNT

GOOD = {"code": "mocha", "name": "摩卡", "amount": "32.5", "max_quantity": "9", "active": "yes"}


@pytest.fixture
async def merchant(visitor: Visitor, shop: Shop) -> Visitor:
    await visitor.sign_in(shop.people["merchant_user"])
    return visitor


async def price(database: Database, shop: Shop, code: str) -> Price | None:
    scope = shop.tenants["晨曦咖啡"]
    query = select(Price).where(Price.tenant_id == scope.tenant_id, Price.code == code)
    async with database.read(scope) as session:
        return await session.scalar(query)


async def acts(database: Database, shop: Shop) -> list[AuditRow]:
    scope = shop.providers[0]
    query = (
        select(AuditRow)
        .where(AuditRow.chain == scope.provider_id, AuditRow.action.like("price.%"))
        .order_by(AuditRow.seq)
    )
    async with database.read(scope) as session:
        return list(await session.scalars(query))


async def test_the_list_shows_every_price_and_no_code_of_a_hostile_name(merchant: Visitor) -> None:
    page = await merchant.get("/m/prices")

    for shown in ("¥12.80", "¥9,999,999.99", "X" * 64, "已停售", "在售"):
        assert shown in page.text
    assert HOSTILE not in page.text
    assert "{{7*7}}" in page.text
    assert "体检套餐" not in page.text


@pytest.mark.parametrize(
    ("q", "found"), [("拿铁", {"latte"}), ("AMERI", {"americano"}), ("%25", set()), ("_", set())]
)
async def test_prices_are_found_by_a_part_of_code_or_name(merchant: Visitor, q: str, found: set[str]) -> None:
    page = await merchant.get(f"/m/prices?q={q}")

    codes = ("latte", "americano", "hostile", "winter.special-2025")
    assert {code for code in codes if f'href="/m/prices/{code}"' in page.text} == found


async def test_M1_a_price_typed_in_yuan_is_kept_in_fen(
    merchant: Visitor, shop: Shop, database: Database
) -> None:
    form = await merchant.get("/m/prices")

    added = await merchant.post("/m/prices", form.text, **GOOD)

    assert (added.status_code, added.headers["location"]) == (303, "/m/prices")
    row = await price(database, shop, "mocha")
    assert row is not None
    assert (row.amount, row.max_quantity, row.active, row.name) == (3250, 9, True, "摩卡")
    (act,) = await acts(database, shop)
    assert (act.action, act.object_id, act.actor_name) == ("price.added", "mocha", "陈店长")
    assert act.after == {"name": "摩卡", "amount": 3250, "max_quantity": 9, "active": True}
    assert act.tenant_id == shop.tenants["晨曦咖啡"].tenant_id


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        pytest.param({"code": ""}, "code", id="no code"),
        pytest.param({"code": ".."}, "code", id="dots alone are no address"),
        pytest.param({"code": "a/b"}, "code", id="a slash"),
        pytest.param({"code": "latte"}, "code", id="taken"),
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "拿" * 37}, "name", id="O11 too many bytes"),
        pytest.param({"amount": "0"}, "amount", id="nothing"),
        pytest.param({"amount": "12.345"}, "amount", id="O02 parts of a fen"),
        pytest.param({"amount": "1e3"}, "amount", id="O02 exponent"),
        pytest.param({"amount": "-1"}, "amount", id="O02 less than nothing"),
        pytest.param({"amount": "１２"}, "amount", id="O02 full-width digits"),
        pytest.param({"amount": "10000000"}, "amount", id="O02 too much"),
        pytest.param({"max_quantity": "0"}, "max_quantity", id="no pieces"),
        pytest.param({"max_quantity": "1.5"}, "max_quantity", id="half pieces"),
        pytest.param({"max_quantity": "10000"}, "max_quantity", id="too many pieces"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_stored(
    merchant: Visitor, shop: Shop, database: Database, wrong: dict[str, str], field: str
) -> None:
    form = await merchant.get("/m/prices")

    refused = await merchant.post("/m/prices", form.text, **(GOOD | wrong))

    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert f'id="new-{field}-wrong"' in refused.text
    assert refused.text.count('aria-invalid="true"') == 1
    assert await price(database, shop, "mocha") is None
    assert await acts(database, shop) == []


async def test_the_largest_amount_can_be_sold(merchant: Visitor, shop: Shop, database: Database) -> None:
    form = await merchant.get("/m/prices")

    await merchant.post("/m/prices", form.text, **(GOOD | {"amount": "9999999.99"}))

    row = await price(database, shop, "mocha")
    assert row is not None
    assert row.amount == MAX_AMOUNT


@pytest.mark.parametrize("htmx", [False, True])
async def test_a_price_is_changed_and_switched_off(
    merchant: Visitor, shop: Shop, database: Database, htmx: bool
) -> None:
    page = await merchant.get("/m/prices/latte", htmx=htmx)
    assert 'value="12.80"' in page.text

    fields = {"name": "大杯拿铁", "amount": "15", "max_quantity": "20"}
    saved = await merchant.post("/m/prices/latte", page.text, htmx=htmx, **fields)

    assert saved.status_code == (200 if htmx else 303)
    assert ("list-outdated" in saved.headers.get("hx-trigger", "")) is htmx
    row = await price(database, shop, "latte")
    assert row is not None
    assert (row.amount, row.active) == (1500, False)
    (act,) = await acts(database, shop)
    assert act.before is not None
    assert act.after is not None
    assert (act.before["amount"], act.after["amount"], act.after["active"]) == (1280, 1500, False)


async def test_a_wrong_change_keeps_what_was_typed(merchant: Visitor, shop: Shop, database: Database) -> None:
    page = await merchant.get("/m/prices/latte")

    refused = await merchant.post(
        "/m/prices/latte", page.text, name="大杯拿铁", amount="15,00", max_quantity="20"
    )

    assert refused.status_code == 422
    assert 'value="15,00"' in refused.text
    assert 'aria-describedby="price-amount-wrong"' in refused.text
    assert await acts(database, shop) == []


async def test_saving_without_a_change_is_no_act(merchant: Visitor, shop: Shop, database: Database) -> None:
    page = await merchant.get("/m/prices/latte")

    await merchant.post(
        "/m/prices/latte", page.text, name="拿铁", amount="12.8", max_quantity="20", active="yes"
    )

    assert await acts(database, shop) == []


async def test_a_price_is_removed_once(merchant: Visitor, shop: Shop, database: Database) -> None:
    page = await merchant.get("/m/prices/latte")

    answers = [await merchant.post("/m/prices/latte/remove", page.text, confirmed="latte") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 404]
    assert await price(database, shop, "latte") is None
    (act,) = await acts(database, shop)
    assert (act.action, act.after) == ("price.removed", None)


async def test_a_price_is_not_removed_by_the_form_of_another(
    merchant: Visitor, shop: Shop, database: Database
) -> None:
    page = await merchant.get("/m/prices/latte")

    refused = await merchant.post("/m/prices/latte/remove", page.text, confirmed="americano")

    assert refused.status_code == 422
    assert "没有删除" in refused.text
    assert await price(database, shop, "latte") is not None


def nameless(text: str) -> str:
    return re.sub(r"(?:req|pri)_[0-9A-Z]{26}", "", text)


async def test_Y3_a_price_of_somebody_else_is_no_price(
    merchant: Visitor, shop: Shop, database: Database
) -> None:
    foreign = await merchant.get(f"/m/prices/{OF_STRANGER}")
    nothing = await merchant.get("/m/prices/pri_01JD3K8W7Q4M6X0B2T9V5H1CZX")
    page = await merchant.get("/m/prices")
    fields = {"name": "x", "amount": "1", "max_quantity": "1", "confirmed": OF_STRANGER}
    tried = [
        await merchant.post(f"/m/prices/{OF_STRANGER}{way}", page.text, **fields) for way in ("", "/remove")
    ]

    assert foreign.status_code == nothing.status_code == 404
    assert nameless(foreign.text) == nameless(nothing.text)
    assert [answer.status_code for answer in tried] == [404, 404]
    clinic = shop.tenants["仁康门诊部"]
    async with database.read(clinic) as session:
        kept = await session.scalar(select(Price.amount).where(Price.tenant_id == clinic.tenant_id))
    assert kept == 45_000


async def test_without_prices_the_page_says_when_they_are_needed(merchant: Visitor, shop: Shop) -> None:
    page = await merchant.get("/m/prices")
    for code in ("latte", "americano", "X" * 64, "hostile", "winter.special-2025"):
        await merchant.post(f"/m/prices/{code}/remove", page.text, confirmed=code)

    empty = await merchant.get("/m/prices")

    assert "还没有商品价目" in empty.text
    assert '<details class="card c-new" open>' in empty.text
    assert LONG_NAME not in empty.text
