"""The payer's phone: API and page (wechatpay-v2 3; S1-23, S1-33, O14 and the mistakes of acceptance 5.6)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from tests.support.simulated import (
    APPID,
    BAKERY_APP,
    COFFEE,
    COFFEE_APP,
    KEY,
    OTHER_KEY,
    PAYER,
    PHONE_APP,
    Desk,
    Receiver,
    asking,
    order,
    signature,
)

from spsim.phone import yuan


def cashier(prepay_id: str, appid: str = COFFEE_APP, sign_type: str = "MD5", **wrong: str) -> dict[str, str]:
    """Right pay parameters, signed by wechatpy, with mistakes made before signing."""
    params = {
        "timeStamp": "1795265400",
        "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
        "package": f"prepay_id={prepay_id}",
        "signType": sign_type,
    } | wrong
    return params | {"paySign": signature(params | {"appId": appid}, KEY, sign_type)}


async def page(desk: Desk, prepay_id: str, params: dict[str, str]) -> str:
    response = await desk.http.get(f"/_sim/phone/{prepay_id}", params=params)
    assert response.status_code == 200
    assert "script" not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    return response.text


async def test_S1_23_the_page_shows_the_order_and_pays_without_javascript(desk: Desk) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    params = cashier(prepay_id)
    shown = await page(desk, prepay_id, params)
    assert all(text in shown for text in ("晨曦咖啡", "拿铁", "¥12.80", "立即支付", "取消支付"))
    assert all(f'name="{name}" value="{value}"' in shown for name, value in params.items())

    path = f"/_sim/phone/{prepay_id}"
    cancelled = (await desk.http.post(path, data=params | {"action": "cancel"})).text
    assert "支付已取消" in cancelled
    assert (await desk.ledger())["payments"] == []

    paid = (await desk.http.post(path, data=params | {"action": "pay"})).text
    payment = (await desk.ledger())["payments"][0]
    assert "支付成功" in paid
    assert payment["transaction_id"] in paid
    assert payment["sub_openid"] == PAYER
    assert "该订单已支付" in await page(desk, prepay_id, params)


async def test_the_hmac_cashier_opens_for_an_hmac_order_only(desk: Desk) -> None:
    prepay_id = (await desk.create(order(sign_type="HMAC-SHA256")))["prepay_id"]
    assert "立即支付" in await page(desk, prepay_id, cashier(prepay_id, sign_type="HMAC-SHA256"))
    assert "支付验证签名失败" in await page(desk, prepay_id, cashier(prepay_id, sign_type="MD5"))


MISTAKES = [
    pytest.param({"timeStamp": "1795265400000"}, id="milliseconds"),
    pytest.param({"package": "prepay_id=wx21205000123456789abcdef01234567890"}, id="other prepay id"),
    pytest.param({"nonceStr": "x" * 33}, id="long nonce"),
    pytest.param({"signType": "HMAC-SHA256"}, id="other sign type"),
    pytest.param({"appid": APPID}, id="signed for another appid"),
]


@pytest.mark.parametrize("wrong", MISTAKES)
async def test_a_wrong_parameter_fails_like_a_wrong_signature(desk: Desk, wrong: dict[str, str]) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    shown = await page(desk, prepay_id, cashier(prepay_id, **wrong))
    assert "支付验证签名失败" in shown
    assert "立即支付" not in shown


async def test_the_typo_of_the_second_seed_does_not_open_the_cashier(desk: Desk) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    params = cashier(prepay_id, package=f"perpay_id={prepay_id}")
    assert "支付验证签名失败" in await page(desk, prepay_id, params)


async def test_a_changed_or_lower_case_pay_sign_fails_and_the_button_checks_again(desk: Desk) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    params = cashier(prepay_id)
    for wrong in (params["paySign"].lower(), signature(params | {"appId": COFFEE_APP}, OTHER_KEY)):
        forged = params | {"paySign": wrong}
        assert "支付验证签名失败" in await page(desk, prepay_id, forged)
        posted = await desk.http.post(f"/_sim/phone/{prepay_id}", data=forged | {"action": "pay"})
        assert "支付验证签名失败" in posted.text
    assert (await desk.ledger())["payments"] == []


@pytest.mark.parametrize("name", ["timeStamp", "nonceStr", "package", "signType", "paySign"])
async def test_a_missing_parameter_is_named(desk: Desk, name: str) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    params = {key: value for key, value in cashier(prepay_id).items() if key != name}
    assert f"调用支付JSAPI缺少参数：{name}" in await page(desk, prepay_id, params)


async def test_S1_33_the_cashier_opens_only_in_the_orders_own_mini_program(desk: Desk) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    right = cashier(prepay_id)
    assert "立即支付" in await page(desk, prepay_id, right | {"appId": COFFEE_APP})
    other = cashier(prepay_id, appid=BAKERY_APP)
    assert "支付验证签名失败" in await page(desk, prepay_id, other | {"appId": BAKERY_APP})
    refused = await desk.refused("pay", prepay_id=prepay_id, pay_params=right, appid=BAKERY_APP)
    assert refused == (409, "PAY_SIGN")
    await desk.control("pay", prepay_id=prepay_id, pay_params=right, appid=COFFEE_APP)


async def test_an_app_cashier_is_checked_over_its_six_fields(desk: Desk) -> None:
    """`partnerid` is the sub-merchant's number (wechatpay-v2 3.3)."""
    params = order(trade_type="APP", sub_appid=PHONE_APP, sub_openid="")
    prepay_id = (await desk.create(params))["prepay_id"]
    call = {
        "appid": PHONE_APP,
        "partnerid": COFFEE,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": "a1B2c3D4",
        "timestamp": "1795265400",
    }
    for wrong in ({"partnerid": "1900000109"}, {"appid": APPID}, {"timestamp": "1795265400000"}):
        spoiled = call | wrong
        pay_params = spoiled | {"sign": signature(spoiled)}
        refused = await desk.refused("pay", prepay_id=prepay_id, pay_params=pay_params)
        assert refused == (409, "PAY_SIGN")
    for missing in ({"sign": ""}, {"sign": "0" * 32}):
        code = "PAY_SIGN" if missing["sign"] else "PAY_PARAMS"
        assert await desk.refused("pay", prepay_id=prepay_id, pay_params=call | missing) == (409, code)
    await desk.control("pay", prepay_id=prepay_id, pay_params=call | {"sign": signature(call)})


def h5_order(number: str = "H00001") -> dict[str, str]:
    scene = '{"h5_info":{"type":"Wap","wap_url":"https://m.example.com","wap_name":"示例"}}'
    return order(number, trade_type="MWEB", sub_openid="", scene_info=scene)


async def h5_link(desk: Desk) -> str:
    """Return the path and query of a fresh `mweb_url`."""
    return urlsplit((await desk.create(h5_order()))["mweb_url"])._replace(scheme="", netloc="").geturl()


async def test_an_h5_link_opens_for_five_minutes_and_leads_back_to_the_merchant(desk: Desk) -> None:
    """The merchant appends `&redirect_url=` to the link (wechatpay-v2 2.6, 3.4)."""
    link = await h5_link(desk)
    back = "https://m.example.com/paid?order=1"
    shown = (await desk.http.get(f"{link}&redirect_url={quote(back, safe='')}")).text
    assert "立即支付" in shown
    await desk.control("clock", advance_s=301)
    assert "支付链接已失效" in (await desk.http.get(link)).text
    renewed = await h5_link(desk)
    assert "立即支付" in (await desk.http.get(renewed)).text
    form = {"redirect_url": back, "action": "pay"}
    paid = (await desk.http.post(link.partition("?")[0], data=form)).text
    assert "支付成功" in paid
    assert f'href="{back}"' in paid


@pytest.mark.parametrize("package", ["", "?package=", "?package=never", "?package=1"])
async def test_an_h5_link_without_its_time_does_not_open(desk: Desk, package: str) -> None:
    link = (await h5_link(desk)).partition("?")[0]
    assert "支付链接已失效" in (await desk.http.get(link + package)).text


async def test_the_way_back_is_a_web_page_or_none(desk: Desk) -> None:
    link = await h5_link(desk)
    assert "返回商户页面</a>" not in (await desk.http.get(f"{link}&redirect_url=data:text/html,x")).text


async def test_B05_an_order_can_be_paid_a_second_time(desk: Desk, receiver: Receiver) -> None:
    await desk.create(order("T000001", notify_url=receiver.url))
    assert await desk.refused("pay", out_trade_no="T000001", again=True) == (409, "NOTPAY")
    first = await desk.control("pay", out_trade_no="T000001")
    second = await desk.control("pay", out_trade_no="T000001", again=True)
    await desk.attempts(2)
    told = {message["transaction_id"] for message in receiver.messages}
    assert told == {first["transaction_id"], second["transaction_id"]}
    assert len(told) == 2
    by_ours = await desk.call("/pay/orderquery", asking("T000001"))
    assert by_ours["transaction_id"] == first["transaction_id"]
    asked = asking("", transaction_id=second["transaction_id"])
    assert (await desk.call("/pay/orderquery", asked))["transaction_id"] == second["transaction_id"]
    books = await desk.ledger()
    assert [entry["transaction_id"] for entry in books["payments"]] == [
        first["transaction_id"],
        second["transaction_id"],
    ]


async def test_the_phone_pays_by_code_url_and_by_number(desk: Desk) -> None:
    native = order("T000001", trade_type="NATIVE", sub_openid="", product_id="latte")
    code_url = (await desk.create(native))["code_url"]
    paid = await desk.control("pay", code_url=code_url, openid="oScanner")
    assert paid["result"] == "requestPayment:ok"
    await desk.create(order("T000002"))
    await desk.control("pay", out_trade_no="T000002", openid=PAYER)
    by_number = {entry["out_trade_no"]: entry for entry in (await desk.ledger())["payments"]}
    assert by_number["T000001"]["sub_openid"] == "oScanner"
    assert by_number["T000002"]["sub_openid"] == PAYER


async def test_a_native_page_needs_no_signature(desk: Desk) -> None:
    native = order(trade_type="NATIVE", sub_openid="", product_id="latte")
    assert "立即支付" in await page(desk, (await desk.create(native))["prepay_id"], {})


@pytest.mark.parametrize(
    ("outcome", "result"),
    [("cancel", "requestPayment:fail cancel"), ("fail", "requestPayment:fail 余额不足")],
)
async def test_cancelled_and_failed_orders_stay_payable(desk: Desk, outcome: str, result: str) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    answer = await desk.control("pay", prepay_id=prepay_id, openid=PAYER, outcome=outcome)
    assert (answer["result"], answer["trade_state"]) == (result, "NOTPAY")
    assert (await desk.control("pay", prepay_id=prepay_id))["trade_state"] == "SUCCESS"


async def test_nobody_else_pays_a_jsapi_order_and_nobody_twice(desk: Desk) -> None:
    prepay_id = (await desk.create())["prepay_id"]
    assert await desk.refused("pay", prepay_id=prepay_id, openid="oSomebodyElse") == (409, "PAYER_MISMATCH")
    await desk.control("pay", prepay_id=prepay_id, openid=PAYER)
    assert await desk.refused("pay", prepay_id=prepay_id, openid=PAYER) == (409, "ORDERPAID")
    assert len((await desk.ledger())["payments"]) == 1


async def test_badly_asked_payments_are_refused(desk: Desk) -> None:
    assert await desk.refused("pay") == (400, "BAD_REQUEST")
    assert await desk.refused("pay", prepay_id="a", out_trade_no="b") == (400, "BAD_REQUEST")
    assert await desk.refused("pay", prepay_id="wx00") == (404, "ORDERNOTEXIST")
    prepay_id = (await desk.create())["prepay_id"]
    assert await desk.refused("pay", prepay_id=prepay_id, outcome="ok") == (400, "BAD_REQUEST")
    assert await desk.refused("pay", prepay_id=prepay_id, pay_params=[]) == (400, "BAD_REQUEST")
    numbers = {"timeStamp": 1795265400}
    assert await desk.refused("pay", prepay_id=prepay_id, pay_params=numbers) == (400, "BAD_REQUEST")
    assert "订单不存在" in await page(desk, "wx00", {})


async def test_user_text_is_escaped_on_the_page(desk: Desk) -> None:
    native = order(trade_type="NATIVE", sub_openid="", product_id="p", body='<b title="x">拿铁</b>')
    shown = await page(desk, (await desk.create(native))["prepay_id"], {})
    assert "&lt;b title=" in shown
    assert "<b title" not in shown


@pytest.mark.parametrize(("fen", "text"), [(1, "¥0.01"), (1280, "¥12.80"), (123456789, "¥1,234,567.89")])
def test_amounts_are_shown_in_yuan(fen: int, text: str) -> None:
    assert yuan(fen) == text


async def test_a_scanned_code_opens_its_order_without_a_prepay_id(desk: Desk) -> None:
    made = await desk.create(order(trade_type="NATIVE", sub_openid="", product_id="latte"))
    shown = await page(desk, "scan", {"code_url": made["code_url"]})
    assert "立即支付" in shown
    assert f'action="/_sim/phone/{made["prepay_id"]}"' in shown
    for params in ({"code_url": "weixin://wxpay/bizpayurl/up?pr=nothing"}, {}):
        assert "无法支付" in await page(desk, "scan", params)
