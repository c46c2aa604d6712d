"""Tenant list and tenant page over HTTP."""

from __future__ import annotations

import re

import pytest
from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_onboarding import DRAFT
from tests.support.visitor import PUBLIC_URL, Visitor, without_address

OWNER = "provider_owner"
_TENANTS = re.compile(r'href="/console/tenants/(ten_\w+)"')


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("", {"晨曦咖啡", LONG_NAME, "阿婆生煎", DRAFT}, id="all of the provider"),
        pytest.param("status=onboarding", {"阿婆生煎", DRAFT}, id="by status"),
        pytest.param("status=nonsense", {"晨曦咖啡", LONG_NAME, "阿婆生煎", DRAFT}, id="no such status"),
        pytest.param("q=晨曦", {"晨曦咖啡"}, id="part of the name"),
        pytest.param("q=1634567012", {"阿婆生煎"}, id="number"),
        pytest.param("q=wx8b1d04c99e23f5aa", {"晨曦咖啡"}, id="bound appid"),
        pytest.param("q=仁康", set(), id="somebody else's"),
        pytest.param("q=%25", set(), id="a wildcard is only a character"),
        pytest.param("cursor=nonsense&q=晨曦", {"晨曦咖啡"}, id="a cursor that is not ours"),
    ],
)
async def test_tenants_are_found(visitor: Visitor, shop: Shop, given: str, expected: set[str]) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/tenants?{given}")

    hostile = next(scope.tenant_id for name, scope in shop.tenants.items() if "script" in name)
    found = set(_TENANTS.findall(page.text)) - {hostile}
    assert found == {shop.tenants[name].tenant_id for name in expected}


async def test_the_list_shows_bindings_of_five_and_the_amount_of_seven_days(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get("/console/tenants?q=晨曦")).text

    assert "3 / 5" in text
    plain = sum(1200 + place * 10 for place in range(30))
    others = 120_000 + 89_900 + 100 + 32_000 + 12_800
    assert f"¥{(plain + others) / 100:,.2f}" in text


async def test_a_tenant_page_shows_what_is_needed_and_no_secret(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    url = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}"
    parts = ("overview", "bindings", "api-keys", "log")
    text = "".join([(await visitor.get(f"{url}?tab={part}")).text for part in parts])

    for appid in ("wx3f8c21d0b7e6a91c", "wx8b1d04c99e23f5aa", "wx5b77e40aa1c2d3e4"):
        assert appid in text
    assert "已用 3 / 5" in text
    assert "指纹 5d41402a" in text
    assert re.search(rf"{re.escape(PUBLIC_URL)}/notify/wechat/\w{{32}}/v2/payment", text)
    assert re.search(r"wsk_test_…\w{4}<", text)
    assert re.search(r"wsk_test_\w{5}", text) is None
    assert "status: draft → live" in text


async def test_Y3_a_foreign_tenant_answers_like_one_that_does_not_exist(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    foreign = await visitor.get(f"/console/tenants/{shop.tenants['仁康门诊部'].tenant_id}")
    nothing = await visitor.get("/console/tenants/ten_01JD3K8W7Q4M6X0B2T9V5H1CZN")

    assert foreign.status_code == nothing.status_code == 404
    assert without_address(foreign.text) == without_address(nothing.text)
