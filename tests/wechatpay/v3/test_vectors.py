"""Every vector of the reference, made by three implementations: equal byte for byte (wechatpay-v3 1.12)."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509 import load_pem_x509_certificate
from tests.support.v3_counterpart import (
    API_V3_KEY,
    CERTIFICATE_SERIAL,
    CONSTANTS,
    FOLDER,
    NOW,
    NUMBER,
    OPENID,
    PUBLIC_KEY_ID,
    VECTORS,
    new_order,
    ours,
    own_key,
    partner,
    platform_keys,
    sealed,
    theirs,
)

from wechatpay import pay_params as door
from wechatpay.credentials import ApiV3Key
from wechatpay.identifiers import MchId, PrepayId
from wechatpay.money import Fen
from wechatpay.v3 import aead, auth, document, notify, oaep, orders, pay_params, signing, verification

AT, ONCE = CONSTANTS["timestamp"], CONSTANTS["nonce"]


def message_of(vector: dict[str, Any]) -> bytes:
    return signing.request_message(vector["method"], vector["target"], AT, ONCE, vector["body"].encode())


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_A_B_C_requests_are_signed_byte_for_byte(name: str) -> None:
    vector = VECTORS[name]
    message = message_of(vector)
    assert len(message) == vector.get("length", len(message))
    assert hashlib.sha256(message).hexdigest() == vector["sha256"]
    assert signing.sign(ours(), message) == vector["signature"]
    assert signing.verify(ours().public_key(), message, vector["signature"])


@pytest.mark.parametrize("name", ["A", "B"])
def test_A_B_the_header_of_a_request_holds_that_signature(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = VECTORS[name]
    monkeypatch.setattr(auth, "nonce", lambda: ONCE)
    url = "https://api.mch.weixin.qq.com" + vector["target"]
    request = httpx.Request(vector["method"], url, content=vector["body"].encode())
    signer = auth.MerchantAuth(MchId(CONSTANTS["sp_mchid"]), own_key(), lambda: NOW)
    told = next(signer.sync_auth_flow(request)).headers["authorization"]
    assert told == (
        f'WECHATPAY2-SHA256-RSA2048 mchid="1900000100",nonce_str="{ONCE}",timestamp="{AT}",'
        f'serial_no="{CONSTANTS["serial_no"]}",signature="{vector["signature"]}"'
    )


def test_A_our_prepay_of_that_order_has_the_vector_s_values() -> None:
    body = document.build(orders.order_fields(partner(), new_order()))
    told, wanted = json.loads(body), json.loads(VECTORS["A"]["body"])
    ours_alone = {"attach", "time_expire", "scene_info", "notify_url"}
    assert {name: told[name] for name in told.keys() - ours_alone} == {
        name: wanted[name] for name in wanted.keys() - ours_alone
    }
    assert b", " not in body
    assert "测试商品".encode() in body


def test_B_our_query_has_the_vector_s_target() -> None:
    assert orders.querying(partner(), NUMBER).target == VECTORS["B"]["target"]


@pytest.mark.parametrize("cashier", ["miniprogram", "official_account"])
def test_D_the_cashier_of_a_mini_program_opens_with_the_vector_s_signature(
    cashier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pay_params, "new_nonce", lambda: ONCE)
    told = door.sign(cashier, partner(), PrepayId(VECTORS["D"]["prepay_id"]), NOW)
    assert told.pop("appId", CONSTANTS["sub_appid"]) == CONSTANTS["sub_appid"]
    assert told == {
        "timeStamp": AT,
        "nonceStr": ONCE,
        "package": f"prepay_id={VECTORS['D']['prepay_id']}",
        "signType": "RSA",
        "paySign": VECTORS["D"]["signature"],
    }


def test_E_the_cashier_of_an_app_opens_with_the_vector_s_signature() -> None:
    told = pay_params.for_app(partner(), PrepayId(VECTORS["E"]["prepay_id"]), NOW, ONCE)
    assert told == {
        "appid": CONSTANTS["sub_appid"],
        "partnerid": CONSTANTS["sp_mchid"],
        "prepayid": VECTORS["E"]["prepay_id"],
        "package": "Sign=WXPay",
        "noncestr": ONCE,
        "timestamp": AT,
        "sign": VECTORS["E"]["signature"],
    }


@pytest.mark.parametrize(
    ("name", "line"),
    [("D", f"prepay_id={VECTORS['D']['prepay_id']}"), ("E", VECTORS["E"]["prepay_id"])],
)
def test_D_E_what_the_cashier_is_signed_over(name: str, line: str) -> None:
    message = signing.cashier_message(CONSTANTS["sub_appid"], AT, ONCE, line)
    assert hashlib.sha256(message).hexdigest() == VECTORS[name]["sha256"]


@pytest.mark.parametrize("name", ["F", "G"])
@pytest.mark.parametrize("serial", [PUBLIC_KEY_ID, CERTIFICATE_SERIAL])
def test_F_G_genuine_answers_verify(name: str, serial: str) -> None:
    vector = VECTORS[name]
    headers = {
        "wechatpay-timestamp": vector["timestamp"],
        "wechatpay-nonce": vector["nonce"],
        "wechatpay-serial": serial,
        "wechatpay-signature": vector["signature"],
    }
    key = verification.verify(headers, vector["body"].encode(), platform_keys(), NOW)
    assert key.serial == serial


def test_H_the_notification_verifies_opens_and_is_read() -> None:
    vector = VECTORS["H"]
    body = vector["body"].encode()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (1041, vector["sha256"])
    headers = {
        "wechatpay-timestamp": vector["timestamp"],
        "wechatpay-nonce": vector["nonce"],
        "wechatpay-serial": PUBLIC_KEY_ID,
        "wechatpay-signature": vector["signature"],
        "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
    }
    envelope = notify.read(headers, body, platform_keys(), NOW)
    assert (envelope.id, envelope.event_type) == ("EV-2026112108003000001", "TRANSACTION.SUCCESS")
    assert (envelope.serial, envelope.original_type) == (PUBLIC_KEY_ID, "transaction")
    assert envelope.create_time == datetime(2026, 11, 21, 0, 0, 31, tzinfo=UTC)
    plain = aead.opened(API_V3_KEY, envelope.nonce, envelope.associated_data, envelope.ciphertext)
    assert plain is not None
    assert plain.decode() == vector["plain"]
    payment = notify.open_payment(envelope, [API_V3_KEY])
    assert payment.succeeded
    assert payment.sub_mch_id is not None
    assert (payment.mch_id.text, payment.sub_mch_id.text) == ("1900000100", "1900000109")
    assert payment.total_fee == payment.cash_fee == Fen(100)
    assert payment.openid is not None
    assert payment.openid.text == OPENID
    assert payment.time_end == datetime(2026, 11, 21, 0, 0, 30, tzinfo=UTC)
    assert (payment.key_version, payment.needs_query) == (4, False)


def test_H2_an_empty_associated_data_is_taken_and_another_is_not() -> None:
    vector = VECTORS["H2"]
    nonce, ciphertext = vector["nonce"], vector["ciphertext"]
    plain = aead.opened(API_V3_KEY, nonce, "", ciphertext)
    assert plain is not None
    assert plain.decode() == vector["plain"]
    assert aead.opened(API_V3_KEY, nonce, "transaction", ciphertext) is None
    assert aead.opened(ApiV3Key(5, "0" * 32), nonce, "", ciphertext) is None
    assert aead.opened(API_V3_KEY, "0123456789ac", "", ciphertext) is None


@pytest.mark.parametrize("ciphertext", ["", "=", "é", "QUJD", "+OVRreecqnaDR58mTCwEqumUrTUaZdWeY1lw7+TgkKY"])
def test_H2_what_is_no_ciphertext_opens_for_nobody(ciphertext: str) -> None:
    assert aead.opened(API_V3_KEY, "0123456789ab", "", ciphertext) is None
    assert aead.opened(API_V3_KEY, "1", "", VECTORS["H2"]["ciphertext"]) is None


def test_I_a_personal_field_opens_with_its_key_and_no_other() -> None:
    vector = VECTORS["I"]
    assert oaep.decrypt(theirs(), vector["ciphertext"]) == vector["plain"]
    assert oaep.decrypt(ours(), vector["ciphertext"]) is None
    assert oaep.decrypt(theirs(), "no base64") is None
    assert oaep.decrypt(theirs(), oaep.encrypt(theirs().public_key(), "张三")) == "张三"


def test_I_214_bytes_can_be_encrypted_and_215_not() -> None:
    assert oaep.decrypt(ours(), oaep.encrypt(ours().public_key(), "a" * 214)) == "a" * 214
    with pytest.raises(ValueError, match="214"):
        oaep.encrypt(ours().public_key(), "a" * 215)


def test_J_K_bills_hash_and_open_as_told() -> None:
    bill, sealed_bill = VECTORS["J"], VECTORS["K"]
    text = bill["text"].encode()
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == bill["sha1"]
    opened = AESGCM(sealed_bill["key"].encode()).decrypt(
        sealed_bill["nonce"].encode(), base64.b64decode(sealed_bill["ciphertext"]), b""
    )
    assert opened == text
    # Our own reader takes the longer nonce of these bills as well.
    key = ApiV3Key(1, sealed_bill["key"])
    assert aead.opened(key, sealed_bill["nonce"], "", sealed_bill["ciphertext"]) == text


def test_L_a_platform_certificate_is_sealed_as_told_and_opens() -> None:
    vector = VECTORS["L"]
    pem = (FOLDER / "platform_certificate.pem").read_bytes()
    ciphertext = sealed(pem, nonce=vector["nonce"], associated_data=vector["associated_data"])
    assert len(ciphertext) == vector["length"]
    assert hashlib.sha256(ciphertext.encode()).hexdigest() == vector["sha256"]
    opened = aead.opened(API_V3_KEY, vector["nonce"], vector["associated_data"], ciphertext)
    assert opened == pem
    assert f"{load_pem_x509_certificate(pem).serial_number:X}".isalnum()
