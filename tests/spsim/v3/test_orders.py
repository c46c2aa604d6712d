"""Prepay, query and close by API v3, and what they share with v2 (wechatpay-v3 2, 9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.simulated import (
    APPID,
    BAKERY,
    BAKERY_APP,
    COFFEE,
    COFFEE_APP,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    PAYER,
    PHONE_APP,
    order,
)
from tests.support.simulated import asking as asking_v2
from tests.support.simulated_v3 import (
    DIRECT,
    PARTNER,
    Identity,
    V3Desk,
    asking,
    cashier,
    direct,
    h5,
    native,
    prepay,
)

NUMBER = "T0007-20261121_000001"


async def test_an_order_is_made_paid_and_told(v3: V3Desk) -> None:
    prepay_id = (await v3.place())["prepay_id"]
    unpaid = await v3.query()
    assert unpaid == {
        "sp_appid": APPID,
        "sp_mchid": MCH_ID,
        "sub_appid": COFFEE_APP,
        "sub_mchid": COFFEE,
        "out_trade_no": NUMBER,
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
    }
    paid = await v3.control("pay", prepay_id=prepay_id, pay_params=cashier(v3.own, prepay_id))
    told = await v3.query()
    assert told | unpaid == told | {"trade_state": "NOTPAY", "trade_state_desc": "订单未支付"}
    assert (told["trade_state"], told["trade_type"], told["attach"]) == ("SUCCESS", "JSAPI", "t=7&p=01")
    assert told["transaction_id"] == paid["transaction_id"]
    assert told["amount"] == {
        "total": 1280,
        "payer_total": 1280,
        "currency": "CNY",
        "payer_currency": "CNY",
    }
    assert told["payer"]["sub_openid"] == PAYER
    assert told["payer"]["sp_openid"].startswith("o")
    assert datetime.fromisoformat(told["success_time"]).utcoffset() == timedelta(hours=8)
    assert await v3.ask("GET", asking(paid["transaction_id"], path=f"{PARTNER}/id")) == told


async def test_the_four_products_answer_their_own_tokens(v3: V3Desk) -> None:
    app = native("A0000001", sub_appid=PHONE_APP)
    assert (await v3.place("app", app)).keys() == {"prepay_id"}
    assert (await v3.place("jsapi")).keys() == {"prepay_id"}
    qr = await v3.place("native", native())
    assert qr.keys() == {"code_url"}
    assert qr["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    page = await v3.place("h5", h5())
    assert page.keys() == {"h5_url"}
    books = await v3.ledger()
    assert [entry["trade_type"] for entry in books["orders"]] == ["APP", "JSAPI", "NATIVE", "MWEB"]


async def test_a_plain_merchant_uses_the_direct_paths(merchant: V3Desk) -> None:
    prepay_id = (await merchant.ask("POST", f"{DIRECT}/jsapi", direct()))["prepay_id"]
    params = cashier(merchant.own, prepay_id, MERCHANT_APP)
    paid = await merchant.control("pay", prepay_id=prepay_id, pay_params=params)
    by_number = f"{DIRECT}/out-trade-no/D0000001?mchid={MERCHANT}"
    told = await merchant.ask("GET", by_number)
    assert (told["appid"], told["mchid"]) == (MERCHANT_APP, MERCHANT)
    assert told["payer"] == {"openid": "oMerchantUser_1"}
    assert not [name for name in told if name.startswith(("sp_", "sub_"))]
    by_id = f"{DIRECT}/id/{paid['transaction_id']}?mchid={MERCHANT}"
    assert await merchant.ask("GET", by_id) == told
    assert (await merchant.fails("POST", f"{DIRECT}/jsapi", direct(sub_mchid=COFFEE)))[2] == "/sub_mchid"


async def test_the_same_order_again_is_a_new_token_of_one_order(v3: V3Desk) -> None:
    first = (await v3.place())["prepay_id"]
    second = (await v3.place("jsapi", dict(reversed(prepay().items()))))["prepay_id"]
    assert first != second
    orders = (await v3.ledger())["orders"]
    assert [entry["prepay_ids"] for entry in orders] == [[first, second]]
    await v3.control("pay", prepay_id=first)
    assert await v3.declined() == (400, "ORDER_PAID", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": {"total": 1281, "currency": "CNY"}},
        {"amount": {"total": 1280}},
        {"description": "晨曦咖啡-美式"},
        {"attach": None},
        {"notify_url": "http://127.0.0.1:9/elsewhere"},
        {"payer": {"sub_openid": "oSubUser_0000000000000000002"}},
    ],
)
async def test_a_number_with_other_parameters_is_refused(v3: V3Desk, changes: dict[str, Any]) -> None:
    await v3.place()
    assert await v3.declined(body=prepay(**changes)) == (400, "INVALID_REQUEST", "")


async def test_a_number_is_unique_over_sub_merchants_products_and_generations(v3: V3Desk) -> None:
    await v3.place("native", native("T000001"))
    other = native("T000001", sub_mchid=BAKERY, sub_appid=BAKERY_APP)
    for kind, body in (("native", other), ("jsapi", prepay("T000001"))):
        assert await v3.declined(kind, body) == (403, "OUT_TRADE_NO_USED", "")
    by_v2 = await v3.call("/pay/unifiedorder", order("T000001"))
    assert by_v2["err_code"] == "INVALID_REQUEST"
    await v3.create(order("T000002"))
    assert await v3.declined(body=prepay("T000002")) == (403, "OUT_TRADE_NO_USED", "")


async def test_a_v2_order_that_looks_the_same_is_another_one(v3: V3Desk) -> None:
    await v3.place()
    answer = await v3.call("/pay/unifiedorder", order(NUMBER))
    assert (answer["err_code"], answer["err_code_des"]) == ("INVALID_REQUEST", "201 商户订单号重复")
    prepay_id = (await v3.place())["prepay_id"]
    await v3.control("pay", prepay_id=prepay_id, pay_params=cashier(v3.own, prepay_id))


async def test_closed_and_expired_orders_stay_so(v3: V3Desk) -> None:
    soon = (datetime.now(timezone(timedelta(hours=8))) + timedelta(seconds=70)).isoformat(timespec="seconds")
    await v3.place("jsapi", prepay("T000001", time_expire=soon))
    await v3.place("jsapi", prepay("T000002"))
    assert await v3.close("T000002") is None
    assert await v3.close("T000002") is None
    assert (await v3.query("T000002"))["trade_state"] == "CLOSED"
    assert await v3.declined(body=prepay("T000002")) == (400, "ORDER_CLOSED", "")
    later = prepay("T000001", time_expire=soon.replace("+08:00", ".5+08:00"))
    assert await v3.declined(body=later) == (400, "INVALID_REQUEST", "")
    await v3.control("clock", advance_s=90)
    assert await v3.refused("pay", out_trade_no="T000001") == (409, "ORDER_EXPIRED")
    assert await v3.declined(body=prepay("T000001", time_expire=soon)) == (400, "ORDER_CLOSED", "")
    assert (await v3.query("T000001"))["trade_state"] == "NOTPAY"
    await v3.control("clock", advance_s=7 * 24 * 3600)
    assert (await v3.query("T000001"))["trade_state"] == "CLOSED"


async def test_a_time_expire_less_than_a_minute_away_is_refused(v3: V3Desk) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    too_soon = prepay(time_expire=(now + timedelta(seconds=40)).isoformat())
    assert (await v3.declined(body=too_soon))[2] == "/time_expire"
    await v3.place("jsapi", prepay(time_expire=f"{(now + timedelta(seconds=62)).isoformat()[:-6]}Z"))


async def test_a_paid_order_cannot_be_closed(v3: V3Desk) -> None:
    await v3.place()
    await v3.control("pay", out_trade_no=NUMBER)
    body = {"sp_mchid": MCH_ID, "sub_mchid": COFFEE}
    failed = await v3.fails("POST", f"{PARTNER}/out-trade-no/{NUMBER}/close", body)
    assert failed == (400, "ORDER_PAID", "")


async def test_nobody_elses_order_exists(v3: V3Desk, merchant: V3Desk) -> None:
    await merchant.ask("POST", f"{DIRECT}/jsapi", direct())
    theirs = (await merchant.control("pay", out_trade_no="D0000001"))["transaction_id"]
    await v3.place()
    ours = (await v3.control("pay", out_trade_no=NUMBER))["transaction_id"]
    missing = (404, "ORDER_NOT_EXIST", "")
    by_id = f"{PARTNER}/id"
    assert await v3.fails("GET", asking("D0000001")) == missing
    assert await v3.fails("GET", asking(NUMBER, BAKERY)) == missing
    assert await v3.fails("GET", asking(theirs, path=by_id)) == missing
    assert await v3.fails("GET", asking(ours, BAKERY, by_id)) == missing
    assert await v3.fails("GET", asking("4" * 28, path=by_id)) == missing
    assert await v3.fails("GET", asking("12345", path=by_id)) == (500, "INVALID_TRANSACTIONID", "")
    assert await v3.fails("GET", asking(NUMBER, "1600009999")) == (403, "NO_AUTH", "")
    body = {"sp_mchid": MCH_ID, "sub_mchid": BAKERY}
    assert await v3.fails("POST", f"{PARTNER}/out-trade-no/{NUMBER}/close", body) == missing


async def test_what_a_sub_merchant_may_not_do_is_no_permission(v3: V3Desk) -> None:
    await v3.control("misconfigurations", kind="restrict", mch_id=MCH_ID, sub_mch_id=COFFEE)
    assert await v3.declined() == (403, "NO_AUTH", "")
    await v3.control("misconfigurations", kind="unauthorize", mch_id=MCH_ID, sub_mch_id=COFFEE)
    assert await v3.declined() == (403, "NO_AUTH", "")
    closed = {"kind": "close_product", "mch_id": MCH_ID, "sub_mch_id": BAKERY, "trade_type": "NATIVE"}
    await v3.control("misconfigurations", **closed)
    bakery = native(sub_mchid=BAKERY, sub_appid=BAKERY_APP)
    assert await v3.declined("native", bakery) == (403, "NO_AUTH", "")
    assert (await v3.place("h5", h5(sub_mchid=BAKERY, sub_appid=BAKERY_APP)))["h5_url"]


async def test_code_payment_by_v3_is_opened_to_nobody(v3: V3Desk, merchant: V3Desk) -> None:
    body = {"sp_mchid": MCH_ID, "sub_mchid": COFFEE, "payer": {"auth_code": "130000000000000000"}}
    reverse = f"{PARTNER}/out-trade-no/{NUMBER}/reverse"
    for target in (f"{PARTNER}/codepay", reverse):
        assert await v3.fails("POST", target, body) == (403, "NO_AUTH", "")
    assert await merchant.fails("POST", f"{DIRECT}/codepay", body) == (403, "NO_AUTH", "")


async def test_either_generation_tells_of_the_others_orders_and_closes_its_own(v3: V3Desk) -> None:
    await v3.create(order("T000002"))
    await v3.place("jsapi", prepay("T000003"))
    body = {"sp_mchid": MCH_ID, "sub_mchid": COFFEE}
    close = f"{PARTNER}/out-trade-no/T000002/close"
    assert await v3.fails("POST", close, body) == (403, "TRADE_ERROR", "")
    refused = await v3.call("/pay/closeorder", asking_v2("T000003"))
    assert refused["err_code"] == "INVALID_REQUEST"
    for number in ("T000002", "T000003"):
        await v3.control("pay", out_trade_no=number)
        by_v3 = await v3.query(number)
        by_v2 = await v3.call("/pay/orderquery", asking_v2(number))
        assert (by_v2["trade_state"], by_v3["trade_state"]) == ("SUCCESS", "SUCCESS")
        assert by_v2["transaction_id"] == by_v3["transaction_id"]
        assert (by_v2["sub_openid"], by_v2["openid"]) == (PAYER, by_v3["payer"]["sp_openid"])

    await v3.keys("rules", cross_version=False)
    assert await v3.fails("GET", asking("T000002")) == (404, "ORDER_NOT_EXIST", "")
    assert (await v3.call("/pay/orderquery", asking_v2("T000003")))["err_code"] == "ORDERNOTEXIST"
    assert (await v3.query("T000003"))["trade_state"] == "SUCCESS"
    assert (await v3.call("/pay/orderquery", asking_v2("T000002")))["trade_state"] == "SUCCESS"


async def test_the_cashier_opens_for_what_the_provider_signed_alone(v3: V3Desk, stranger: Identity) -> None:
    prepay_id = (await v3.place())["prepay_id"]
    right = cashier(v3.own, prepay_id)
    mistakes = [
        cashier(v3.own, prepay_id, timeStamp="1795265400000"),
        cashier(v3.own, prepay_id, package=prepay_id),
        cashier(v3.own, prepay_id, signType="MD5"),
        cashier(v3.own, prepay_id, APPID),
        cashier(stranger, prepay_id),
        right | {"nonceStr": "other"},
        right | {"paySign": "not base64"},
    ]
    for params in mistakes:
        refused = await v3.refused("pay", prepay_id=prepay_id, pay_params=params)
        assert refused == (409, "PAY_SIGN")
        page = await v3.http.get(f"/_sim/phone/{prepay_id}", params=params)
        assert "支付验证签名失败" in page.text
    page = await v3.http.get(f"/_sim/phone/{prepay_id}", params=right)
    assert "立即支付" in page.text
    paid = await v3.http.post(f"/_sim/phone/{prepay_id}", data=right | {"action": "pay"})
    assert "支付成功" in paid.text


@pytest.mark.parametrize(
    ("changes", "opens_in"),
    [
        ({"payer": {"sub_openid": PAYER}}, {COFFEE_APP}),
        ({"payer": {"sp_openid": "oSpUser_1"}}, {APPID}),
        ({"payer": {"sp_openid": "oSpUser_1"}, "sub_appid": None}, {APPID}),
        ({"payer": {"sp_openid": "oSpUser_1", "sub_openid": PAYER}}, {APPID, COFFEE_APP}),
    ],
)
async def test_the_appid_of_the_second_signature_follows_the_openid(
    v3: V3Desk, changes: dict[str, Any], opens_in: set[str]
) -> None:
    """wechatpay-v3 2.3, trap 1."""
    prepay_id = (await v3.place("jsapi", prepay(**changes)))["prepay_id"]
    opened = set()
    for appid in (APPID, COFFEE_APP, BAKERY_APP):
        params = cashier(v3.own, prepay_id, appid)
        document = {"prepay_id": prepay_id, "pay_params": params, "appid": appid, "outcome": "cancel"}
        answer = await v3.http.post("/_sim/pay", json=document)
        opened |= {appid} if answer.status_code == 200 else set()
    assert opened == opens_in
    await v3.control("pay", prepay_id=prepay_id)
    payer = (await v3.query())["payer"]
    assert payer | changes["payer"] == payer
    assert ("sub_openid" in payer) == ("sub_appid" not in changes)


async def test_an_app_cashier_names_who_signs_and_the_bare_prepay_id(v3: V3Desk) -> None:
    """The fourth line has no prefix, and `partnerid` is the provider (wechatpay-v3 2.4)."""
    prepay_id = (await v3.place("app", native("A0000001", sub_appid=PHONE_APP)))["prepay_id"]
    call = {
        "appid": PHONE_APP,
        "partnerid": MCH_ID,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": "a1B2c3D4",
        "timestamp": "1795265400",
    }

    def signed(fourth: str, **wrong: str) -> dict[str, str]:
        params = call | wrong
        lines = f"{params['appid']}\n{params['timestamp']}\n{params['noncestr']}\n{fourth}\n"
        return params | {"sign": v3.own.sign(lines.encode())}

    wrong = (
        signed(f"prepay_id={prepay_id}"),
        signed(prepay_id, partnerid=COFFEE),
        signed(prepay_id, appid=APPID),
    )
    for params in wrong:
        refused = await v3.refused("pay", prepay_id=prepay_id, pay_params=params)
        assert refused == (409, "PAY_SIGN")
    await v3.control("pay", prepay_id=prepay_id, pay_params=signed(prepay_id))


async def test_codes_and_links_lead_to_the_cashier_while_they_live(v3: V3Desk) -> None:
    old = (await v3.place("native", native()))["code_url"]
    new = (await v3.place("native", native()))["code_url"]
    assert await v3.refused("pay", code_url=old) == (409, "CODE_EXPIRED")
    assert (await v3.control("pay", code_url=new))["trade_state"] == "SUCCESS"
    link = urlsplit((await v3.place("h5", h5()))["h5_url"])._replace(scheme="", netloc="").geturl()
    assert "立即支付" in (await v3.http.get(link)).text
    await v3.control("clock", advance_s=301)
    assert "支付链接已失效" in (await v3.http.get(link)).text


async def test_a_prepay_id_can_be_paid_for_two_hours(v3: V3Desk) -> None:
    prepay_id = (await v3.place())["prepay_id"]
    await v3.control("clock", advance_s=2 * 3600 + 1)
    assert await v3.refused("pay", prepay_id=prepay_id) == (409, "PREPAY_EXPIRED")
    await v3.control("pay", prepay_id=(await v3.place())["prepay_id"])
