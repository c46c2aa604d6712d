"""Checks 1 to 8 of every call and the order they come in (wechatpay-v2 11.1; acceptance B-9).

Every refusal here is unsigned, at the level of `return_code`, and leaves nothing behind.
"""

from __future__ import annotations

import pytest
from tests.support.simulated import (
    APPID,
    BAKERY,
    BAKERY_APP,
    COFFEE_APP,
    KEY,
    MERCHANT_APP,
    OTHER_KEY,
    PROVIDERS,
    Desk,
    asking,
    merchant_order,
    order,
    read,
    signature,
    xml,
)

UNKNOWN_APP = "wx0000000000000000"


async def refusal(desk: Desk, body: bytes, path: str = "/pay/unifiedorder") -> str:
    answer = await desk.raw(path, body)
    assert answer.keys() == {"return_code", "return_msg"}, answer
    assert answer["return_code"] == "FAIL"
    assert (await desk.ledger())["orders"] == []
    return answer["return_msg"]


def signed(params: dict[str, str], key: str = KEY) -> bytes:
    return xml(params | {"sign": signature(params, key, params.get("sign_type", "MD5"))})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_than_post_are_refused(refusing: Desk, method: str) -> None:
    response = await refusing.http.request(method, "/pay/unifiedorder")
    assert read(response.content) == {"return_code": "FAIL", "return_msg": "请使用post方法"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "post数据为空"),
        (b" \n", "post数据为空"),
        (b"{}", "XML格式错误"),
        (b"<!DOCTYPE xml>" + signed(order()), "XML格式错误"),
        (signed(order()).replace(b"</xml>", b"<total_fee>1</total_fee></xml>"), "XML格式错误"),
        (signed(order()).replace(b"<xml>", b"<xml><x><y/></x>", 1), "XML格式错误"),
        (signed(order(body="x" * 70_000)), "XML格式错误"),
        (signed(order(body="拿铁😀")), "编码格式错误"),
        (signed(order()).decode().encode("gbk"), "编码格式错误"),
    ],
)
async def test_bodies_that_are_not_one_flat_utf8_document_are_refused(
    refusing: Desk, body: bytes, message: str
) -> None:
    assert await refusal(refusing, body) == message


@pytest.mark.parametrize(
    "name",
    [
        "appid",
        "mch_id",
        "nonce_str",
        "body",
        "out_trade_no",
        "total_fee",
        "spbill_create_ip",
        "notify_url",
        "trade_type",
    ],
)
async def test_each_required_field_is_missed_by_name(refusing: Desk, name: str) -> None:
    assert await refusal(refusing, signed(order(**{name: ""}))) == f"缺少参数：{name}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trade_type": "NATIVE", "sub_openid": ""}, "缺少参数：product_id"),
        ({"trade_type": "MWEB", "sub_openid": ""}, "缺少参数：scene_info"),
        ({"sub_appid": ""}, "缺少参数：sub_appid"),
        ({"sub_openid": ""}, "JSAPI支付必须传openid"),
        ({"openid": "oProviderUser"}, "openid和sub_openid只能传其中之一"),
        ({"perpay_id": "1"}, "参数错误：未知的参数perpay_id"),
    ],
)
async def test_conditional_and_unknown_fields_are_refused_by_name(
    refusing: Desk, changes: dict[str, str], message: str
) -> None:
    assert await refusal(refusing, signed(order(**changes))) == message


async def test_lengths_are_counted_in_bytes(desk: Desk) -> None:
    """127 bytes are 42 Chinese characters (wechatpay-v2 trap 45)."""
    message = await refusal(desk, signed(order(body="拿" * 43)))
    assert message == (
        "输入源“/body/xml/body”映射到值字段“商品描述”字符串规则校验失败，字节数 129，大于最大值 127"
    )
    await desk.create(order(body="拿" * 42))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mch_id": "1999999999"}, "商户号mch_id不存在"),
        ({"appid": UNKNOWN_APP}, "appid和mch_id不匹配"),
        ({"appid": MERCHANT_APP}, "appid和mch_id不匹配"),
        ({"sub_mch_id": ""}, "受理机构必须传入sub_mch_id"),
        ({"sub_mch_id": "1900000109"}, "子商户mchid不能与自身mchid相同"),
        ({"sub_mch_id": "1600009999"}, "受理关系不存在"),
        ({"sub_appid": BAKERY_APP}, "sub_mch_id与sub_appid不匹配"),
        ({"sub_mch_id": BAKERY}, "sub_mch_id与sub_appid不匹配"),
        ({"sub_openid": "o user"}, "无效的openid"),
    ],
)
async def test_identities_must_belong_together(refusing: Desk, changes: dict[str, str], message: str) -> None:
    assert await refusal(refusing, signed(order(**changes))) == message


@pytest.mark.parametrize("name", ["sub_mch_id", "sub_appid"])
async def test_a_plain_merchant_sends_no_sub_fields(desk: Desk, name: str) -> None:
    params = merchant_order(**{name: COFFEE_APP})
    assert await refusal(desk, signed(params, OTHER_KEY)) == f"普通商户不能传入{name}"
    await desk.create(merchant_order(), OTHER_KEY)


@pytest.mark.parametrize(
    "body",
    [
        signed(order(), OTHER_KEY),
        signed(order()).replace(b"1280", b"1281"),
        xml(order() | {"sign": signature(order()).lower()}),
        xml(order() | {"sign": signature(order(), KEY, "HMAC-SHA256")}),
        xml(order(sign_type="HMAC-SHA256") | {"sign": signature(order(sign_type="HMAC-SHA256"))}),
        xml(order() | {"sign": signature(order(sign_type="MD5"))}),
        signed(order(sign_type="RSA")),
    ],
    ids=["other key", "changed after", "lower case", "undeclared hmac", "declared hmac", "unsent", "unknown"],
)
async def test_a_wrong_signature_is_refused(refusing: Desk, body: bytes) -> None:
    assert await refusal(refusing, body) == "签名错误"


async def test_the_signature_is_checked_before_the_sub_merchant(refusing: Desk) -> None:
    body = signed(order(sub_mch_id="1600009999"), OTHER_KEY)
    assert await refusal(refusing, body) == "签名错误"


async def test_a_missing_field_is_reported_before_a_wrong_signature(refusing: Desk) -> None:
    assert await refusal(refusing, signed(order(total_fee=""), OTHER_KEY)) == "缺少参数：total_fee"


@pytest.mark.parametrize(
    ("appid", "changes", "message"),
    [
        (BAKERY_APP, {}, "sub_appid和sub_openid不匹配"),
        (
            BAKERY_APP,
            {"openid": "oSeen_0001", "sub_openid": "", "sub_appid": ""},
            "appid与openid不匹配",
        ),
    ],
)
async def test_S1_36_an_openid_of_another_appid_is_refused(
    desk: Desk, appid: str, changes: dict[str, str], message: str
) -> None:
    await desk.control("codes", appid=appid, openid="oSeen_0001")
    params = order(**({"sub_openid": "oSeen_0001"} | changes))
    assert await refusal(desk, signed(params)) == message


async def test_an_openid_never_seen_before_is_remembered_for_its_appid(desk: Desk) -> None:
    await desk.create(order(sub_openid="oNewcomer"))
    params = order("T00002", sub_mch_id=BAKERY, sub_appid=BAKERY_APP, sub_openid="oNewcomer")
    answer = await desk.call("/pay/unifiedorder", params)
    assert answer["return_msg"] == "sub_appid和sub_openid不匹配"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("restricted", "此商家的收款功能已被限制，暂无法支付"),
        ("unauthorized", "特约子商户商户号未授权服务商的产品权限"),
    ],
)
async def test_a_sub_merchant_that_may_not_be_paid_is_refused(desk: Desk, status: str, message: str) -> None:
    provider = PROVIDERS["providers"][0]
    tenants = [{**provider["tenants"][0], "wechat_status": status}]
    await desk.control("providers", providers=[{**provider, "tenants": tenants}])
    assert await refusal(desk, signed(order())) == message


async def test_both_sign_types_and_the_providers_own_appid_are_accepted(desk: Desk) -> None:
    """The answer's signature, of the request's type, is verified by wechatpy in `Desk.call`."""
    first = await desk.create(order("T00001", sign_type="HMAC-SHA256"))
    assert len(first["sign"]) == 64
    second = await desk.create(order("T00002", sign_type="MD5"))
    assert len(second["sign"]) == 32
    third = await desk.create(order("T00003", sub_appid="", sub_openid="", openid="oProviderUser"))
    assert (third["appid"], third["mch_id"], "sub_appid" in third) == (APPID, "1900000109", False)


@pytest.mark.parametrize("path", ["/pay/orderquery", "/pay/closeorder"])
async def test_query_and_close_are_checked_alike(refusing: Desk, path: str) -> None:
    assert await refusal(refusing, signed(asking(), OTHER_KEY), path) == "签名错误"
    assert await refusal(refusing, signed(asking(sub_mch_id="")), path) == "受理机构必须传入sub_mch_id"
    assert await refusal(refusing, signed(asking(out_trade_no="")), path) == "缺少参数：out_trade_no"
    assert await refusal(refusing, signed(asking(total_fee="1")), path) == "参数错误：未知的参数total_fee"
