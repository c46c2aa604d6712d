"""The independent package wechatpayv3 asks the same as we do, and each believes what the other signed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.support.independent_v3 import answered, detour
from tests.support.loopback import Loopback
from tests.support.v3_counterpart import (
    API_V3_KEY,
    APPID,
    CONSTANTS,
    FOLDER,
    MCH,
    NOW,
    NUMBER,
    OPENID,
    PREPAY,
    PUBLIC_KEY_ID,
    SUB_APPID,
    SUB_MCH,
    V3Counterpart,
    new_order,
    notification,
    ours,
    own_key,
    partner,
    platform_keys,
    signed_headers,
    theirs,
)
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3 import utils as independent

from wechatpay.gateway import Gateway, H5Scene, H5Type, NewRefund, TradeType
from wechatpay.identifiers import MchId, OutRefundNo, PrepayId
from wechatpay.money import Fen
from wechatpay.v3 import notify, oaep, pay_params, signing, verification
from wechatpay.v3.auth import MerchantAuth

NOTIFY = "https://pay.example.com/notify/wechat/k7/v3/payment"
REFUND = NewRefund(OutRefundNo("R0007-20261121_000001"), NUMBER, None, Fen(30), Fen(100), "不想要了", NOTIFY)
WECHATS_PUBLIC_KEY = (FOLDER / "wechat_public_key.pem").read_text(encoding="utf-8")
MERCHANTS_PRIVATE_KEY = (FOLDER / "merchant_private_key.pem").read_text(encoding="utf-8")
REFUNDED: dict[str, Any] = {
    "refund_id": "50300806962026112100000000001",
    "out_refund_no": REFUND.out_refund_no.text,
    "transaction_id": "4200001234202611210000000001",
    "out_trade_no": NUMBER.text,
    "channel": "ORIGINAL",
    "create_time": "2026-11-21T09:00:00+08:00",
    "status": "PROCESSING",
    "amount": {"total": 100, "refund": 30, "payer_total": 100, "payer_refund": 30, "currency": "CNY"},
}
UNPAID = {
    "sp_appid": APPID,
    "sp_mchid": MCH,
    "sub_mchid": SUB_MCH,
    "out_trade_no": NUMBER.text,
    "trade_state": "NOTPAY",
    "trade_state_desc": "订单未支付",
}
Call = Callable[..., Any]


def package() -> WeChatPay:
    return WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=MCH,
        private_key=MERCHANTS_PRIVATE_KEY,
        cert_serial_no=CONSTANTS["serial_no"],
        appid=APPID,
        apiv3_key=API_V3_KEY.secret,
        partner_mode=True,
        public_key=WECHATS_PUBLIC_KEY,
        public_key_id=PUBLIC_KEY_ID,
        timeout=(5, 5),
    )


@pytest.fixture
def client(host: Loopback) -> Iterator[WeChatPay]:
    with detour(host.url):
        yield package()


def same_questions(wechat: V3Counterpart) -> None:
    """Both signatures were verified when the requests came; here is what they asked for."""
    mine, independents = wechat.requests
    assert (mine.method, mine.target) == (independents.method, independents.target)
    assert (mine.body == b"") == (independents.body == b"")
    if mine.body:
        assert mine.document == independents.document
    for name in ("mchid", "serial_no"):
        assert mine.authorization[name] == independents.authorization[name]
    assert mine.headers["wechatpay-serial"] == independents.headers["wechatpay-serial"] == PUBLIC_KEY_ID


async def in_both_ways(
    wechat: V3Counterpart, ours_asks: Any, theirs_asks: Call, *args: Any, **more: Any
) -> Any:
    """Ask with our gateway, then with the package; return what the package was answered."""
    await ours_asks
    told = await asyncio.to_thread(theirs_asks, *args, **more)
    same_questions(wechat)
    return told


@pytest.mark.parametrize("way", ["JSAPI", "NATIVE", "H5", "APP"])
async def test_both_place_an_order_alike(
    gateway: Gateway, wechat: V3Counterpart, client: WeChatPay, way: str
) -> None:
    product = {
        "NATIVE": {"code_url": "weixin://wxpay/bizpayurl?pr=1"},
        "H5": {"h5_url": "https://h5.example/1"},
    }
    wechat.tells(200, product.get(way, {"prepay_id": PREPAY}))
    scene: dict[str, Any] = {"payer_client_ip": "203.0.113.9"}
    changes: dict[str, Any] = {"trade_type": TradeType[way]}
    if way != "JSAPI":
        changes["openid"] = None
    if way == "H5":
        changes["scene"] = H5Scene(H5Type.WAP, "https://shop.example.com/pay", "小张南山店")
        scene["h5_info"] = {
            "type": "Wap",
            "app_name": "小张南山店",
            "app_url": "https://shop.example.com/pay",
        }
    reply = await in_both_ways(
        wechat,
        gateway.place(partner(), new_order(**changes)),
        client.pay,
        description="测试商品",
        out_trade_no=NUMBER.text,
        amount={"total": 100, "currency": "CNY"},
        payer={"sub_openid": OPENID} if way == "JSAPI" else None,
        time_expire="2026-11-21T08:30:00+08:00",
        attach="ord_01JD",
        scene_info=scene,
        notify_url=NOTIFY,
        sub_appid=SUB_APPID,
        sub_mchid=SUB_MCH,
        pay_type=WeChatPayType[way],
    )
    assert answered(reply) == product.get(way, {"prepay_id": PREPAY})


async def test_both_query_and_close_alike(gateway: Gateway, wechat: V3Counterpart, client: WeChatPay) -> None:
    wechat.tells(200, UNPAID)
    number = {"out_trade_no": NUMBER.text, "sub_mchid": SUB_MCH}
    assert (
        answered(await in_both_ways(wechat, gateway.query(partner(), NUMBER), client.query, **number))
        == UNPAID
    )
    wechat.requests.clear()
    wechat.tells(204, None)
    code, _ = await in_both_ways(wechat, gateway.close(partner(), NUMBER), client.close, **number)
    assert code == 204


async def test_both_refund_and_ask_for_it_alike(
    gateway: Gateway, wechat: V3Counterpart, client: WeChatPay
) -> None:
    wechat.tells(200, REFUNDED)
    reply = await in_both_ways(
        wechat,
        gateway.refund(partner(), None, REFUND),
        client.refund,
        out_refund_no=REFUND.out_refund_no.text,
        out_trade_no=NUMBER.text,
        amount={"refund": 30, "total": 100, "currency": "CNY"},
        reason="不想要了",
        notify_url=NOTIFY,
        sub_mchid=SUB_MCH,
    )
    assert answered(reply) == REFUNDED
    wechat.requests.clear()
    asking = gateway.query_refund(partner(), REFUND.out_refund_no)
    number = REFUND.out_refund_no.text
    reply = await in_both_ways(wechat, asking, client.query_refund, number, sub_mchid=SUB_MCH)
    assert answered(reply) == REFUNDED


def lines_verify(lines: str, nonce: str, body: str, signature: str) -> bool:
    """Have the package verify any message: it signs three lines, of which the first may be several."""
    return bool(independent.rsa_verify(lines, nonce, body, signature, ours().public_key()))


@pytest.mark.parametrize("body", ["", '{"description":"测试商品|*"}'])
def test_it_verifies_the_signature_of_our_requests(body: str) -> None:
    target = "/v3/pay/partner/transactions/out-trade-no/T|*1?sp_mchid=1&sub_mchid=2"
    request = httpx.Request("POST", f"https://api.mch.weixin.qq.com{target}", content=body.encode())
    signed = next(MerchantAuth(MchId(MCH), own_key(), lambda: NOW).auth_flow(request))
    parts = dict(re.findall(r'([a-z_]+)="([^"]+)"', signed.headers["authorization"]))
    as_sent = signed.url.raw_path.decode()
    lines = f"POST\n{as_sent}\n{parts['timestamp']}"
    assert lines_verify(lines, parts["nonce_str"], body, parts["signature"])
    assert not lines_verify(lines, parts["nonce_str"], body + " ", parts["signature"])


def test_we_verify_the_signature_of_its_requests() -> None:
    target, body = "/v3/certificates?algorithm_type=RSA", {"description": "测试商品"}
    key = independent.load_private_key(MERCHANTS_PRIVATE_KEY)
    header = independent.build_authorization(target, "GET", MCH, CONSTANTS["serial_no"], key, data=body)
    parts = dict(re.findall(r'([a-z_]+)="([^"]+)"', header))
    sent = json.dumps(body).encode()
    message = signing.request_message("GET", target, parts["timestamp"], parts["nonce_str"], sent)
    assert signing.verify(ours().public_key(), message, parts["signature"])
    assert not signing.verify(ours().public_key(), message + b" ", parts["signature"])


def test_it_signs_the_cashier_as_we_do() -> None:
    prepay_id = PrepayId(PREPAY)
    page = pay_params.for_official_account(partner(), prepay_id, NOW)
    names = ("appId", "timeStamp", "nonceStr", "package")
    assert page["paySign"] == package().sign([page[name] for name in names])
    app = pay_params.for_app(partner(), prepay_id, NOW)
    names = ("appid", "timestamp", "noncestr", "prepayid")
    assert app["sign"] == package().sign([app[name] for name in names])


def test_both_open_the_same_notification() -> None:
    told = {"out_refund_no": "R1", "message": "退款成功"}
    body = notification(told, event="REFUND.SUCCESS", original="refund", associated_data="refund")
    headers = signed_headers(body)
    opened = package().callback(headers, body)
    envelope = notify.read(headers, body, platform_keys(), NOW)
    assert (opened["id"], opened["event_type"]) == (envelope.id, envelope.event_type)
    assert opened["resource"] == told
    changed = body.replace(b"REFUND.SUCCESS", b"REFUND.FAILURE")
    assert package().callback(headers, changed) is None
    with pytest.raises(verification.Unverified, match="bad_signature"):
        verification.verify(headers, changed, platform_keys(), NOW)


def test_each_opens_what_the_other_encrypted() -> None:
    theirs_public = independent.load_public_key(WECHATS_PUBLIC_KEY)
    assert oaep.decrypt(theirs(), independent.rsa_encrypt("张三", theirs_public)) == "张三"
    assert package().decrypt(oaep.encrypt(ours().public_key(), "张三")) == "张三"
