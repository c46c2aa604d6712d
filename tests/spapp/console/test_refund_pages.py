"""Lists and pages of refunds: whose, filtered how, and what they explain."""

from __future__ import annotations

import re

import pytest
from tests.conftest import HeldClock
from tests.support.money_desk import MoneyDesk, open_money_desk
from tests.support.shop import Shop
from tests.support.till_v3 import build_till_v3
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.db.engine import Database

_LISTED = re.compile(r'hx-get="[^"]+/(rfd_\w+)"')
OWNER, VIEWER, MERCHANT = "provider_owner", "provider_viewer", "merchant_user"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("", {"full", "succeeded", "rejected", "abnormal", "waiting"}, id="everything"),
        pytest.param("status=waiting", {"waiting"}, id="waits for a second person"),
        pytest.param("status=open", {"waiting"}, id="under way"),
        pytest.param("status=succeeded", {"full", "succeeded"}, id="succeeded"),
        pytest.param("status=abnormal", {"abnormal"}, id="did not arrive"),
        pytest.param("status=failed", {"rejected"}, id="refused or closed"),
        pytest.param("range=yesterday", set(), id="another day"),
        pytest.param("q=4200002611202611215530918274", {"abnormal", "waiting"}, id="by the payment's number"),
    ],
)
async def test_filters_narrow_the_list(visitor: Visitor, shop: Shop, given: str, expected: set[str]) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/refunds?{given}")

    assert set(_LISTED.findall(page.text)) == {shop.refunds[key] for key in expected}


async def test_T01_a_list_holds_ones_own_refunds_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[MERCHANT])
    merchant = await visitor.get("/m/refunds")
    await visitor.sign_in(shop.people[OWNER])
    gym = shop.tenants["晨曦咖啡"].tenant_id
    of_tenant = await visitor.get(f"/console/refunds?tenant={gym}")

    own = {shop.refunds[key] for key in ("full", "succeeded", "rejected")}
    assert set(_LISTED.findall(merchant.text)) == own == set(_LISTED.findall(of_tenant.text))
    assert "特约商户 / 商户号" not in merchant.text


async def test_the_list_turns_its_pages_and_forgives_a_foreign_cursor(money: MoneyDesk) -> None:
    order = await money.desk.paid(amount=100_000)
    made = {(await money.desk.request(order, 100 + n, f"R{n}")).refund.id for n in range(23)}
    await money.sign_in()

    first = await money.visitor.get("/console/refunds")
    following = re.findall(r'rel="next" href="([^"]+)"', first.text)[0].replace("&amp;", "&")
    second = await money.visitor.get(following)
    lost = await money.visitor.get("/console/refunds?cursor=!!!")

    shown = [*_LISTED.findall(first.text), *_LISTED.findall(second.text)]
    assert len(shown) == len(set(shown)) == 23
    assert set(shown) == made
    assert "不是有效的翻页游标" in lost.text
    assert _LISTED.findall(lost.text) == _LISTED.findall(first.text)


async def test_an_empty_list_says_how_it_fills(money: MoneyDesk) -> None:
    await money.sign_in()

    assert "还没有退款" in (await money.visitor.get("/console/refunds")).text
    assert "没有符合条件的退款" in (await money.visitor.get("/console/refunds?q=nothing")).text


@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param("abnormal", "没有退到付款用户", id="F06 it did not arrive"),
        pytest.param("rejected", "一年", id="refused, explained"),
        pytest.param("waiting", "须由另一位服务商管理员或财务批准", id="F07 waits"),
        pytest.param("succeeded", "支付用户零钱", id="where the money went"),
    ],
)
async def test_a_refunds_page_explains_where_it_stands(
    visitor: Visitor, shop: Shop, key: str, words: str
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/refunds/{shop.refunds[key]}")

    assert words in page.text


async def test_the_drawer_is_the_very_part_that_the_page_includes(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path = f"/console/refunds/{shop.refunds['succeeded']}"

    part, page = await visitor.get(path, htmx=True), await visitor.get(path)

    assert part.text.lstrip().startswith("<article")
    assert "<html" in page.text
    assert "¥200.00" in part.text
    assert "¥200.00" in page.text


async def test_asking_wechat_shows_what_became_of_it(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    refund = (await money.desk.request(order, 2000)).refund
    money.desk.settle(refund.out_refund_no)
    await money.sign_in(Role.PROVIDER_OPERATOR)
    path = f"/console/refunds/{refund.id}"
    page = await money.visitor.get(path)
    money.clock.advance(seconds=5)

    answer = await money.visitor.post(f"{path}/sync", page.text, htmx=True)

    assert answer.status_code == 200
    assert answer.headers["hx-trigger"] == "list-outdated"
    assert "已向微信查询，退款状态：退款成功" in answer.text
    assert "支付用户零钱" in answer.text


async def test_the_platform_sees_an_orders_refunds_and_no_way_to_touch_them(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    page = await visitor.get(f"/admin/transactions/{shop.orders['partly']}")

    assert "¥200.00" in page.text
    assert "被拒绝" in page.text
    assert "/refund" not in page.text.replace("receipt-refund", "")


async def test_F10_asking_about_a_paid_order_finds_what_was_refunded_at_wechat(money: MoneyDesk) -> None:
    order = await money.desk.paid(amount=5000)
    assert order.out_trade_no is not None
    money.desk.wechat.refund_elsewhere(order.out_trade_no, 2000)
    await money.sign_in(Role.PROVIDER_OPERATOR)
    path = f"/console/orders/{order.id}"
    page = await money.visitor.get(path)

    asked = await money.visitor.post(f"{path}/sync", page.text, htmx=True)

    assert "订单已支付，微信侧共有 1 笔退款" in asked.text
    assert "¥20.00" in (await money.visitor.get("/console/refunds")).text


async def test_F10_by_v3_asking_tells_that_something_was_refunded_at_wechat_and_not_what(
    database: Database, database_url: str, clock: HeldClock
) -> None:
    async with open_money_desk(await build_till_v3(database, clock), database_url, clock) as money:
        order = await money.desk.paid(amount=5000)
        await money.sign_in(Role.PROVIDER_OPERATOR)
        path = f"/console/orders/{order.id}"
        page = await money.visitor.get(path)
        before = await money.visitor.post(f"{path}/sync", page.text, htmx=True)
        money.desk.wechat.refund_elsewhere(order.out_trade_no or "", 2000)

        asked = await money.visitor.post(f"{path}/sync", page.text, htmx=True)

        assert "不是从本平台发起的退款" not in before.text
        assert "不是从本平台发起的退款" in asked.text
        assert "在微信侧退款" in (await money.visitor.get("/console/anomalies")).text


async def test_asking_about_a_paid_order_says_when_wechat_gave_no_answer(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    money.desk.wechat.fail("refundquery", "timeout")
    await money.sign_in()
    path = f"/console/orders/{order.id}"
    page = await money.visitor.get(path)

    asked = await money.visitor.post(f"{path}/sync", page.text, htmx=True)

    assert "没有给出可信的退款应答" in asked.text
