"""The second signature: what the phone gets, and the mistakes of the articles (S1-25, S2-14, 5.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.v2_counterpart import SECRET, all_credentials, merchant, partner, signature

from wechatpay.credentials import Credentials, SignType, V2Key
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import AppId, PrepayId
from wechatpay.v2 import pay_params

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "wechatpay_v2.json").read_text(encoding="utf-8")
)["positive"]
NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
PREPAY = PrepayId("wx21205000123456789abcdef01234567890")


def test_S1_25_the_article_s_example_comes_out_whole() -> None:
    vector = next(vector for vector in VECTORS if vector["id"] == "T2")
    credentials = replace(
        merchant(SignType.MD5), appid=AppId(vector["params"]["appId"]), key=V2Key(1, vector["key"])
    )
    params = pay_params.for_mini_program(
        credentials,
        PrepayId("wx2017033010242291fcfe0db70013231072"),
        datetime.fromtimestamp(1490840662, UTC),
        nonce=vector["params"]["nonceStr"],
    )
    assert params == {
        "timeStamp": "1490840662",
        "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
        "package": "prepay_id=wx2017033010242291fcfe0db70013231072",
        "signType": "MD5",
        "paySign": "22D9B4E54AB1950F51E0649E8810ACD6",
    }


def test_T4_with_a_sub_appid_the_running_mini_program_is_signed() -> None:
    vector = next(vector for vector in VECTORS if vector["id"] == "T4")
    params = pay_params.for_official_account(partner(), PREPAY, NOW, nonce=vector["params"]["nonceStr"])
    assert params == {**vector["params"], "paySign": vector["hmac_sha256"]}


@pytest.mark.parametrize("credentials", all_credentials(), ids=repr)
def test_S2_14_wechatpy_agrees_with_every_mode(credentials: Credentials) -> None:
    mini = pay_params.for_mini_program(credentials, PREPAY, NOW)
    assert set(mini) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert all(isinstance(value, str) for value in mini.values())
    assert mini["timeStamp"] == "1795265400"
    unsigned = {name: value for name, value in mini.items() if name != "paySign"}
    assert mini["paySign"] == signature(
        {**unsigned, "appId": credentials.cashier_appid.text}, credentials.sign_type
    )


def test_an_official_account_page_gets_the_appid_too() -> None:
    params = pay_params.for_official_account(partner(sub_appid=None), PREPAY, NOW)
    assert params["appId"] == "wx1111aaaa2222bbbb"
    assert set(params) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}


@pytest.mark.parametrize("sign_type", SignType)
def test_T5_the_app_cashier_names_the_sub_merchant_as_partner(sign_type: SignType) -> None:
    vector = next(vector for vector in VECTORS if vector["id"] == "T5")
    expected = vector["md5" if sign_type is SignType.MD5 else "hmac_sha256"]
    params = pay_params.for_app(
        partner(sign_type, sub_appid="wx5555eeee6666ffff"), PREPAY, NOW, nonce=vector["params"]["noncestr"]
    )
    assert params == {**vector["params"], "sign": expected}


@pytest.mark.parametrize("credentials", all_credentials(), ids=repr)
def test_trap_41_wechatpy_agrees_with_the_app_cashier_of_every_mode(credentials: Credentials) -> None:
    params = pay_params.for_app(credentials, PREPAY, NOW)
    names = ["appid", "partnerid", "prepayid", "package", "noncestr", "timestamp", "sign"]
    assert list(params) == names
    assert params["partnerid"] == credentials.identity().get("sub_mch_id", "1900000109")
    assert params["appid"] == credentials.identity().get("sub_appid", "wx1111aaaa2222bbbb")
    unsigned = {name: value for name, value in params.items() if name != "sign"}
    assert params["sign"] == signature(unsigned, credentials.sign_type)
    assert SECRET not in str(params)


def test_every_signature_has_a_new_nonce() -> None:
    nonces = {pay_params.for_mini_program(partner(), PREPAY, NOW)["nonceStr"] for _ in range(50)}
    assert len(nonces) == 50


@pytest.mark.parametrize("nonce", ["", "a" * 33, "a&package=prepay_id=other", "a=b", "é"])
def test_C6_b_a_nonce_cannot_carry_other_fields(nonce: str) -> None:
    with pytest.raises(InvalidRequest):
        pay_params.for_mini_program(partner(), PREPAY, NOW, nonce=nonce)
    with pytest.raises(InvalidRequest):
        pay_params.for_app(partner(), PREPAY, NOW, nonce=nonce)


def test_the_key_is_in_no_parameter() -> None:
    assert SECRET not in str(pay_params.for_official_account(partner(), PREPAY, NOW))
