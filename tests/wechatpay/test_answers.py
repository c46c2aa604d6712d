"""Answers that must not be believed, and refusals (G01-G05, G08, G13, P4, P5, S2-12, 5.6)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.loopback import http
from tests.support.v2_counterpart import (
    NUMBER,
    OPENID,
    Counterpart,
    OneLine,
    merchant,
    new_order,
    partner,
    signed_xml,
    xml,
)

from wechatpay.credentials import SignType
from wechatpay.errors import (
    BadAnswerSignature,
    EchoMismatch,
    NotSent,
    Refused,
    UnknownOutcome,
    WechatPayError,
)
from wechatpay.gateway import Gateway, TradeType
from wechatpay.transport import Transport
from wechatpay.v2.gateway import V2Gateway

HMAC = SignType.HMAC_SHA256


async def placing_fails(gateway: Gateway, expected: type[WechatPayError] = UnknownOutcome) -> Any:
    with pytest.raises(expected) as failure:
        await gateway.place(partner(), new_order())
    assert failure.value.call is not None
    assert failure.value.call.operation == "unifiedorder"
    return failure.value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(http(b"<html>busy</html>"), "malformed", id="HTML"),
        pytest.param(http(b""), "malformed", id="empty"),
        pytest.param(http(b"x" * 70_000), "malformed", id="larger than any answer"),
        pytest.param(http(b"y" * 2_000_000), "oversized", id="2 MB"),
        pytest.param(http(b"", status="302 Found", headers=("Location: /x",)), "http_302", id="redirect"),
        pytest.param(http(b"", status="500 Oops"), "http_500", id="500"),
        pytest.param(http(b"", status="400 Bad"), "http_400", id="400"),
        pytest.param(http(xml({"return_code": "MAYBE"})), "malformed", id="unheard-of return_code"),
        pytest.param(http(b"<xml><return_msg>OK</return_msg></xml>"), "malformed", id="no return_code"),
        pytest.param(
            http(b"<!DOCTYPE xml><xml><return_code>SUCCESS</return_code></xml>"),
            "malformed",
            id="document type",
        ),
    ],
)
async def test_G08_whatever_is_not_an_answer_is_unknown(
    gateway: Gateway, wechat: Counterpart, raw: bytes, reason: str
) -> None:
    wechat.raw = raw
    assert (await placing_fails(gateway)).reason == reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appid", "wx9999999999999999"),
        ("mch_id", "1900000110"),
        ("sub_mch_id", "1900000201"),
        ("sub_appid", "wx9999999999999999"),
        ("trade_type", "NATIVE"),
        ("appid", None),
        ("mch_id", None),
        ("sub_mch_id", None),
        ("trade_type", None),
    ],
)
async def test_G05_G13_an_answer_for_somebody_else_is_unknown(
    gateway: Gateway, wechat: Counterpart, name: str, value: str | None
) -> None:
    wechat.overrides = {name: value}
    assert (await placing_fails(gateway, EchoMismatch)).field == name


@pytest.mark.parametrize("number", ["T0007-20261121_000002", None])
async def test_G13_an_answer_about_another_order_is_unknown(
    gateway: Gateway, wechat: Counterpart, number: str | None
) -> None:
    await gateway.place(partner(), new_order())
    wechat.overrides = {"out_trade_no": number}
    with pytest.raises(EchoMismatch):
        await gateway.query(partner(), NUMBER)


async def test_a_sub_appid_that_was_not_asked_for_is_no_mismatch(
    gateway: Gateway, wechat: Counterpart
) -> None:
    wechat.overrides = {"sub_appid": "wx3333cccc4444dddd"}
    assert await gateway.place(partner(sub_appid=None), new_order())


async def test_sub_fields_in_a_plain_merchants_answer_are_a_mismatch(
    gateway: Gateway, wechat: Counterpart
) -> None:
    wechat.overrides = {"sub_appid": "wx3333cccc4444dddd"}
    with pytest.raises(EchoMismatch):
        await gateway.place(merchant(), new_order())


def success(**changes: str) -> dict[str, str]:
    return {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        **partner().identity(),
        "nonce_str": "n",
        "trade_type": "JSAPI",
        "prepay_id": "wx2120",
        **changes,
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(xml(success()), id="no signature"),
        pytest.param(xml(success(sign="A" * 64)), id="wrong signature"),
        pytest.param(signed_xml(success(), HMAC, "1" * 32), id="signed with another key"),
        pytest.param(signed_xml(success(), SignType.MD5), id="the weaker algorithm"),
        pytest.param(signed_xml(success(sign_type="MD5"), HMAC), id="names another algorithm"),
        pytest.param(xml(success(result_code="FAIL", err_code="PARAM_ERROR")), id="unsigned refusal"),
    ],
)
async def test_G05_5_6_an_answer_that_is_not_signed_with_our_key_is_unknown(
    gateway: Gateway, wechat: Counterpart, body: bytes
) -> None:
    wechat.raw = http(body)
    assert (await placing_fails(gateway, BadAnswerSignature)).reason == "bad_signature"


@pytest.mark.parametrize("prepay_id", [None, "", "a=b&c=d", "x" * 65])
async def test_P4_success_without_a_usable_prepay_id_is_unknown(
    gateway: Gateway, wechat: Counterpart, prepay_id: str | None
) -> None:
    wechat.overrides = {"prepay_id": prepay_id}
    assert (await placing_fails(gateway)).reason == "answer_without_prepay_id"


async def test_native_without_a_code_url_is_unknown(gateway: Gateway, wechat: Counterpart) -> None:
    wechat.overrides = {"code_url": None}
    with pytest.raises(UnknownOutcome):
        await gateway.place(partner(), new_order(trade_type=TradeType.NATIVE))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trade_state", "PAID"),
        ("trade_state", None),
        ("transaction_id", None),
        ("transaction_id", "42 00"),
        ("total_fee", None),
        ("total_fee", "1.00"),
        ("total_fee", "１"),
        ("total_fee", "-1"),
        ("time_end", None),
        ("time_end", "2026-11-21 20:51"),
        ("time_end", "20261321205107"),
        ("time_end", "2026112120517"),
        ("trade_type", "BARTER"),
        ("fee_type", "C N Y"),
        ("sub_openid", "o penid"),
    ],
)
async def test_a_paid_state_with_a_missing_or_malformed_field_is_unknown(
    gateway: Gateway, wechat: Counterpart, name: str, value: str | None
) -> None:
    await gateway.place(partner(), new_order())
    wechat.pay(NUMBER.text)
    wechat.overrides = {name: value}
    with pytest.raises(UnknownOutcome) as unknown:
        await gateway.query(partner(), NUMBER)
    assert unknown.value.reason == f"answer_without_{name}"
    assert unknown.value.call is not None


# Refusals


def refusal_override(code: str, text: str = "") -> dict[str, str | None]:
    return {
        "result_code": "FAIL",
        "err_code": code,
        "err_code_des": text,
        "prepay_id": None,
        "sub_mch_id": None,
    }


@pytest.mark.parametrize(
    ("code", "definitive"),
    [
        ("PARAM_ERROR", True),
        ("APPID_MCHID_NOT_MATCH", True),
        ("NOAUTH", True),
        ("ORDERCLOSED", False),
        ("FREQUENCY_LIMITED", False),
        ("A_CODE_OF_NEXT_YEAR", False),
    ],
)
async def test_P5_only_listed_codes_are_definitive(
    gateway: Gateway, wechat: Counterpart, code: str, definitive: bool
) -> None:
    wechat.overrides = refusal_override(code, "说明")
    refusal = await placing_fails(gateway, Refused)
    assert (refusal.code, refusal.message, refusal.level) == (code, "说明", "result")
    assert refusal.definitive is definitive
    assert refusal.call.err_code == code


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SYSTEMERROR", "系统超时"),
        ("OUT_TRADE_NO_USED", "商户订单号重复"),
        ("INVALID_REQUEST", "201 商户订单号重复"),
    ],
)
async def test_G03_codes_that_leave_it_open_are_unknown(
    gateway: Gateway, wechat: Counterpart, code: str, text: str
) -> None:
    wechat.overrides = refusal_override(code, text)
    assert (await placing_fails(gateway)).reason == code


async def test_a_refusal_without_code_is_unknown(gateway: Gateway, wechat: Counterpart) -> None:
    wechat.overrides = refusal_override("")
    assert (await placing_fails(gateway)).reason == "malformed"


async def test_S2_12_P5_a_failure_at_return_level_is_unsigned_and_never_definitive(
    gateway: Gateway, wechat: Counterpart
) -> None:
    wechat.raw = http(xml({"return_code": "FAIL", "return_msg": "sub_mch_id与sub_appid不匹配"}))
    refusal = await placing_fails(gateway, Refused)
    assert (refusal.code, refusal.level, refusal.definitive) == ("FAIL", "return", False)
    assert refusal.message == "sub_mch_id与sub_appid不匹配"


async def test_another_key_at_the_gateway_is_refused_there(gateway: Gateway, wechat: Counterpart) -> None:
    wechat.sign_type = SignType.MD5
    assert (await placing_fails(gateway, Refused)).message == "签名错误"


async def test_C6_a_what_wechat_quotes_back_is_masked(gateway: Gateway, wechat: Counterpart) -> None:
    quoted = f"无效的openid {OPENID} 签名 {'A1' * 32} 订单 4200001234202611210123456789"
    wechat.raw = http(xml({"return_code": "FAIL", "return_msg": quoted}))
    refusal = await placing_fails(gateway, Refused)
    for text in (refusal.message, refusal.call.err_message, repr(refusal)):
        assert OPENID not in text
        assert "A1A1A1" not in text
    assert refusal.message == "无效的openid *** 签名 *** 订单 4200001234202611210123456789"


async def test_G01_not_sent_carries_its_call() -> None:
    transport = Transport("http://nobody.invalid", connect_timeout=0.5)
    failure = await placing_fails(V2Gateway(transport, OneLine(transport)), NotSent)
    assert failure.call.http_status is None
    await transport.aclose()
