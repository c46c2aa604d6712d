"""One order over HTTP: page and drawer, what a role may do, and what is said when it cannot be done."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from tests.support.money_desk import MoneyDesk
from tests.support.shop import TRANSACTION_ID, Shop
from tests.support.visitor import Visitor, without_address

from spcore.audit.models import AuditRow
from spcore.db.engine import Database

OWNER, VIEWER, MERCHANT = "provider_owner", "provider_viewer", "merchant_user"


async def test_the_drawer_is_the_very_part_that_the_page_includes(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path = f"/console/orders/{shop.orders['largest']}"

    part = await visitor.get(path, htmx=True)
    page = await visitor.get(path)

    assert part.text.lstrip().startswith("<article")
    assert "<html" not in part.text
    assert "<article" in page.text
    assert "<html" in page.text
    for text in (part.text, page.text):
        assert TRANSACTION_ID in text
        assert "¥9,999,999.99" in text
    assert part.headers["cache-control"] == "no-store"
    assert "HX-Request" in part.headers["vary"]


async def test_Y3_a_foreign_order_answers_like_one_that_does_not_exist(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    foreign = await visitor.get(f"/console/orders/{shop.orders['other tenant']}")
    nothing = await visitor.get("/console/orders/ord_01JD3K8W7Q4M6X0B2T9V5H1CZN")

    assert foreign.status_code == nothing.status_code == 404
    assert without_address(foreign.text) == without_address(nothing.text)
    assert foreign.headers["request-id"] in foreign.text


@pytest.mark.parametrize(
    ("role", "base", "key", "sync", "close"),
    [
        pytest.param(OWNER, "/console", "pending", True, True, id="owner, open order"),
        pytest.param(OWNER, "/console", "latest", True, False, id="owner, paid order"),
        pytest.param(VIEWER, "/console", "pending", False, False, id="viewer"),
        pytest.param(MERCHANT, "/m", "pending", True, True, id="merchant"),
        pytest.param("platform_admin", "/admin", "pending", False, False, id="platform: reading only"),
    ],
)
async def test_actions_are_offered_by_role_and_state(
    visitor: Visitor, shop: Shop, role: str, base: str, key: str, sync: bool, close: bool
) -> None:
    await visitor.sign_in(shop.people[role])
    orders = "transactions" if base == "/admin" else "orders"

    page = await visitor.get(f"{base}/{orders}/{shop.orders[key]}")

    assert page.status_code == 200
    assert (f'/{shop.orders[key]}/sync"' in page.text) is sync
    assert (f'/{shop.orders[key]}/close"' in page.text) is close


async def test_closing_too_early_is_noted_and_audited(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path = f"/console/orders/{shop.orders['pending']}"
    page = await visitor.get(path)

    answer = await visitor.post(f"{path}/close", page.text)

    assert (answer.status_code, answer.headers["location"]) == (303, path)
    after = await visitor.get(path)
    assert "已请求关单" in after.text
    assert "王敏 请求关单" in after.text
    assert f'{path}/close"' not in after.text
    async with database.read(shop.providers[0]) as session:
        acts = await session.scalars(
            select(AuditRow).where(
                AuditRow.chain == shop.providers[0].provider_id, AuditRow.action == "order.close_requested"
            )
        )
        assert [(act.object_id, act.actor_name) for act in acts] == [(shop.orders["pending"], "王敏")]


async def test_in_the_drawer_an_action_answers_with_the_order_as_it_is_now(money: MoneyDesk) -> None:
    order = await money.till.placed()
    assert order.out_trade_no is not None
    money.till.wechat.pay(order.out_trade_no, money.clock.now())
    await money.sign_in()
    path = f"/console/orders/{order.id}"
    page = await money.visitor.get(path)

    answer = await money.visitor.post(f"{path}/sync", page.text, htmx=True)

    assert answer.status_code == 200
    assert answer.headers["hx-trigger"] == "list-outdated"
    assert "已向微信查询，订单状态：支付成功" in answer.text
    assert "<html" not in answer.text


async def test_a_refusal_says_why_on_the_order_itself(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path = f"/console/orders/{shop.orders['latest']}"
    page = await visitor.get(path)

    answer = await visitor.post(f"{path}/close", page.text)

    assert answer.status_code == 422
    assert '<div class="c-note bad" role="alert">' in answer.text
    assert "¥128.00" in answer.text


@pytest.mark.parametrize("action", ["sync", "close"])
async def test_a_role_that_may_only_read_cannot_act(visitor: Visitor, shop: Shop, action: str) -> None:
    await visitor.sign_in(shop.people[VIEWER])
    path = f"/console/orders/{shop.orders['pending']}"
    page = await visitor.get(path)

    answer = await visitor.post(f"{path}/{action}", page.text)

    assert answer.status_code == 403
    assert "你的角色不能使用此页面" in answer.text


@pytest.mark.parametrize("action", ["sync", "close"])
async def test_acting_on_a_foreign_order_finds_nothing(visitor: Visitor, shop: Shop, action: str) -> None:
    await visitor.sign_in(shop.people[MERCHANT])
    own = await visitor.get("/m/orders")

    answer = await visitor.post(f"/m/orders/{shop.orders['largest']}/{action}", own.text)

    assert answer.status_code == 404


@pytest.mark.parametrize("action", ["sync", "close"])
async def test_S02_an_action_without_the_token_of_the_page_is_refused(
    visitor: Visitor, shop: Shop, action: str
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    answer = await visitor.post(f"/console/orders/{shop.orders['pending']}/{action}", "no token here")

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param("mismatch", "微信侧的支付金额与订单金额不同", id="amount mismatch"),
        pytest.param("unclear", "微信侧是否已受理尚不明确", id="unclear"),
        pytest.param("failed", "APPID_MCHID_NOT_MATCH · AppID 与商户号不匹配", id="refused by WeChat"),
    ],
)
async def test_what_needs_a_person_is_said_in_a_sentence(
    visitor: Visitor, shop: Shop, key: str, words: str
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    assert words in (await visitor.get(f"/console/orders/{shop.orders[key]}")).text


async def test_the_timeline_tells_the_story_newest_first_without_a_signature(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get(f"/console/orders/{shop.orders['latest']}")).text

    told = re.findall(r"<h3>([^<]+)</h3>", text)
    assert told[0] == "状态变更：待支付 → 支付成功"
    assert told[-1] == "创建订单"
    assert "收到微信支付通知" in told
    assert "sign&#34;" not in text
    assert "paySign" not in text
