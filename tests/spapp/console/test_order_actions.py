"""What else can be had from an order's page: its story as text, another attempt, webhooks once more."""

from __future__ import annotations

import re

import pytest
from tests.support.money_desk import MoneyDesk
from tests.support.shop import OPENID, TRANSACTION_ID, Shop
from tests.support.visitor import Visitor

from wechatpay.money import Fen

OWNER, VIEWER, MERCHANT, ADMIN = "provider_owner", "provider_viewer", "merchant_user", "platform_admin"


@pytest.mark.parametrize(
    ("role", "base"), [(OWNER, "/console/orders"), (MERCHANT, "/m/orders"), (ADMIN, "/admin/transactions")]
)
async def test_B10_the_story_of_an_order_is_had_as_text_without_openid_or_signature(
    visitor: Visitor, shop: Shop, role: str, base: str
) -> None:
    await visitor.sign_in(shop.people[role])
    path = f"{base}/{shop.orders['latest']}"
    page = await visitor.get(path)

    text = await visitor.get(f"{path}/timeline.txt")

    assert f'href="{path}/timeline.txt"' in page.text
    assert text.headers["content-type"].startswith("text/plain")
    assert "支付订单: " + shop.orders["latest"] in text.text
    assert "金额: ¥128.00" in text.text
    assert TRANSACTION_ID in text.text
    assert "状态变更：待支付 → 支付成功" in text.text
    assert "oUpF8****eS6o" in text.text
    assert OPENID not in text.text
    assert "paySign" not in text.text


async def test_another_attempt_is_made_with_another_amount_and_way(money: MoneyDesk) -> None:
    order = await money.till.placed()
    money.clock.advance(minutes=6)
    await money.sign_in()
    path = f"/console/orders/{order.id}"
    page = await money.visitor.get(path)
    assert f'href="{path}/attempt"' in page.text
    form = await money.visitor.get(f"{path}/attempt")
    key = re.search(r'name="key" value="([^"]+)"', form.text)
    assert key is not None
    fields = {"amount": "99.00", "way": "NATIVE", "key": key[1]}

    answers = [await money.visitor.post(f"{path}/attempt", form.text, **fields) for _ in range(2)]

    assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [(303, path)] * 2
    now = await money.till.order(order.id)
    assert (now.amount, now.trade_type) == (Fen(9900), "NATIVE")
    after = await money.visitor.get(path)
    assert "更换下单尝试" in after.text
    assert "付款二维码" in after.text


async def test_P8_an_attempt_that_cannot_be_closed_yet_says_so(money: MoneyDesk) -> None:
    order = await money.till.placed()
    await money.sign_in()
    path = f"/console/orders/{order.id}/attempt"
    form = await money.visitor.get(path)

    early = await money.visitor.post(path, form.text, amount="99.00", way="NATIVE", key="k")
    wrong = await money.visitor.post(path, form.text, amount="-1", way="MICROPAY", key="k")

    assert (early.status_code, wrong.status_code) == (422, 422)
    assert 'role="alert"' in early.text
    assert wrong.text.count('aria-invalid="true"') == 2
    assert (await money.till.order(order.id)).amount == order.amount


@pytest.mark.parametrize("role", [VIEWER, "provider_finance"])
async def test_who_may_not_close_may_not_replace(visitor: Visitor, shop: Shop, role: str) -> None:
    await visitor.sign_in(shop.people[role])
    path = f"/console/orders/{shop.orders['pending']}"
    page = await visitor.get(path)

    assert f"{path}/attempt" not in page.text
    assert (await visitor.get(f"{path}/attempt")).status_code == 403


async def test_an_order_without_webhooks_has_none_to_send_again(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path = f"/console/orders/{shop.orders['failed']}"
    page = await visitor.get(path)

    answer = await visitor.post(f"{path}/resend", page.text, htmx=True)

    assert f"{path}/resend" not in page.text
    assert answer.status_code == 200
    assert "这个订单没有 Webhook 投递。" in answer.text


async def test_B2_a_refusal_of_wechats_is_explained_where_it_stands(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/orders/{shop.orders['failed']}")

    assert "/console/explain?api=unifiedorder&amp;code=APPID_MCHID_NOT_MATCH" in page.text
