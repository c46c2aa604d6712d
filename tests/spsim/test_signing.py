"""The simulator's own signature against the reference's vectors (wechatpay-v2 1.4)."""

from __future__ import annotations

import pytest

from spsim.signing import nonce, sign, verifies

KEY = "0123456789abcdefghijABCDEFGHIJ45"

T1 = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "device_info": "1000",
    "body": "test",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
T2 = {
    "appId": "wxd678efh567hg6787",
    "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "package": "prepay_id=wx2017033010242291fcfe0db70013231072",
    "signType": "MD5",
    "timeStamp": "1490840662",
}
T3 = {
    "appid": "wx1111aaaa2222bbbb",
    "mch_id": "1900000109",
    "sub_appid": "wx3333cccc4444dddd",
    "sub_mch_id": "1900000200",
    "nonce_str": "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6",
    "sign_type": "HMAC-SHA256",
    "body": "小张南山店-超市",
    "attach": "t=7&p=01",
    "out_trade_no": "T0007-20261121_000001",
    "total_fee": "1",
    "spbill_create_ip": "203.0.113.9",
    "time_start": "20261121205000",
    "time_expire": "20261121212000",
    "notify_url": "https://pay.example.com/n/7/pay",
    "trade_type": "JSAPI",
    "sub_openid": "oSubUser_0000000000000000001",
    "profit_sharing": "Y",
    "detail": "",
    "scene_info": '{"store_info":{"id":"SZ01","name":"南山店"}}',
}
T6 = {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "appid": "wx1111aaaa2222bbbb",
    "mch_id": "1900000109",
    "sub_appid": "wx3333cccc4444dddd",
    "sub_mch_id": "1900000200",
    "nonce_str": "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp",
    "result_code": "SUCCESS",
    "openid": "oSpUser_00000000000000000001",
    "is_subscribe": "N",
    "sub_openid": "oSubUser_0000000000000000001",
    "sub_is_subscribe": "N",
    "trade_type": "JSAPI",
    "bank_type": "OTHERS",
    "total_fee": "1",
    "fee_type": "CNY",
    "cash_fee": "1",
    "transaction_id": "4200001234202611210123456789",
    "out_trade_no": "T0007-20261121_000001",
    "attach": "t=7&p=01",
    "time_end": "20261121205107",
}
T8 = {
    "return_code": "SUCCESS",
    "coupon_fee": "0",
    "coupon_count": "0",
    "coupon_fee_0": "5",
    "coupon_fee_10": "1",
    "coupon_fee_2": "2",
    "coupon_fee_1": "3",
    "nonce_str": "n",
    "result_code": "SUCCESS",
    "total_fee": "100",
    "attach": " lead ",
    "Zeta": "z",
    "empty": "",
}
VECTORS = [
    pytest.param(
        T1,
        "192006250b4c09247ec02edce69f6a2d",
        "9A0A8659F005D6984697E2CA0A9CF3B7",
        "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6",
        id="T1",
    ),
    pytest.param(
        T2,
        "qazwsxedcrfvtgbyhnujmikolp111111",
        "22D9B4E54AB1950F51E0649E8810ACD6",
        "4F372B91BD14DBB701CF0ADCE38FBA81D5C3830A7F6EB35799A1C61AC88652F2",
        id="T2",
    ),
    pytest.param(
        T3,
        KEY,
        "CCDDF833F106935E1B58B6F85018F328",
        "3F4A07BFB8F160084462D81CC1FC4CD20C264E55156407228E4177DF08040478",
        id="T3",
    ),
    pytest.param(
        T6,
        KEY,
        "B1CB06B675FA6DC16C1E4DDB18ED2486",
        "DFD4C521E8018302A8A1A91D1B08B94DA53EEE3DAB9F2A61A1F0EB81BD464716",
        id="T6",
    ),
    pytest.param(
        T8,
        KEY,
        "6AFA38F9C071DBCEF987B0AC4D0EFEAF",
        "04079705FE50AFCAE39D2E95740DBF34C2F07A114091879201000D48936F84DA",
        id="T8",
    ),
]


@pytest.mark.parametrize(("params", "key", "md5", "hmac_sha256"), VECTORS)
def test_reference_vectors_are_reproduced(
    params: dict[str, str], key: str, md5: str, hmac_sha256: str
) -> None:
    assert sign(params, key, "MD5") == md5
    assert sign(params, key, "HMAC-SHA256") == hmac_sha256
    assert verifies(params | {"sign": md5}, md5, key, "MD5")


def test_changed_amount_does_not_verify_with_the_old_signature() -> None:
    tampered = T6 | {"total_fee": "2"}
    assert not verifies(tampered, "B1CB06B675FA6DC16C1E4DDB18ED2486", KEY, "MD5")
    assert sign(tampered, KEY, "MD5") == "3BDFA5E9BA857F251A7BCBCA60AFFBBB"


@pytest.mark.parametrize(
    "given", ["", "签名", "b1cb06b675fa6dc16c1e4ddb18ed2486", "B1CB06B675FA6DC16C1E4DDB18ED2486 "]
)
def test_anything_but_the_exact_upper_case_digest_is_refused(given: str) -> None:
    assert not verifies(T6, given, KEY, "MD5")


def test_an_unknown_sign_type_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="SHA1"):
        sign(T1, KEY, "SHA1")


def test_nonces_are_32_characters_and_differ() -> None:
    drawn = {nonce() for _ in range(50)}
    assert len(drawn) == 50
    assert all(len(value) == 32 and value.isalnum() for value in drawn)
