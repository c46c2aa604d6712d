"""Saved views: a filter under a name, a person's own in each role, also without a script."""

from __future__ import annotations

import re

import pytest
from tests.support.shop import Shop
from tests.support.visitor import Visitor

from spapp.console.saved_views import service

OPERATOR, FINANCE, MERCHANT = "provider_operator", "provider_finance", "merchant_user"
_VIEW = re.compile(r'name="view" value="(viw_\w+)"')


async def save(visitor: Visitor, name: str, query: str, area: str = "/console", list_: str = "orders") -> str:
    page = await visitor.get(f"{area}/views")
    answer = await visitor.post(f"{area}/views", page.text, list=list_, name=name, query=query)
    return f"{answer.status_code} {answer.headers.get('location', '')}".strip()


async def test_a_filter_is_saved_and_stands_above_the_list(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OPERATOR])
    listed = await visitor.get("/console/orders?status=attention&range=30d&cursor=AAAA")
    saved = re.search(r'name="query" value="([^"]*)"', listed.text)
    assert saved is not None
    assert saved[1] == "status=attention&amp;range=30d"

    answer = await visitor.post(
        "/console/views", listed.text, list="orders", name=" 要处理  的 ", query="status=attention&range=30d"
    )

    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/orders?status=attention&range=30d",
    )
    shown = await visitor.get("/console/orders")
    assert 'href="/console/orders?status=attention&amp;range=30d"><svg' in shown.text
    assert "要处理 的" in shown.text
    assert "c-view c-on" in (await visitor.get(answer.headers["location"])).text


async def test_only_what_the_list_understands_is_kept(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OPERATOR])

    kept = await save(visitor, "x", "status=paid&evil=%0d%0aSet-Cookie&next=//evil.example&min=abc&cursor=!")

    assert kept == "303 /console/orders?status=paid"


async def test_a_view_is_renamed_and_deleted(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OPERATOR])
    await save(visitor, "one", "status=paid")
    page = await visitor.get("/console/views")
    view = _VIEW.findall(page.text)[0]

    await visitor.post("/console/views/rename", page.text, view=view, name="two")
    renamed = await visitor.get("/console/views")
    await visitor.post("/console/views/remove", page.text, view=view)

    assert "two" in renamed.text
    assert "one" not in renamed.text.split("<main")[1].replace("none", "")
    assert "还没有保存的视图" in (await visitor.get("/console/views")).text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("  ", "请填写名称", id="nothing"),
        pytest.param("长" * 31, "名称最多 30 个字符", id="too long"),
        pytest.param("taken", "已有同名的视图", id="taken"),
    ],
)
async def test_a_name_that_does_not_do_is_said_at_its_field(
    visitor: Visitor, shop: Shop, name: str, words: str
) -> None:
    await visitor.sign_in(shop.people[OPERATOR])
    await save(visitor, "taken", "status=paid")
    page = await visitor.get("/console/views")

    saving = await visitor.post("/console/views", page.text, list="orders", name=name, query="status=closed")
    await save(visitor, "other", "status=closed")
    page = await visitor.get("/console/views")
    # By its name: under a clock that stands still, neither of the two was saved before the other.
    other = re.findall(r'for="name-(viw_\w+)">“other”', page.text)[0]
    renaming = await visitor.post("/console/views/rename", page.text, view=other, name=name)

    for answer in (saving, renaming):
        assert answer.status_code == 422
        assert words in answer.text
        assert 'aria-invalid="true"' in answer.text


async def test_there_are_at_most_twenty_of_a_list(
    visitor: Visitor, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST", 2)
    await visitor.sign_in(shop.people[OPERATOR])

    answers = [await save(visitor, f"v{n}", "status=paid") for n in range(3)]
    refunds = await save(visitor, "v1", "status=open", list_="refunds")

    assert [answer[:3] for answer in answers] == ["303", "303", "422"]
    assert refunds == "303 /console/refunds?status=open"


async def test_T01_views_of_others_do_not_exist(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OPERATOR])
    await save(visitor, "mine alone", "status=paid")
    view = _VIEW.findall((await visitor.get("/console/views")).text)[0]

    for role, area in ((FINANCE, "/console"), (MERCHANT, "/m"), ("platform_admin", "/admin")):
        await visitor.sign_in(shop.people[role])
        page = await visitor.get(f"{area}/views")
        assert "mine alone" not in page.text
        for act in ("rename", "remove"):
            answer = await visitor.post(f"{area}/views/{act}", page.text, view=view, name="x")
            assert answer.status_code == 404

    await visitor.sign_in(shop.people[OPERATOR])
    assert "mine alone" in (await visitor.get("/console/orders")).text


async def test_the_page_lists_what_was_saved_by_list_with_its_address(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])

    page = (await visitor.get("/console/views")).text

    assert 'href="/console/orders?status=attention&amp;range=7d">本周需处理<' in page
    assert page.index("支付订单</h2>") < page.index("退款</h2>") < page.index("等我批准的退款")
    assert "待支付超过一天" not in page


async def test_a_list_that_the_area_has_not_cannot_be_saved(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    assert await save(visitor, "x", "status=open", "/admin", "refunds") == "404"
    assert (await save(visitor, "x", "range=7d", "/admin")) == "303 /admin/transactions?range=7d"
