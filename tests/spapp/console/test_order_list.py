"""Order lists of the three areas over HTTP: whose orders, paging, filters, nothing that was not asked for."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update
from tests.support.exporting import rows_of
from tests.support.shop import HOSTILE_NAME, OPENID, Shop
from tests.support.visitor import Visitor

from spcore.db.engine import Database
from sptenants.orders.models import Order

_NUMBERS = re.compile(r'hx-get="[^"]+/(ord_\w+)"')
_NEXT = re.compile(r'rel="next" href="([^"]+)"')
_PREVIOUS = re.compile(r'rel="prev" href="([^"]+)"')

OWNER, MERCHANT, ADMIN = "provider_owner", "merchant_user", "platform_admin"


def listed(text: str) -> list[str]:
    return _NUMBERS.findall(text)


def link(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None
    return found[1].replace("&amp;", "&")


async def test_paging_shows_every_order_once_and_back_again(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    pages = [await visitor.get("/console/orders")]
    while _NEXT.search(pages[-1].text):
        pages.append(await visitor.get(link(_NEXT, pages[-1].text)))

    shown = [order for page in pages for order in listed(page.text)]
    assert len(pages) == 3
    assert len(shown) == len(set(shown)) == 30 + len(shop.orders) - 1
    assert shown == sorted(shown, reverse=True)

    back = await visitor.get(link(_PREVIOUS, pages[-1].text))
    assert listed(back.text) == listed(pages[1].text)
    first = await visitor.get(link(_PREVIOUS, back.text))
    assert listed(first.text) == listed(pages[0].text)
    assert _PREVIOUS.search(first.text) is None


async def test_T01_nobody_sees_orders_of_a_neighbour(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    provider = await visitor.get("/console/orders?range=all")
    assert shop.orders["other tenant"] not in provider.text
    assert "仁康门诊部" not in provider.text

    await visitor.sign_in(shop.people[MERCHANT])
    merchant = await visitor.get("/m/orders?range=all")
    assert shop.orders["latest"] in merchant.text
    assert shop.orders["largest"] not in merchant.text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("status=attention", {"mismatch", "unclear"}, id="needs a look"),
        pytest.param("status=refunded", {"refunded", "partly", "largest"}, id="refunded"),
        pytest.param("status=closed", {"closed", "failed"}, id="closed"),
        pytest.param("min=1000&max=3000", {"mismatch", "refunded"}, id="amounts in yuan, inclusive"),
        pytest.param("q=T20261121001009", {"healed"}, id="merchant order no."),
        pytest.param("q=4200002611202611215530918274", {"largest"}, id="transaction id"),
        pytest.param("q=T2026112100100", set(), id="a number must be whole"),
        pytest.param("range=yesterday", set(), id="another day"),
    ],
)
async def test_filters_narrow_the_list(visitor: Visitor, shop: Shop, given: str, expected: set[str]) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/orders?{given}")

    assert set(listed(page.text)) == {shop.orders[key] for key in expected}


async def test_a_trial_payment_is_marked_in_list_page_and_file(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    tenant, order_id = shop.tenants["晨曦咖啡"], shop.orders["healed"]
    own = (Order.provider_id == tenant.provider_id, Order.tenant_id == tenant.tenant_id)
    async with database.write(tenant) as session:
        await session.execute(update(Order).where(*own, Order.id == order_id).values(source="trial"))
    await visitor.sign_in(shop.people[OWNER])

    listed = await visitor.get("/console/orders?q=T20261121001009")
    page = await visitor.get(f"/console/orders/{order_id}")
    export = await visitor.post("/console/exports", listed.text, kind="orders", query="range=all")

    assert "试付" in listed.text.split("<tbody>")[1]
    assert "试付" not in (await visitor.get("/console/orders?q=T20261121001010")).text.split("<tbody>")[1]
    assert "试付</span>" in page.text.split('class="c-big"')[1].split("</div>")[0]
    assert [row["来源"] for row in rows_of(export.content) if row["订单 ID"] == order_id] == ["试付"]


async def test_the_filter_of_a_foreign_tenant_shows_nothing(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    foreign = shop.tenants["仁康门诊部"].tenant_id

    page = await visitor.get(f"/console/orders?range=all&tenant={foreign}")

    assert page.status_code == 200
    assert listed(page.text) == []


@pytest.mark.parametrize("cursor", ["!!", "AAAA", "b3JkX1g", "../..", "a" * 3000])
async def test_a_cursor_that_is_not_ours_leads_to_the_first_page(
    visitor: Visitor, shop: Shop, cursor: str
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/orders?cursor={cursor}")

    assert page.status_code == 200


async def test_S03_S14_hostile_names_are_shown_as_text(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    for path in ("/console/orders", "/console/tenants", f"/console/orders/{shop.orders['hostile']}"):
        text = (await visitor.get(path)).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
        assert "{{7*7}}" in text
    assert "{{7*7}}" in HOSTILE_NAME


async def test_no_page_holds_a_whole_openid(visitor: Visitor, shop: Shop) -> None:
    for role, base in ((OWNER, "/console/orders"), (MERCHANT, "/m/orders"), (ADMIN, "/admin/transactions")):
        await visitor.sign_in(shop.people[role])
        for path in (base, f"{base}/{shop.orders['latest']}"):
            page = await visitor.get(path)
            assert page.status_code == 200
            assert OPENID not in page.text
        assert "oUpF8****eS6o" in page.text


async def test_figures_and_counts_follow_the_filters(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get("/console/orders?q=T20261121001009")

    assert "<b>¥320.00</b>" in page.text
    assert re.search(r"全部<small>1</small>", page.text)
    assert re.search(r"待支付<small>0</small>", page.text)


async def test_pages_speak_the_language_of_the_reader(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    english = await visitor.get("/console/orders?range=7d", language="en-US,en;q=0.9")
    assert '<html lang="en"' in english.text
    assert "Success rate" in english.text
    assert "支付成功" not in english.text

    await visitor.get("/preferences?lang=zh-CN&next=/console/orders")
    chinese = await visitor.get("/console/orders", language="en-US")
    assert '<html lang="zh-CN"' in chinese.text


async def test_the_theme_is_drawn_by_the_server(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    assert 'data-bs-theme="light"' in (await visitor.get("/console/orders")).text

    answer = await visitor.get("/preferences?theme=dark&next=//evil.example/")

    assert answer.headers["location"] == "/"
    assert 'data-bs-theme="dark"' in (await visitor.get("/console/orders")).text
