"""The independent npm package wechatpay-axios-plugin believes what we signed, and we what it signed."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.node_v3 import axios_plugin
from tests.support.v3_counterpart import API_V3_KEY, FOLDER, MCH, NOW, PREPAY, ours, own_key, partner, sealed

from wechatpay.identifiers import MchId, PrepayId
from wechatpay.v3 import aead, oaep, pay_params, signing
from wechatpay.v3.auth import MerchantAuth

TARGET = "/v3/pay/partner/transactions/jsapi"
BODY = '{"description":"测试商品"}'
TEXT = "张三|*"
NONCE, DATA = "61f9c719728a", "transaction"
TO_SIGN = ["1795219201", "c5ac7061fccab6bf3e254dcf98995b8c", BODY], ["GET", f"{TARGET}?a=1", "1", "n", ""]


def signed_request() -> dict[str, Any]:
    """A request of ours, as the lines that it must be signed over."""
    request = httpx.Request("POST", f"https://api.mch.weixin.qq.com{TARGET}", content=BODY.encode())
    signed = next(MerchantAuth(MchId(MCH), own_key(), lambda: NOW).auth_flow(request))
    parts = dict(re.findall(r'([a-z_]+)="([^"]+)"', signed.headers["authorization"]))
    lines = ["POST", TARGET, parts["timestamp"], parts["nonce_str"], BODY]
    return {"lines": lines, "signature": parts["signature"]}


def signed_cashier() -> dict[str, Any]:
    page = pay_params.for_official_account(partner(), PrepayId(PREPAY), NOW)
    return {
        "lines": [page[name] for name in ("appId", "timeStamp", "nonceStr", "package")],
        "signature": page["paySign"],
    }


def signed_app() -> dict[str, Any]:
    app = pay_params.for_app(partner(), PrepayId(PREPAY), NOW)
    return {
        "lines": [app[name] for name in ("appid", "timestamp", "noncestr", "prepayid")],
        "signature": app["sign"],
    }


@pytest.fixture(scope="module")
def judged() -> Any:
    """What the package makes of it all, in one run."""
    public_key = ours().public_key()
    request = signed_request()
    return axios_plugin(
        "checks",
        publicKey=public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        privateKey=(FOLDER / "merchant_private_key.pem").read_text(encoding="utf-8"),
        apiV3Key=API_V3_KEY.secret,
        signed=[request, signed_cashier(), signed_app(), request | {"lines": [*request["lines"][:4], "{}"]}],
        toSign=TO_SIGN,
        text=TEXT,
        sealed={
            "ciphertext": sealed(TEXT.encode(), nonce=NONCE, associated_data=DATA),
            "nonce": NONCE,
            "associatedData": DATA,
        },
        sealedField=oaep.encrypt(public_key, TEXT),
    )


def test_it_verifies_our_requests_and_both_cashiers_and_not_another_body(judged: Any) -> None:
    assert judged["verified"] == [True, True, True, False]


def test_it_signs_as_we_do(judged: Any) -> None:
    """The scheme has no randomness: the same key and lines give the same signature."""
    answer, request = TO_SIGN
    messages = [
        signing.signed_message(answer[0], answer[1], answer[2].encode()),
        signing.request_message(request[0], request[1], request[2], request[3], request[4].encode()),
    ]
    assert judged["signed"] == [signing.sign(ours(), message) for message in messages]
    assert all(
        signing.verify(ours().public_key(), message, signature)
        for message, signature in zip(messages, judged["signed"], strict=True)
    )


def test_each_opens_what_the_other_encrypted(judged: Any) -> None:
    assert judged["opened"] == judged["unsealedField"] == TEXT
    assert aead.opened(API_V3_KEY, NONCE, DATA, judged["sealed"]) == TEXT.encode()
    assert oaep.decrypt(ours(), judged["sealedField"]) == TEXT
