"""Every page once more where row-level security stands behind it (decision 11)."""

from __future__ import annotations

import pytest
from tests.support.databases import postgres_url
from tests.support.shop import Shop
from tests.support.visitor import Visitor

from spcore.audit.verifier import verify
from spcore.db.engine import Database

FILTERS = "range=7d&status=paid&appid=wx3f8c21d0b7e6a91c&min=1&max=9999&from=2026-11-01"


@pytest.fixture
def database_url() -> str:
    return postgres_url()


async def test_a_provider_walks_through_every_page(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    tenant = shop.tenants["晨曦咖啡"].tenant_id

    for path, words in (
        ("/console/orders", "拿铁双人套餐"),
        (f"/console/orders?{FILTERS}&tenant={tenant}", "拿铁双人套餐"),
        (f"/console/orders/{shop.orders['latest']}", "收到微信支付通知"),
        ("/console/tenants?q=晨曦", "3 / 5"),
        (f"/console/tenants/{tenant}", "status: draft → live"),
    ):
        page = await visitor.get(path)
        assert page.status_code == 200
        assert words in page.text
    assert (await visitor.get(f"/console/orders/{shop.orders['other tenant']}")).status_code == 404


async def test_a_merchant_sees_and_closes_only_what_is_theirs(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["merchant_user"])
    own = f"/m/orders/{shop.orders['pending']}"

    listed = await visitor.get("/m/orders?range=all")
    page = await visitor.get(own)
    closed = await visitor.post(f"{own}/close", page.text)

    assert shop.orders["latest"] in listed.text
    assert shop.orders["largest"] not in listed.text
    assert closed.status_code == 303
    assert "已请求关单" in (await visitor.get(own)).text
    assert (await visitor.get(f"/m/orders/{shop.orders['largest']}")).status_code == 404


async def test_the_platform_sees_everything_and_leaves_a_true_chain(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    listed = await visitor.get(f"/admin/transactions?{FILTERS}")
    viewed = await visitor.get(f"/admin/transactions/{shop.orders['other tenant']}")

    assert listed.status_code == viewed.status_code == 200
    assert "仁康门诊部" in viewed.text
    assert (await verify(database)).ok
