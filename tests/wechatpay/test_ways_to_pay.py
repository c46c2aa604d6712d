"""Orders of every trade type: each sends what is its own, H5 gets a page (wechatpay-v2 2.2, 2.4, 3.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.v2_counterpart import NUMBER, Counterpart, OneLine, merchant, new_order, partner

from wechatpay.credentials import Credentials
from wechatpay.errors import InvalidRequest, UnknownOutcome
from wechatpay.gateway import Gateway, H5Scene, H5Type, NewOrder, TradeType
from wechatpay.transport import Transport
from wechatpay.v2.gateway import V2Gateway

SITE = H5Scene(H5Type.WAP, "https://m.example.com", "示例小店")
PAGE = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx2120&package=9"
OWN = {"openid", "sub_openid", "product_id", "scene_info"}


@pytest.mark.parametrize(
    ("trade_type", "credentials", "own"),
    [
        pytest.param(TradeType.JSAPI, partner(), {"sub_openid"}, id="JSAPI under sub_appid"),
        pytest.param(TradeType.JSAPI, partner(sub_appid=None), {"openid"}, id="JSAPI under appid"),
        pytest.param(TradeType.NATIVE, partner(), {"product_id"}, id="NATIVE"),
        pytest.param(TradeType.APP, partner(), set(), id="APP of a sub-merchant"),
        pytest.param(TradeType.APP, merchant(), set(), id="APP of a plain merchant"),
        pytest.param(TradeType.H5, partner(), {"scene_info"}, id="H5"),
    ],
)
async def test_S2_05_each_way_to_pay_sends_its_own_fields_alone(
    gateway: Gateway, wechat: Counterpart, trade_type: TradeType, credentials: Credentials, own: set[str]
) -> None:
    scene = SITE if trade_type is TradeType.H5 else None
    prepay = await gateway.place(credentials, new_order(trade_type=trade_type, scene=scene))
    [sent] = wechat.requests
    assert sent["trade_type"] == trade_type.wire
    assert OWN & sent.keys() == own
    assert (prepay.code_url is not None) is (trade_type is TradeType.NATIVE)
    assert prepay.h5_url == (PAGE if trade_type is TradeType.H5 else None)


@pytest.mark.parametrize(
    ("scene", "text"),
    [
        pytest.param(
            H5Scene(H5Type.WAP, "https://m.example.com", "A&B=店"),
            '{"h5_info":{"type":"Wap","wap_url":"https://m.example.com","wap_name":"A＆B＝店"}}',
            id="C6 d: a site",
        ),
        pytest.param(
            H5Scene(H5Type.IOS, "com.example.shop", "示例"),
            '{"h5_info":{"type":"IOS","bundle_id":"com.example.shop","app_name":"示例"}}',
            id="an iOS app",
        ),
        pytest.param(
            H5Scene(H5Type.ANDROID, "com.example.shop", "示例"),
            '{"h5_info":{"type":"Android","package_name":"com.example.shop","app_name":"示例"}}',
            id="an Android app",
        ),
    ],
)
async def test_trap_21_the_scene_is_signed_exactly_as_it_is_sent(
    gateway: Gateway, wechat: Counterpart, scene: H5Scene, text: str
) -> None:
    order = new_order(trade_type=TradeType.H5, scene=scene)
    await gateway.place(partner(), NewOrder.from_json(json.loads(json.dumps(order.to_json()))))
    assert wechat.requests[0]["scene_info"] == text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"address": "m.example.com"}, "wap_url", id="no address"),
        pytest.param({"address": "javascript:alert(1)"}, "wap_url", id="a script"),
        pytest.param({"address": "https://m.example.com/?a=1&b=2"}, "wap_url", id="with a query"),
        pytest.param({"type": H5Type.IOS}, "wap_url", id="no bundle id"),
        pytest.param({"name": " "}, "wap_name", id="no name"),
        pytest.param({"name": "拿铁😀"}, "wap_name", id="emoji"),
        pytest.param({"name": "店" * 70}, "h5_info", id="more than 256 bytes"),
    ],
)
def test_S2_09_a_scene_that_wechat_would_refuse_is_refused_before_sending(
    changes: dict[str, Any], field: str
) -> None:
    values: dict[str, Any] = {"type": SITE.type, "address": SITE.address, "name": SITE.name}
    with pytest.raises(InvalidRequest) as refusal:
        H5Scene(**{**values, **changes})
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("trade_type", "scene"), [(TradeType.H5, None), (TradeType.JSAPI, SITE), (TradeType.MICROPAY, SITE)]
)
def test_H5_needs_a_scene_and_nothing_else_takes_one(trade_type: TradeType, scene: H5Scene | None) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        new_order(trade_type=trade_type, scene=scene)
    assert refusal.value.field == "h5_info"


def test_an_order_stored_before_there_was_a_scene_still_reads() -> None:
    stored = new_order().to_json()
    del stored["scene"]
    assert NewOrder.from_json(stored) == new_order()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(None, id="none"),
        pytest.param("http://wx.tenpay.com/pay", id="plain http"),
        pytest.param("javascript:alert(1)", id="a script"),
        pytest.param('https://wx.tenpay.com/"><script>', id="markup"),
        pytest.param("https://wx.tenpay.com/a b", id="a blank"),
        pytest.param("https://" + "x" * 600, id="endless"),
    ],
)
async def test_an_H5_page_that_is_no_address_is_not_handed_on(
    gateway: Gateway, wechat: Counterpart, url: str | None
) -> None:
    wechat.overrides = {"mweb_url": url}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.place(partner(), new_order(trade_type=TradeType.H5, scene=SITE))
    assert outcome.value.reason == "answer_without_mweb_url"


async def test_the_simulator_s_page_may_be_plain_http(
    transport: Transport, secure: OneLine, wechat: Counterpart
) -> None:
    wechat.overrides = {"mweb_url": "http://127.0.0.1:8100/_sim/phone/wx2120"}
    gateway = V2Gateway(transport, secure, plain_pages=True)
    prepay = await gateway.place(partner(), new_order(trade_type=TradeType.H5, scene=SITE))
    assert prepay.h5_url == "http://127.0.0.1:8100/_sim/phone/wx2120"


async def test_a_payment_code_order_cannot_be_placed(gateway: Gateway, wechat: Counterpart) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await gateway.place(partner(), new_order(trade_type=TradeType.MICROPAY))
    assert refusal.value.field == "trade_type"
    assert wechat.requests == []
    assert NUMBER.text not in wechat.orders
