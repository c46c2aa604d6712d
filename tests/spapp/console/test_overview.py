"""The first page of every area: figures, days, what waits, and the first steps (console-and-api-design 2)."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import delete
from tests.conftest import HeldClock
from tests.support.house import build_house
from tests.support.shop import HOSTILE_NAME, LONG_NAME, Shop, hire
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spapp.console.frame.changes import points, relative
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import WorkerScope
from sptenants.orders.models import OrderSumsMark

PROVIDERS = ("provider_owner", "provider_operator", "provider_finance", "provider_viewer")
HOMES = [
    *((role, "/console") for role in PROVIDERS),
    ("platform_admin", "/admin"),
    ("platform_auditor", "/admin"),
    ("merchant_user", "/m"),
]


def figures(page: str) -> dict[str, str]:
    """Return the cells of the strip by their word."""
    cells = re.findall(r"<dt>(.*?)</dt><dd><b[^>]*>(.*?)</b>", page)
    return {re.sub(r"<[^>]*>", "", word): value for word, value in cells}


def todo(page: str) -> dict[str, str]:
    """Return where each line of what waits leads to, by its word."""
    block = page.split('class="c-todo-list"', 1)[1].split("</ul>", 1)[0]
    return {word: url for url, word in re.findall(r'href="([^"]+)".*?c-break">(.*?)</span>', block)}


async def test_every_role_has_its_overview(visitor: Visitor, shop: Shop) -> None:
    for role, home in HOMES:
        await visitor.sign_in(shop.people[role])

        page = await visitor.get(home)

        assert page.status_code == 200
        assert set(figures(page.text)) == {"成功金额", "成功笔数", "支付成功率", "退款金额", "需要处理"}
        assert "更新于 20:50" in page.text
        assert "汇总暂时没有更新" not in page.text


async def test_a_merchant_sees_one_tenant_and_a_provider_all_of_its_own(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["merchant_user"])
    of_merchant = (await visitor.get("/m")).text
    await visitor.sign_in(shop.people["provider_owner"])
    of_provider = (await visitor.get("/console")).text
    await visitor.sign_in(shop.people["platform_admin"])
    of_platform = (await visitor.get("/admin")).text

    # 30 plain orders and five that stand out; the largest of all belongs to another tenant.
    assert figures(of_merchant)["成功笔数"] == "35"
    assert figures(of_provider)["成功笔数"] == "36"
    assert figures(of_platform)["成功笔数"] == "37"
    english = (await visitor.get("/admin", language="en")).text
    for word in ("Open the worst", "Service providers today", "Updated 20:50", "Success rate"):
        assert word in english
    assert LONG_NAME not in of_merchant
    assert LONG_NAME in of_provider
    assert "汇通科技" not in of_provider
    assert "汇通科技" in of_platform
    assert HOSTILE_NAME not in of_provider


async def test_what_waits_leads_to_where_it_is_settled_and_the_gravest_is_the_button(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])

    page = (await visitor.get("/console")).text

    lines = todo(page)
    assert lines["待核实订单"] == "/console/orders?status=attention&amp;range=all"
    assert lines["金额不符"] == "/console/anomalies?kind=amount_mismatch"
    assert next(iter(lines)) == "待核实订单"
    assert re.search(r'btn-primary" href="/console/orders\?status=attention', page)
    for role, home in (("provider_owner", "/console"), ("platform_admin", "/admin"), ("merchant_user", "/m")):
        await visitor.sign_in(shop.people[role])
        for url in todo((await visitor.get(home)).text).values():
            assert url.startswith(home)
            assert (await visitor.get(url.replace("&amp;", "&"))).status_code == 200, url


async def test_the_chart_is_a_table_first_and_both_say_the_same(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])

    page = (await visitor.get("/console")).text

    block = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    drawn = json.loads(block[1])
    assert len(drawn["days"]) == 14
    assert drawn["days"][-1] == "11-21"
    amounts, rates = drawn["plots"]
    assert all(type(value) is int for value in amounts["values"])
    assert rates["small"]
    yuan = amounts["values"][0] // 100
    assert f"¥{yuan:,}." in page
    assert "data-chart-switch hidden" in page


async def test_stale_sums_keep_their_numbers_and_say_so(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock
) -> None:
    clock.advance(minutes=40)
    await visitor.sign_in(shop.people["merchant_user"])

    page = (await visitor.get("/m")).text

    assert "汇总暂时没有更新" in page
    assert "更新于 20:50" in page
    assert figures(page)["成功笔数"] == "35"

    async with database.write(WorkerScope()) as session:
        await session.execute(delete(table_of(OrderSumsMark)))
    assert "尚未汇总" in (await visitor.get("/m")).text


async def test_a_new_service_provider_is_led_by_three_steps(
    visitor: Visitor, database: Database, clock: HeldClock
) -> None:
    house = await build_house(database, tenants=0)
    email = await hire(database, clock.now(), Role.PROVIDER_OWNER, "新人", house.provider.provider_id)
    await visitor.sign_in(email)

    page = (await visitor.get("/console")).text

    assert re.findall(r"<strong>(录入.*?|接入.*?|试付.*?)</strong>", page) == [
        "录入服务商密钥",
        "接入第一个特约商户",
        "试付 ¥0.01",
    ]
    assert figures(page)["成功金额"] == "¥0.00"
    assert "没有需要处理的事项" in page


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        pytest.param(108, 100, "↑ 8.0%", id="more"),
        pytest.param(50, 100, "↓ 50.0%", id="less"),
        pytest.param(100, 100, "→ 0.0%", id="the same"),
        pytest.param(10_000, 1, "↑ >999%", id="beyond all measure"),
    ],
)
def test_changes_are_whole_numbers_in_words(now: int, before: int, text: str) -> None:
    change = relative(now, before)
    assert change is not None
    assert change.text == text


def test_a_change_from_nothing_is_no_change() -> None:
    assert relative(5, 0) is None
    assert points(None, 9_000) is None
    change = points(9_240, 9_300)
    assert change is not None
    assert (change.text, change.direction) == ("↓ 0.6", "dn")
