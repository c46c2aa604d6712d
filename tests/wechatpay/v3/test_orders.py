"""Orders by API v3: what leaves for each way to pay, and what a verified answer says (wechatpay-v3 2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.support.v3_counterpart import (
    APPID,
    CERTIFICATE_SERIAL,
    CONSTANTS,
    MCH,
    NOW,
    NUMBER,
    OPENID,
    PAID,
    PREPAY,
    PUBLIC_KEY_ID,
    SUB_APPID,
    SUB_MCH,
    Asked,
    V3Counterpart,
    merchant,
    new_order,
    partner,
)

from wechatpay import pay_params
from wechatpay.credentials import Credentials, InvalidCredentials, MerchantCredentials, PartnerCredentials
from wechatpay.errors import InvalidRequest
from wechatpay.gateway import Gateway, H5Scene, H5Type, TradeState, TradeType
from wechatpay.identifiers import AuthCode, OutTradeNo
from wechatpay.money import Fen
from wechatpay.transport import Transport
from wechatpay.v3 import orders, signing
from wechatpay.v3.gateway import V3Gateway
from wechatpay.v3.platform_keys import PlatformKey

SHOP = H5Scene(H5Type.WAP, "https://shop.example.com", "小张的店")
CODE_URL = "weixin://wxpay/bizpayurl?pr=NwY5Mz9"
H5_URL = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx2016&package=9"
WAYS: dict[TradeType, dict[str, Any]] = {
    TradeType.JSAPI: {},
    TradeType.NATIVE: {"openid": None},
    TradeType.APP: {"openid": None},
    TradeType.H5: {"openid": None, "scene": SHOP},
}
TOLD = {
    TradeType.JSAPI: {"prepay_id": PREPAY},
    TradeType.APP: {"prepay_id": PREPAY},
    TradeType.NATIVE: {"code_url": CODE_URL},
    TradeType.H5: {"h5_url": H5_URL},
}


def empty_parts(value: object) -> Iterator[object]:
    """Yield whatever WeChat would not take."""
    if isinstance(value, dict):
        for inner in value.values():
            if inner in (None, "", {}, []):
                yield inner
            yield from empty_parts(inner)


@pytest.mark.parametrize("trade_type", list(WAYS))
@pytest.mark.parametrize("credentials", [partner(), partner(sub_appid=None), merchant()])
async def test_every_way_to_pay_has_its_own_address_and_answer(
    gateway: Gateway, wechat: V3Counterpart, trade_type: TradeType, credentials: Credentials
) -> None:
    wechat.tells(200, TOLD[trade_type])
    found = await gateway.place(credentials, new_order(trade_type=trade_type, **WAYS[trade_type]))
    way = {"JSAPI": "jsapi", "NATIVE": "native", "APP": "app", "H5": "h5"}[trade_type.value]
    base = (
        "/v3/pay/partner/transactions"
        if isinstance(credentials, PartnerCredentials)
        else "/v3/pay/transactions"
    )
    assert (wechat.last.method, wechat.last.target) == ("POST", f"{base}/{way}")
    assert list(empty_parts(wechat.last.document)) == []
    assert (found.prepay_id is not None) is (trade_type in {TradeType.JSAPI, TradeType.APP})
    assert (found.code_url, found.h5_url) == (
        CODE_URL if trade_type is TradeType.NATIVE else None,
        H5_URL if trade_type is TradeType.H5 else None,
    )
    assert (found.call.operation, found.call.http_status) == ("v3.prepay", 200)
    assert found.call.serial == PUBLIC_KEY_ID


async def test_a_provider_s_order_leaves_as_the_reference_wants_it(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    await gateway.place(partner(), new_order(profit_sharing=True))
    asked = wechat.last
    assert asked.document == {
        "sp_appid": APPID,
        "sp_mchid": MCH,
        "sub_appid": SUB_APPID,
        "sub_mchid": SUB_MCH,
        "description": "测试商品",
        "out_trade_no": NUMBER.text,
        "time_expire": "2026-11-21T08:30:00+08:00",
        "attach": "ord_01JD",
        "notify_url": "https://pay.example.com/notify/wechat/k7/v3/payment",
        "settle_info": {"profit_sharing": True},
        "amount": {"total": 100, "currency": "CNY"},
        "payer": {"sub_openid": OPENID},
        "scene_info": {"payer_client_ip": "203.0.113.9"},
    }
    assert asked.authorization["mchid"] == MCH
    assert asked.authorization["serial_no"] == CONSTANTS["serial_no"]
    assert asked.headers["accept"] == asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"]
    assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("credentials", "payer"),
    [
        (partner(), {"sub_openid": OPENID}),
        (partner(sub_appid=None), {"sp_openid": OPENID}),
        (merchant(), {"openid": OPENID}),
    ],
)
async def test_S2_14_the_openid_belongs_to_the_app_that_opens_the_cashier(
    gateway: Gateway, wechat: V3Counterpart, credentials: Credentials, payer: dict[str, str]
) -> None:
    await gateway.place(credentials, new_order())
    sent = wechat.last.document
    assert sent["payer"] == payer
    if isinstance(credentials, MerchantCredentials):
        assert (sent["appid"], sent["mchid"]) == (APPID, MCH)
        assert not [name for name in sent if name.startswith(("sp_", "sub_"))]
    else:
        assert ("sub_appid" in sent) is (credentials.sub_appid is not None)


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        (SHOP, {"type": "Wap", "app_name": "小张的店", "app_url": "https://shop.example.com"}),
        (
            H5Scene(H5Type.IOS, "com.example.shop", "店 & Co"),
            {"type": "iOS", "app_name": "店 & Co", "bundle_id": "com.example.shop"},
        ),
        (
            H5Scene(H5Type.ANDROID, "com.example.shop", "a=b"),
            {"type": "Android", "app_name": "a=b", "package_name": "com.example.shop"},
        ),
    ],
)
async def test_a_scene_has_v3_s_names_and_its_text_stays_as_it_is(
    gateway: Gateway, wechat: V3Counterpart, scene: H5Scene, told: dict[str, str]
) -> None:
    wechat.tells(200, TOLD[TradeType.H5])
    await gateway.place(partner(), new_order(trade_type=TradeType.H5, openid=None, scene=scene))
    assert wechat.last.document["scene_info"] == {"payer_client_ip": "203.0.113.9", "h5_info": told}


async def test_a_description_is_sent_as_written(gateway: Gateway, wechat: V3Counterpart) -> None:
    await gateway.place(partner(), new_order(description="红&黑=2"))
    assert wechat.last.document["description"] == "红&黑=2"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"trade_type": TradeType.MICROPAY, "openid": None}, "trade_type"),
        ({"notify_url": "https://pay.example.com/" + "a" * 232}, "notify_url"),
        (
            {
                "trade_type": TradeType.H5,
                "openid": None,
                "scene": H5Scene(H5Type.WAP, SHOP.address, "a" * 65),
            },
            "h5_info",
        ),
        (
            {
                "trade_type": TradeType.H5,
                "openid": None,
                "scene": H5Scene(H5Type.WAP, "https://a.example/" + "a" * 120, "店"),
            },
            "h5_info",
        ),
    ],
)
async def test_what_v3_would_refuse_never_leaves(
    gateway: Gateway, wechat: V3Counterpart, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await gateway.place(partner(), new_order(**changes))
    assert refusal.value.field == field
    assert wechat.requests == []


async def test_payment_codes_stay_with_v2(gateway: Gateway, wechat: V3Counterpart) -> None:
    sale = new_order(trade_type=TradeType.MICROPAY, openid=None)
    with pytest.raises(InvalidRequest):
        await gateway.charge(partner(), sale, AuthCode("134567890123456789"))
    with pytest.raises(InvalidRequest):
        await gateway.reverse(partner(), None, NUMBER)  # type: ignore[arg-type]
    assert wechat.requests == []


@pytest.mark.parametrize(
    ("serials", "header"),
    [
        ((CERTIFICATE_SERIAL,), None),
        ((PUBLIC_KEY_ID,), PUBLIC_KEY_ID),
        ((CERTIFICATE_SERIAL, PUBLIC_KEY_ID), PUBLIC_KEY_ID),
    ],
)
async def test_K04_answers_are_asked_for_with_the_public_key_once_there_is_one(
    gateway: Gateway, wechat: V3Counterpart, serials: tuple[str, ...], header: str | None
) -> None:
    found = await gateway.place(partner(*serials), new_order())
    assert wechat.last.headers.get("wechatpay-serial") == header
    assert found.call.serial == (header or CERTIFICATE_SERIAL)


async def test_the_query_goes_by_our_number_and_both_merchants(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    wechat.tells(200, {**PAID, "out_trade_no": "T|*-_2026"})
    await gateway.query(partner(), OutTradeNo("T|*-_2026"))
    assert wechat.last.method == "GET"
    assert wechat.last.target == (
        f"/v3/pay/partner/transactions/out-trade-no/T%7C*-_2026?sp_mchid={MCH}&sub_mchid={SUB_MCH}"
    )
    assert wechat.last.body == b""
    assert "content-type" not in wechat.last.headers


async def test_a_paid_order_is_read_with_all_its_types(gateway: Gateway, wechat: V3Counterpart) -> None:
    wechat.tells(200, PAID)
    state = await gateway.query(partner(), NUMBER)
    assert state.trade_state is TradeState.SUCCESS
    assert state.sub_mch_id is not None
    assert (state.mch_id.text, state.sub_mch_id.text) == (MCH, SUB_MCH)
    assert (state.total_fee, state.cash_fee, state.coupon_fee) == (Fen(100), Fen(90), Fen(10))
    assert (state.fee_type, state.bank_type, state.attach) == ("CNY", "CMB_DEBIT", "ord_01JD")
    assert state.trade_type is TradeType.JSAPI
    assert state.time_end == datetime(2026, 11, 21, 0, 0, 30, tzinfo=UTC)
    assert state.sub_openid is not None
    assert state.sub_openid.text == OPENID
    assert state.call.operation == "v3.query"


async def test_a_plain_merchant_s_order_is_read_with_its_own_names(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    theirs = {name: value for name, value in PAID.items() if not name.startswith(("sp_", "sub_"))}
    wechat.tells(
        200, {**theirs, "appid": APPID, "mchid": MCH, "payer": {"openid": OPENID}, "trade_type": "MWEB"}
    )
    state = await gateway.query(merchant(), NUMBER)
    assert wechat.last.target == f"/v3/pay/transactions/out-trade-no/{NUMBER}?mchid={MCH}"
    assert (state.sub_mch_id, state.sub_appid, state.sub_openid) == (None, None, None)
    assert state.openid is not None
    assert (state.openid.text, state.trade_type) == (OPENID, TradeType.H5)


@pytest.mark.parametrize("told", ["NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR", "ACCEPT"])
async def test_an_order_that_was_not_paid_has_no_payment(
    gateway: Gateway, wechat: V3Counterpart, told: str
) -> None:
    names = ("sp_appid", "sp_mchid", "sub_mchid", "out_trade_no")
    wechat.tells(200, {**{name: PAID[name] for name in names}, "trade_state": told, "amount": {"total": 100}})
    state = await gateway.query(partner(), NUMBER)
    assert state.trade_state.value == told
    assert (state.transaction_id, state.time_end, state.openid, state.trade_state_desc) == (
        None,
        None,
        None,
        "",
    )


async def test_a_sub_appid_may_come_unasked_and_be_left_out(gateway: Gateway, wechat: V3Counterpart) -> None:
    wechat.tells(200, PAID)
    assert (await gateway.query(partner(sub_appid=None), NUMBER)).sub_appid is not None
    wechat.tells(200, {name: value for name, value in PAID.items() if name != "sub_appid"})
    assert (await gateway.query(partner(), NUMBER)).sub_appid is None


@pytest.mark.parametrize("credentials", [partner(), merchant()])
async def test_closing_sends_the_merchants_alone_and_is_done_without_content(
    gateway: Gateway, wechat: V3Counterpart, credentials: Credentials
) -> None:
    wechat.tells(204, None)
    closed = await gateway.close(credentials, NUMBER)
    assert not closed.already
    assert (closed.call.http_status, closed.call.serial) == (204, PUBLIC_KEY_ID)
    assert wechat.last.target.endswith(f"/out-trade-no/{NUMBER}/close")
    provider = {"sp_mchid": MCH, "sub_mchid": SUB_MCH}
    assert wechat.last.document == (
        provider if isinstance(credentials, PartnerCredentials) else {"mchid": MCH}
    )


@pytest.mark.parametrize("code", ["ORDER_CLOSED", "ORDERCLOSED"])
async def test_an_order_that_was_closed_before_is_closed(
    gateway: Gateway, wechat: V3Counterpart, code: str
) -> None:
    wechat.tells(400, {"code": code, "message": "订单已关闭"})
    closed = await gateway.close(partner(), NUMBER)
    assert closed.already
    assert closed.call.err_code == code


async def test_an_order_takes_two_rsa_signatures_and_no_key_is_parsed(
    gateway: Gateway, wechat: V3Counterpart, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[bytes] = []
    sign = signing.sign

    def counted(key: Any, message: bytes) -> str:
        signed.append(message)
        return sign(key, message)

    monkeypatch.setattr(signing, "sign", counted)
    credentials = partner()
    for place, name in (
        (serialization, "load_pem_private_key"),
        (serialization, "load_pem_public_key"),
        (serialization, "load_der_private_key"),
        (serialization, "load_der_public_key"),
        (x509, "load_pem_x509_certificate"),
    ):
        monkeypatch.setattr(place, name, _no_key_is_parsed)
    found = await gateway.place(credentials, new_order())
    assert found.prepay_id is not None
    params = pay_params.sign("miniprogram", credentials, found.prepay_id, NOW)
    assert len(signed) == 2
    assert signed[1].decode().splitlines() == [
        SUB_APPID,
        params["timeStamp"],
        params["nonceStr"],
        params["package"],
    ]


def _no_key_is_parsed(*_args: object, **_options: object) -> None:
    raise AssertionError("a key was parsed")


async def test_who_counts_keys_hears_of_every_genuine_answer(
    transport: Transport, wechat: V3Counterpart
) -> None:
    heard: list[tuple[str, str]] = []

    def note(own: Any, theirs: PlatformKey) -> None:
        heard.append((own.serial, theirs.serial))

    gateway = V3Gateway(transport, now=lambda: NOW, noted=note)
    await gateway.place(partner(), new_order())
    assert heard == [(CONSTANTS["serial_no"], PUBLIC_KEY_ID)]


async def test_an_h5_page_of_plain_http_is_the_simulator_s_alone(
    transport: Transport, gateway: Gateway, wechat: V3Counterpart
) -> None:
    wechat.tells(200, {"h5_url": "http://127.0.0.1:8100/_sim/h5?x=1"})
    order = new_order(trade_type=TradeType.H5, openid=None, scene=SHOP)
    with pytest.raises(Exception, match="answer_without_h5_url"):
        await gateway.place(partner(), order)
    lenient = V3Gateway(transport, now=lambda: NOW, plain_pages=True)
    assert (await lenient.place(partner(), order)).h5_url == "http://127.0.0.1:8100/_sim/h5?x=1"


def test_the_body_of_an_order_never_changes() -> None:
    assert orders.order_fields(partner(), new_order()) == orders.order_fields(partner(), new_order())


async def test_a_call_of_v3_is_not_signed_with_a_key_of_v2(gateway: Gateway, wechat: V3Counterpart) -> None:
    from tests.support.v2_counterpart import partner as by_v2

    with pytest.raises(InvalidCredentials):
        await gateway.query(by_v2(), NUMBER)
    assert wechat.requests == []


async def test_two_calls_never_share_a_nonce(gateway: Gateway, wechat: V3Counterpart) -> None:
    wechat.answer = _paid
    for _ in range(5):
        await gateway.query(partner(), NUMBER)
    nonces = {asked.authorization["nonce_str"] for asked in wechat.requests}
    assert len(nonces) == 5
    assert all(len(nonce) == 32 and nonce.isalnum() for nonce in nonces)


def _paid(_asked: Asked) -> tuple[int, object]:
    return 200, PAID
