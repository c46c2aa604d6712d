"""Making, asking for and closing orders (wechatpay-v2 1.7, 1.10, 2, 4.4, 4.5, 11.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.support.simulated import (
    BAKERY,
    BAKERY_APP,
    MERCHANT,
    MERCHANT_APP,
    OTHER_KEY,
    PHONE_APP,
    Desk,
    asking,
    merchant_order,
    order,
)

NUMBER = "T0007-20261121_000001"
CHINA = timezone(timedelta(hours=8))


def wire(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).astimezone(CHINA).strftime("%Y%m%d%H%M%S")


async def outcome(desk: Desk, params: dict[str, str], path: str = "/pay/unifiedorder") -> tuple[str, str]:
    """The signed business failure of a call."""
    answer = await desk.call(path, params)
    assert (answer["return_code"], answer["result_code"]) == ("SUCCESS", "FAIL"), answer
    return answer["err_code"], answer["err_code_des"]


async def test_an_order_answers_with_its_identities_and_a_prepay_id(desk: Desk) -> None:
    answer = await desk.create(order(device_info="SHOP1"))
    assert re.fullmatch(r"wx[0-9]{8}[0-9a-f]{26}", answer["prepay_id"])
    echo = {name: answer[name] for name in ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info")}
    assert echo == {name: order(device_info="SHOP1")[name] for name in echo}
    assert answer["trade_type"] == "JSAPI"
    assert "code_url" not in answer


async def test_a_native_order_answers_with_a_code_url(desk: Desk) -> None:
    answer = await desk.create(order(trade_type="NATIVE", sub_openid="", product_id="latte"))
    assert re.fullmatch(r"weixin://wxpay/bizpayurl/up\?pr=\w{7}&groupid=00", answer["code_url"])


async def test_app_and_h5_orders_are_accepted(desk: Desk) -> None:
    await desk.create(order("A00001", trade_type="APP", sub_appid=PHONE_APP, sub_openid=""))
    scene = '{"h5_info":{"type":"Wap","wap_url":"https://m.example.com","wap_name":"示例"}}'
    answer = await desk.create(order("H00001", trade_type="MWEB", sub_openid="", scene_info=scene))
    assert f"/_sim/phone/{answer['prepay_id']}?package=" in answer["mweb_url"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"out_trade_no": "short"}, "out_trade_no"),
        ({"out_trade_no": "spaces are bad"}, "out_trade_no"),
        ({"total_fee": "0"}, "total_fee"),
        ({"total_fee": "-1"}, "total_fee"),
        ({"total_fee": "1.5"}, "total_fee"),
        ({"total_fee": "01"}, "total_fee"),
        ({"total_fee": "１００"}, "total_fee"),
        ({"total_fee": "1_000"}, "total_fee"),
        ({"trade_type": "jsapi"}, "trade_type"),
        ({"fee_type": "USD"}, "fee_type"),
        ({"profit_sharing": "y"}, "profit_sharing"),
        ({"spbill_create_ip": "localhost"}, "spbill_create_ip"),
        ({"detail": "{"}, "detail"),
        ({"scene_info": "[]"}, "scene_info"),
        ({"notify_url": "/n/7/pay"}, "notify_url"),
        ({"notify_url": "https://pay.example.com/n?tenant=7"}, "notify_url"),
        ({"notify_url": "https://pay.example.com/n#7"}, "notify_url"),
        ({"notify_url": "https://[pay"}, "notify_url"),
        ({"time_expire": "20261321000000"}, "time_expire"),
        ({"time_expire": "20200101000000"}, "time_expire"),
        ({"time_start": wire(hours=2), "time_expire": wire(hours=1)}, "time_expire"),
        ({"sub_appid": PHONE_APP, "sub_openid": "oPhoneUser"}, "sub_appid"),
        (
            {
                "trade_type": "MWEB",
                "sub_openid": "",
                "spbill_create_ip": "127.0.0.1",
                "scene_info": '{"h5_info":{}}',
            },
            "spbill_create_ip",
        ),
    ],
)
async def test_a_bad_value_is_a_signed_param_error_naming_the_field(
    refusing: Desk, changes: dict[str, str], field: str
) -> None:
    code, description = await outcome(refusing, order(**changes))
    assert code == "PARAM_ERROR"
    assert field in description
    assert (await refusing.ledger())["orders"] == []


async def test_O03_the_same_order_again_returns_the_same_prepay_id(desk: Desk) -> None:
    first = await desk.create()
    again = await desk.create(
        order(nonce_str="other", spbill_create_ip="203.0.113.10", device_info="X", time_start=wire())
    )
    assert again["prepay_id"] == first["prepay_id"]
    assert len((await desk.ledger())["orders"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"total_fee": "1281"},
        {"body": "晨曦咖啡-摩卡"},
        {"attach": ""},
        {"notify_url": "https://pay.example.com/other"},
        {"sub_openid": "oAnotherUser"},
        {"profit_sharing": "Y"},
        {"fee_type": "CNY"},
        {"time_expire": wire(hours=1)},
        {"sub_mch_id": BAKERY, "sub_appid": BAKERY_APP, "sub_openid": "oBakeryUser"},
    ],
)
async def test_a_number_cannot_be_used_again_with_other_parameters(
    desk: Desk, changes: dict[str, str]
) -> None:
    """The number is unique per provider, over all its sub-merchants (wechatpay-v2 1.7, S2-03)."""
    await desk.create()
    assert await outcome(desk, order(**changes)) == ("INVALID_REQUEST", "201 商户订单号重复")


async def test_another_provider_may_use_the_same_number(desk: Desk) -> None:
    await desk.create(order(NUMBER))
    await desk.create(merchant_order(NUMBER), OTHER_KEY)
    assert [entry["mch_id"] for entry in (await desk.ledger())["orders"]] == ["1900000109", MERCHANT]


async def test_O09_a_prepay_id_lives_two_hours_and_is_renewed_by_the_same_order(desk: Desk) -> None:
    first = await desk.create()
    await desk.control("clock", advance_s=7199)
    assert (await desk.create())["prepay_id"] == first["prepay_id"]
    await desk.control("clock", advance_s=1)
    assert await desk.refused("pay", prepay_id=first["prepay_id"]) == (409, "PREPAY_EXPIRED")
    second = await desk.create()
    assert second["prepay_id"] != first["prepay_id"]
    await desk.control("pay", prepay_id=second["prepay_id"])


@pytest.mark.parametrize(
    ("expire", "payable_s"),
    [({"seconds": 5}, 55), ({"minutes": 10}, 590), ({"days": 30}, 15 * 86400 - 5)],
)
async def test_time_expire_is_kept_within_one_minute_and_fifteen_days(
    desk: Desk, expire: dict[str, float], payable_s: int
) -> None:
    params = order(time_expire=wire(**expire), trade_type="NATIVE", sub_openid="", product_id="p")
    await desk.create(params)
    await desk.control("clock", advance_s=payable_s)
    prepay = (await desk.create(params))["prepay_id"]
    await desk.control("clock", advance_s=15)
    assert await desk.refused("pay", prepay_id=prepay) == (409, _EXPIRY_CODE.get(payable_s, "ORDER_EXPIRED"))


# Past fifteen days the gateway has closed the order itself.
_EXPIRY_CODE = {15 * 86400 - 5: "ORDERCLOSED"}


async def test_an_expired_order_stays_notpay_until_somebody_closes_it(desk: Desk) -> None:
    """Expiry stops payment, it is not a close (wechatpay-v2 2.6)."""
    await desk.create(order(time_expire=wire(minutes=30)))
    await desk.control("clock", advance_s=3600)
    assert (await desk.call("/pay/orderquery", asking()))["trade_state"] == "NOTPAY"
    assert (await desk.call("/pay/closeorder", asking()))["result_code"] == "SUCCESS"
    assert (await desk.call("/pay/orderquery", asking()))["trade_state"] == "CLOSED"


async def test_the_gateway_closes_a_forgotten_order_after_seven_days(desk: Desk) -> None:
    await desk.create()
    await desk.control("clock", advance_s=7 * 86400)
    assert (await desk.call("/pay/orderquery", asking()))["trade_state"] == "CLOSED"


async def test_an_unpaid_order_is_queried_without_payment_fields(desk: Desk) -> None:
    await desk.create()
    answer = await desk.call("/pay/orderquery", asking())
    assert (answer["trade_state"], answer["trade_state_desc"]) == ("NOTPAY", "订单未支付")
    assert answer["out_trade_no"] == NUMBER
    assert not {"transaction_id", "time_end", "openid"} & answer.keys()


async def test_a_paid_order_is_queried_by_either_number(desk: Desk) -> None:
    prepay = (await desk.create())["prepay_id"]
    paid = await desk.control("pay", prepay_id=prepay)
    by_ours = await desk.call("/pay/orderquery", asking())
    by_theirs = await desk.call(
        "/pay/orderquery", asking(out_trade_no="", transaction_id=paid["transaction_id"])
    )
    assert {**by_ours, "sign": "", "nonce_str": ""} == {**by_theirs, "sign": "", "nonce_str": ""}
    assert by_ours["trade_state"] == "SUCCESS"
    assert by_ours["transaction_id"] == paid["transaction_id"]
    assert re.fullmatch(r"4200[0-9]{24}", by_ours["transaction_id"])
    assert (by_ours["total_fee"], by_ours["cash_fee"], by_ours["attach"]) == ("1280", "1280", "t=7&p=01")
    assert by_ours["sub_openid"] == order()["sub_openid"]
    assert by_ours["openid"] != by_ours["sub_openid"]


@pytest.mark.parametrize("path", ["/pay/orderquery", "/pay/closeorder"])
async def test_unknown_and_foreign_orders_are_refused(desk: Desk, path: str) -> None:
    assert await outcome(desk, asking("T0009999"), path) == ("ORDERNOTEXIST", "订单不存在")
    await desk.create()
    answer = await desk.call(path, asking(sub_mch_id=BAKERY))
    assert (answer["return_code"], answer["return_msg"]) == ("FAIL", "子商户号和订单信息不匹配")


async def test_a_transaction_of_another_provider_is_refused(desk: Desk) -> None:
    await desk.create()
    paid = await desk.control("pay", out_trade_no=NUMBER)
    params = {
        "appid": MERCHANT_APP,
        "mch_id": MERCHANT,
        "nonce_str": "n",
        "transaction_id": paid["transaction_id"],
    }
    answer = await desk.call("/pay/orderquery", params, OTHER_KEY)
    assert answer["return_msg"] == "商户号和订单不匹配"


async def test_Z04_a_paid_order_cannot_be_closed_and_a_closed_one_not_paid(desk: Desk) -> None:
    await desk.create(order("T000001"))
    await desk.control("pay", out_trade_no="T000001")
    assert (await outcome(desk, asking("T000001"), "/pay/closeorder"))[0] == "ORDERPAID"
    assert (await outcome(desk, order("T000001")))[0] == "ORDERPAID"

    await desk.create(order("T000002"))
    await desk.call("/pay/closeorder", asking("T000002"))
    assert (await outcome(desk, asking("T000002"), "/pay/closeorder"))[0] == "ORDERCLOSED"
    assert (await outcome(desk, order("T000002")))[0] == "ORDERCLOSED"
    assert await desk.refused("pay", out_trade_no="T000002") == (409, "ORDERCLOSED")


async def test_an_expired_order_cannot_be_renewed(desk: Desk) -> None:
    params = order(time_expire=wire(minutes=10))
    await desk.create(params)
    await desk.control("clock", advance_s=601)
    assert (await outcome(desk, params)) == ("INVALID_REQUEST", "订单已超过支付有效期")
