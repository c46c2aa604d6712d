"""What an order's page shows of the way it is paid, of its attempts and of what was put right by itself."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.support.fake_wechat import PAYER
from tests.support.money_desk import MoneyDesk

from sptenants.orders.commands import NextAttempt
from sptenants.orders.heals import Wrong, record_heal
from wechatpay.gateway import H5Scene, H5Type, TradeType
from wechatpay.money import Fen

_LISTED = re.compile(r'hx-get="[^"]+/(ord_\w+)"')
SCENE = {"payer_ip": "203.0.113.77", "scene": H5Scene(H5Type.WAP, "https://pay.example.com", "晨曦咖啡")}


async def shown(money: MoneyDesk, order_id: str) -> str:
    return (await money.visitor.get(f"/console/orders/{order_id}")).text


async def test_a_payable_native_order_shows_its_code_until_it_dies(money: MoneyDesk) -> None:
    order = await money.till.placed(
        "N1", trade_type=TradeType.NATIVE, sub_appid=None, openid=None, expires_in_s=3 * 3600
    )
    await money.sign_in()

    page = await shown(money, order.id)
    money.clock.advance(hours=2)
    later = await shown(money, order.id)

    assert "扫码支付" in page
    assert 'class="c-qr"' in page
    assert 'aria-label="付款二维码"' in page
    assert "2026-11-21 22:50:00</time> 前有效" in page
    assert "c-qr" not in later


async def test_a_payable_h5_order_shows_its_link_for_five_minutes(money: MoneyDesk) -> None:
    order = await money.till.placed("H1", trade_type=TradeType.H5, sub_appid=None, openid=None, **SCENE)
    await money.sign_in()

    page = await shown(money, order.id)
    money.clock.advance(minutes=5)

    assert "https://wx.tenpay.com/checkmweb?prepay_id=" in page
    assert "H5 支付链接，只能在手机浏览器中打开" in page
    assert "checkmweb" not in await shown(money, order.id)


async def test_a_paid_order_shows_no_code_any_more(money: MoneyDesk) -> None:
    order = await money.till.placed("N1", trade_type=TradeType.NATIVE, sub_appid=None, openid=None)
    await money.till.tell(await money.till.paid_body(order))
    await money.sign_in()

    assert "c-qr" not in await shown(money, order.id)


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        pytest.param("NATIVE", "N1", id="native"),
        pytest.param("JSAPI", "T1", id="jsapi"),
        pytest.param("MICROPAY", None, id="none of them"),
    ],
)
async def test_the_list_is_filtered_by_the_way_to_pay(
    money: MoneyDesk, way: str, expected: str | None
) -> None:
    orders = {
        "T1": await money.till.placed("T1", trade_type=TradeType.JSAPI),
        "N1": await money.till.placed("N1", trade_type=TradeType.NATIVE, sub_appid=None, openid=None),
    }
    await money.sign_in()

    page = await money.visitor.get(f"/console/orders?way={way}")

    assert _LISTED.findall(page.text) == ([orders[expected].id] if expected else [])


async def test_several_attempts_are_listed_and_a_single_one_is_not(money: MoneyDesk) -> None:
    first = await money.till.placed("T1")
    await money.sign_in()
    assert "下单尝试" not in await shown(money, first.id)

    money.clock.advance(minutes=6)
    cheaper = NextAttempt(amount=Fen(9900))
    await money.till.orders.replace_attempt(money.till.caller, first.id, cheaper, peer="203.0.113.9")
    order = await money.till.order(first.id)

    page = await shown(money, first.id)
    assert "下单尝试" in page
    assert "¥99.00" in page
    for number in (first.out_trade_no, order.out_trade_no):
        assert number is not None
        assert number in page


async def test_what_was_put_right_by_itself_is_said_with_how_long_it_took(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    now = money.clock.now()
    async with money.till.database.write(money.desk.scope) as session:
        await record_heal(
            session,
            money.desk.scope,
            order_id=order.id,
            wrong=Wrong.LOST_NOTIFICATION,
            before="pending",
            after="paid",
            since=now - timedelta(seconds=72),
            now=now,
            queries=3,
        )
    await money.sign_in()

    page = await shown(money, order.id)

    assert "通知未到，由查单确认，用时 1 分 12 秒，查询 3 次。" in page
    assert PAYER not in page
