"""The global search: every number a person may hold leads to its page, and never to a neighbour's."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.support.exporting import EVERYTHING, acts
from tests.support.shop import HOSTILE_NAME, LONG_NAME, TRANSACTION_ID, Shop
from tests.support.visitor import Visitor

from spcore.db.engine import Database
from sptenants.orders.models import Order
from sptenants.refunds.models import Refund

OWNER, MERCHANT, ADMIN = "provider_owner", "merchant_user", "platform_admin"


async def order_of(database: Database, order_id: str) -> Order:
    async with database.read(EVERYTHING) as session:
        return (await session.scalars(select(Order).where(Order.id == order_id))).one()


async def refund_of(database: Database, refund_id: str) -> Refund:
    async with database.read(EVERYTHING) as session:
        return (await session.scalars(select(Refund).where(Refund.id == refund_id))).one()


async def led_to(visitor: Visitor, typed: str) -> str:
    answer = await visitor.get(f"/search?q={typed}")
    return answer.headers["location"] if answer.status_code == 303 else f"{answer.status_code}"


async def test_every_number_of_an_order_leads_to_it(visitor: Visitor, shop: Shop, database: Database) -> None:
    order = await order_of(database, shop.orders["largest"])
    await visitor.sign_in(shop.people[OWNER])

    for number in (order.id, order.merchant_order_no, order.out_trade_no, f"%20{TRANSACTION_ID}%20"):
        assert await led_to(visitor, str(number)) == f"/console/orders/{order.id}"


async def test_every_number_of_a_refund_leads_to_it(visitor: Visitor, shop: Shop, database: Database) -> None:
    refund = await refund_of(database, shop.refunds["succeeded"])
    await visitor.sign_in(shop.people[MERCHANT])

    for number in (refund.id, refund.out_refund_no, refund.wechat_refund_id):
        assert await led_to(visitor, str(number)) == f"/m/refunds/{refund.id}"

    await visitor.sign_in(shop.people[ADMIN])
    assert await led_to(visitor, refund.id) == f"/admin/transactions/{refund.order_id}"


async def test_numbers_and_apps_of_a_merchant_lead_to_it(visitor: Visitor, shop: Shop) -> None:
    coffee = shop.tenants["晨曦咖啡"].tenant_id
    await visitor.sign_in(shop.people[OWNER])

    for number in (coffee, "1612345678"):
        assert await led_to(visitor, number) == f"/console/tenants/{coffee}"
    app = await visitor.get("/search?q=wx3f8c21d0b7e6a91c")  # one app may be bound by several merchants
    assert f"/console/tenants/{coffee}" in app.headers.get("location", app.text)


async def test_other_ids_lead_to_their_pages(visitor: Visitor, shop: Shop) -> None:
    anomaly = shop.anomalies["double_payment"]
    await visitor.sign_in(shop.people[OWNER])

    assert await led_to(visitor, anomaly) == f"/console/anomalies/{anomaly}"
    assert await led_to(visitor, "ntf_01JD3K8W7Q4M6X0B2T9V5H1CZN") == "200"


async def test_the_beginning_of_a_name_lists_merchants(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get("/search?q=上海市徐汇区")
    hostile = await visitor.get("/search?q=%3Cscript%3E")

    assert page.status_code == 200
    assert LONG_NAME in page.text
    assert "晨曦咖啡" not in page.text
    assert "&lt;script&gt;alert" in hostile.text
    assert HOSTILE_NAME not in hostile.text


@pytest.mark.parametrize("typed", ["%25", "_", "\\", "%27%20OR%201=1--", "a" * 3000, "%00", ""])
async def test_S13_signs_of_a_search_language_mean_nothing(visitor: Visitor, shop: Shop, typed: str) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/search?q={typed}")

    assert page.status_code == 200
    assert "单号需要完整填写" in page.text


async def test_T01_Y3_what_is_a_neighbours_is_not_found(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    foreign = await order_of(database, shop.orders["other tenant"])
    neighbour = await order_of(database, shop.orders["largest"])
    clinic = shop.tenants["仁康门诊部"].tenant_id
    await visitor.sign_in(shop.people[OWNER])
    for number in (
        foreign.id,
        foreign.merchant_order_no,
        foreign.transaction_id,
        clinic,
        "1667012345",
        "仁康",
    ):
        answer = await visitor.get(f"/search?q={number}")
        assert answer.status_code == 200
        assert "没有找到" in answer.text

    await visitor.sign_in(shop.people[MERCHANT])
    for number in (
        neighbour.id,
        neighbour.transaction_id,
        shop.refunds["abnormal"],
        shop.anomalies["amount_mismatch"],
        shop.tenants["晨曦咖啡"].tenant_id,
        "1612345678",
    ):
        assert "没有找到" in (await visitor.get(f"/search?q={number}")).text


async def test_Y4_the_platform_finds_everything_and_leaves_a_row(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    order = shop.orders["other tenant"]
    await visitor.sign_in(shop.people[ADMIN])

    assert await led_to(visitor, order) == f"/admin/transactions/{order}"

    (act,) = await acts(database, "search.made")
    assert act.after == {"q": order, "rows": 1}


async def test_the_page_says_what_can_be_searched(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[MERCHANT])

    page = await visitor.get("/search")

    assert "付款用户微信账单里的“商户单号”" in page.text
    assert "商户名称的开头" not in page.text
