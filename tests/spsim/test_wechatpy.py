"""The independent package wechatpy talks to the simulator as it talks to WeChat (acceptance B-9)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.simulated import APPID, BAKERY, COFFEE, COFFEE_APP, KEY, MCH_ID, OTHER_KEY, PAYER
from tests.support.simulated_money import Certificate
from wechatpy.exceptions import InvalidSignatureException, WeChatPayException
from wechatpy.pay import WeChatPay

from spsim.serve import Running, running

NOTIFY = "http://127.0.0.1:9/notify"


@pytest.fixture(scope="module")
def where(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(shutil.copy(registered, tmp_path_factory.mktemp("wechatpy"))) as started:
        yield started


@pytest.fixture
def secure(where: Running, certificates: dict[str, Certificate], tmp_path: Path) -> Iterator[WeChatPay]:
    """wechatpy at the TLS port, with the provider's client certificate."""
    authority = tmp_path / "ca.pem"
    authority.write_text(where.ca_pem)
    own = certificates[MCH_ID]
    pay = WeChatPay(
        APPID, KEY, MCH_ID, sub_mch_id=COFFEE, mch_cert=own.cert_file, mch_key=own.key_file, timeout=5
    )
    pay.API_BASE_URL = f"{where.tls_url}/"
    pay._http.trust_env = False
    pay._http.verify = str(authority)
    # requests leaves without a TLS goodbye, for which an idle connection's server would wait.
    pay._http.headers["Connection"] = "close"
    yield pay
    pay._http.close()


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


def test_wechatpy_refunds_asks_and_opens_the_notification(
    where: Running, client: WeChatPay, secure: WeChatPay
) -> None:
    create(client, "WP000011")
    control(where, "pay", out_trade_no="WP000011")
    with pytest.raises(WeChatPayException):
        client.refund.apply(1280, 500, "WR000011", out_trade_no="WP000011")
    done = secure.refund.apply(
        1280, 500, "WR000011", out_trade_no="WP000011", refund_desc="不想要了", notify_url=NOTIFY
    )
    assert secure.check_signature(dict(done))
    control(where, "clock", advance_s=1)
    for asked in ({"out_refund_no": "WR000011"}, {"refund_id": done["refund_id"]}):
        found = client.refund.query(**asked)
        assert client.check_signature(dict(found))
        assert (found["refund_fee_0"], found["refund_status_0"]) == ("500", "SUCCESS")
    control(where, "notify/WP000011", out_refund_no="WR000011")
    books = httpx.get(f"{where.url}/_sim/ledger?out_trade_no=WP000011", trust_env=False).json()
    (body,) = {
        sent["body"]
        for entry in books["notifications"]
        if entry["kind"] == "refund"
        for sent in entry["attempts"][-1:]
    }
    opened = client.parse_refund_notify_result(body)
    assert (opened["out_refund_no"], opened["refund_fee"]) == ("WR000011", 500)
    with pytest.raises(WeChatPayException) as mismatch:
        secure.refund.apply(1280, 501, "WR000011", out_trade_no="WP000011")
    assert mismatch.value.errcode == "REFUND_FEE_MISMATCH"


def test_wechatpy_charges_a_payment_code_and_reverses(where: Running, secure: WeChatPay) -> None:
    shown = control(where, "auth_codes", openid="oScanned", appid=APPID)["auth_code"]
    paid = secure.micropay.create("晨曦咖啡-拿铁", 1280, shown, "203.0.113.9", "WP000021")
    assert secure.check_signature(dict(paid))
    assert (paid["trade_type"], paid["openid"]) == ("MICROPAY", "oScanned")
    assert secure.micropay.query(out_trade_no="WP000021")["trade_state"] == "SUCCESS"
    with pytest.raises(WeChatPayException) as early:
        secure.order.reverse(out_trade_no="WP000021")
    assert early.value.errcode == "TRADE_ERROR"
    control(where, "clock", advance_s=15)
    assert secure.order.reverse(out_trade_no="WP000021")["recall"] == "N"
    assert secure.order.query(out_trade_no="WP000021")["trade_state"] == "REVOKED"


def test_wechatpy_asks_whose_payment_code_it_is(where: Running, client: WeChatPay) -> None:
    shown = control(where, "auth_codes", openid="oScanned", appid=APPID)["auth_code"]
    client.sub_mch_id = BAKERY
    assert client.tools.auto_code_to_openid(shown)["openid"] == "oScanned"
