"""The independent package wechatpy talks to the simulator as it talks to WeChat (acceptance B-9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.simulated import APPID, COFFEE, COFFEE_APP, KEY, MCH_ID, OTHER_KEY, PAYER, PROVIDERS
from wechatpy.exceptions import InvalidSignatureException, WeChatPayException
from wechatpy.pay import WeChatPay

from spsim.serve import Running, running

NOTIFY = "http://127.0.0.1:9/notify"


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    with running() as started, httpx.Client(trust_env=False) as http:
        http.post(f"{started.url}/_sim/providers", json=PROVIDERS).raise_for_status()
        yield started


@pytest.fixture
def client(where: Running) -> Iterator[WeChatPay]:
    pay = WeChatPay(APPID, KEY, MCH_ID, sub_mch_id=COFFEE, sub_appid=COFFEE_APP, timeout=5)
    pay.API_BASE_URL = f"{where.url}/"
    pay._http.trust_env = False
    yield pay
    pay._http.close()


def control(where: Running, path: str, **document: Any) -> Any:
    response = httpx.post(f"{where.url}/_sim/{path}", json=document, trust_env=False)
    assert response.status_code == 200, response.text
    return response.json()


def create(client: WeChatPay, number: str, **more: Any) -> Any:
    return client.order.create(
        "JSAPI",
        "晨曦咖啡-拿铁",
        1280,
        NOTIFY,
        client_ip="203.0.113.9",
        sub_user_id=PAYER,
        out_trade_no=number,
        **more,
    )


def test_wechatpy_orders_pays_queries_and_verifies(where: Running, client: WeChatPay) -> None:
    made = create(client, "WP000001", scene_info={"store_info": {"id": "SZ01", "name": "南山店"}})
    assert client.check_signature(dict(made))
    params = client.jsapi.get_jsapi_params(made["prepay_id"])
    # wechatpy signs for the appid it was made with; the cashier runs in the sub-merchant's mini-program.
    assert params["appId"] == COFFEE_APP
    paid = control(where, "pay", prepay_id=made["prepay_id"], openid=PAYER, pay_params=params)

    found = client.order.query(out_trade_no="WP000001")
    assert client.check_signature(dict(found))
    assert (found["trade_state"], found["total_fee"]) == ("SUCCESS", "1280")
    assert client.order.query(transaction_id=paid["transaction_id"])["out_trade_no"] == "WP000001"

    control(where, "notify/WP000001")
    books = httpx.get(f"{where.url}/_sim/ledger?out_trade_no=WP000001", trust_env=False).json()
    notification = books["notifications"][0]["attempts"][0]["body"]
    assert client.parse_payment_result(notification)["transaction_id"] == paid["transaction_id"]
    with pytest.raises(InvalidSignatureException):
        client.parse_payment_result(notification.replace("1280", "1281"))


def test_wechatpy_closes_and_sees_it_closed(client: WeChatPay) -> None:
    create(client, "WP000002")
    assert client.order.close("WP000002")["result_code"] == "SUCCESS"
    assert client.order.query(out_trade_no="WP000002")["trade_state"] == "CLOSED"


def test_wechatpy_may_sign_with_hmac(client: WeChatPay) -> None:
    made = create(client, "WP000003", sign_type="HMAC-SHA256")
    assert len(made["sign"]) == 64


def test_wechatpy_sees_refusals_as_its_own_errors(where: Running, client: WeChatPay) -> None:
    with pytest.raises(WeChatPayException) as unknown:
        client.order.query(out_trade_no="WP999999")
    assert unknown.value.errcode == "ORDERNOTEXIST"
    stranger = WeChatPay(APPID, OTHER_KEY, MCH_ID, sub_mch_id=COFFEE, timeout=5)
    stranger.API_BASE_URL = client.API_BASE_URL
    stranger._http.trust_env = False
    with pytest.raises(WeChatPayException) as forged:
        stranger.order.query(out_trade_no="WP000001")
    assert (forged.value.return_code, forged.value.return_msg) == ("FAIL", "签名错误")
    stranger._http.close()
