"""Ways to pay: what each hands out, which app may open it, what is refused (contract section 5, S1-20)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.counter import counter
from tests.support.counting import counted
from tests.support.till import APP, MINI, OFFICIAL, PEER, Till, wanted

from sptenants.orders.states import OrderStatus
from wechatpay.gateway import H5Scene, H5Type, TradeType
from wechatpay.identifiers import AppId

PHONE = "198.51.100.23"
CODE = "134567890123456789"
BODY = {"merchant_order_no": "T1", "amount": 12800, "description": "拿铁双人套餐"}
JSAPI = BODY | {"sub_appid": MINI, "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
NATIVE = BODY | {"trade_type": "NATIVE"}
IN_APP = BODY | {"trade_type": "APP", "sub_appid": APP}
H5 = BODY | {"trade_type": "H5", "payer_ip": PHONE}
MICROPAY = BODY | {"trade_type": "MICROPAY", "auth_code": CODE}


async def answer(till: Till, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    async with counter(till) as client:
        answered = await client.post("/v1/orders", json=body)
    return answered.status_code, answered.json()


async def test_an_official_account_page_is_given_its_appid_too(till: Till) -> None:
    status, order = await answer(till, JSAPI | {"sub_appid": OFFICIAL})
    assert status == 201
    assert set(order["pay_params"]) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert order["pay_params"]["appId"] == OFFICIAL
    assert not {"code_url", "h5_url"} & set(order)


async def test_an_app_is_given_the_seven_parameters_of_its_sdk(till: Till) -> None:
    status, order = await answer(till, IN_APP)
    assert status == 201
    params = order["pay_params"]
    assert set(params) == {"appid", "partnerid", "prepayid", "package", "noncestr", "timestamp", "sign"}
    assert (params["appid"], params["partnerid"]) == (APP, till.caller.tenant.sub_mch_id)
    assert order["trade_type"] == "APP"


async def test_native_takes_any_bound_app_or_none_and_gives_a_code(till: Till) -> None:
    for app in (None, MINI, OFFICIAL, APP):
        named = {"sub_appid": app} if app else {}
        status, order = await answer(till, NATIVE | named | {"merchant_order_no": f"T-{app}"})
        assert status == 201, app
        assert order["code_url"].startswith("weixin://")
        assert "pay_params" not in order


async def test_h5_gives_an_address_made_for_the_payers_phone(till: Till) -> None:
    status, order = await answer(till, H5)
    assert status == 201
    assert order["h5_url"].startswith("https://")
    (known,) = till.wechat.books.values()
    assert known.order.payer_ip == PHONE
    tenant = till.caller.tenant.name
    assert known.order.scene == H5Scene(H5Type.WAP, "https://pay.example.com", tenant)


async def test_h5_may_name_its_own_scene(till: Till) -> None:
    scene = {"type": "Android", "wap_url": "com.example.shop", "wap_name": "晨曦咖啡"}
    status, _ = await answer(till, H5 | {"h5_info": scene})
    assert status == 201
    (known,) = till.wechat.books.values()
    assert known.order.scene == H5Scene(H5Type.ANDROID, "com.example.shop", "晨曦咖啡")


async def test_an_h5_address_is_renewed_after_five_minutes_under_the_same_number(till: Till) -> None:
    _, first = await answer(till, H5)
    till.clock.advance(minutes=4)
    assert (await answer(till, H5))[1]["h5_url"] == first["h5_url"]
    till.clock.advance(minutes=1)
    async with counter(till) as client:
        seen = (await client.get(f"/v1/orders/{first['id']}")).json()
    assert "h5_url" not in seen
    status, again = await answer(till, H5)
    assert (status, again["id"]) == (200, first["id"])
    assert again["h5_url"] != first["h5_url"]
    assert len(till.wechat.books) == 1


async def test_the_codes_and_addresses_of_an_order_are_shown_while_they_pay(till: Till) -> None:
    _, order = await answer(till, NATIVE)
    async with counter(till) as client:
        shown = (await client.get(f"/v1/orders/{order['id']}")).json()
        assert shown["code_url"] == order["code_url"]
        till.wechat.pay(order["out_trade_no"], till.clock.now())
        till.clock.advance(seconds=5)
        await client.post(f"/v1/orders/{order['id']}/sync", json={})
        assert "code_url" not in (await client.get(f"/v1/orders/{order['id']}")).json()


async def test_h5_without_a_phone_is_made_for_whoever_calls(till: Till) -> None:
    status, order = await answer(till, BODY | {"trade_type": "H5"})
    assert (status, order["h5_url"][:8]) == (201, "https://")
    (known,) = till.wechat.books.values()
    assert known.order.payer_ip == "203.0.113.9"


async def test_O04_the_same_number_with_another_phone_or_scene_is_a_conflict(till: Till) -> None:
    await answer(till, H5)
    status, problem = await answer(till, H5 | {"payer_ip": "198.51.100.24"})
    assert (status, problem["code"]) == (422, "idempotency_conflict")
    assert [fault["pointer"] for fault in problem["errors"]] == ["#/payer_ip"]
    scene = {"type": "Wap", "wap_url": "https://shop.example.com", "wap_name": "x"}
    _, problem = await answer(till, H5 | {"h5_info": scene})
    assert [fault["pointer"] for fault in problem["errors"]] == ["#/h5_info"]


REFUSED = {
    "jsapi without app": (BODY, "#/sub_appid", "missing"),
    "jsapi in an app": (JSAPI | {"sub_appid": APP}, "#/sub_appid", "kind_not_allowed"),
    "page without payer": (BODY | {"sub_appid": OFFICIAL}, "#/openid", "missing"),
    "native with payer": (NATIVE | {"openid": "o12345678"}, "#/openid", "not_allowed"),
    "native with code": (NATIVE | {"auth_code": CODE}, "#/auth_code", "not_allowed"),
    "app without app": (BODY | {"trade_type": "APP"}, "#/sub_appid", "missing"),
    "app in a mini-program": (IN_APP | {"sub_appid": MINI}, "#/sub_appid", "kind_not_allowed"),
    "app with a phone": (IN_APP | {"payer_ip": PHONE}, "#/payer_ip", "not_allowed"),
    "h5 from our own machine": (H5 | {"payer_ip": "127.0.0.1"}, "#/payer_ip", "invalid_format"),
    "h5 from nowhere": (H5 | {"payer_ip": "phone"}, "#/payer_ip", "invalid_format"),
    "h5 scene half": (H5 | {"h5_info": {"type": "Wap"}}, "#/h5_info", "invalid_format"),
    "h5 scene of a kind nobody has": (
        H5 | {"h5_info": {"type": "Web", "wap_url": "https://a.example", "wap_name": "a"}},
        "#/h5_info",
        "invalid_format",
    ),
    "h5 scene with a query": (
        H5 | {"h5_info": {"type": "Wap", "wap_url": "https://a.example/?x=1", "wap_name": "a"}},
        "#/h5_info/wap_url",
        "invalid_value",
    ),
    "code missing": (BODY | {"trade_type": "MICROPAY"}, "#/auth_code", "missing"),
    "code of another purse": (
        MICROPAY | {"auth_code": "28" + CODE[2:]},
        "#/auth_code",
        "invalid_format",
    ),
    "jsapi with a scene": (
        JSAPI | {"h5_info": {"type": "Wap", "wap_url": "https://a.example", "wap_name": "a"}},
        "#/h5_info",
        "not_allowed",
    ),
    "app of nobody": (NATIVE | {"sub_appid": "wx" + "0" * 16}, "#/sub_appid", "not_bound"),
}


async def test_S1_20_what_does_not_fit_a_way_to_pay_is_refused_with_field_cause_and_fix(till: Till) -> None:
    for name, (body, pointer, code) in REFUSED.items():
        status, problem = await answer(till, body)
        assert (status, problem["code"]) == (422, "invalid_request"), name
        assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [(pointer, code)], name
        assert problem["errors"][0]["detail"], name
        # A refused payment code is nowhere in the answer.
        assert CODE[2:] not in str(problem), name
    assert not till.wechat.calls


async def test_everything_that_does_not_fit_is_listed_at_once(till: Till) -> None:
    _, problem = await answer(till, BODY | {"trade_type": "APP", "openid": "o1", "payer_ip": PHONE})
    assert {fault["pointer"] for fault in problem["errors"]} == {"#/sub_appid", "#/openid", "#/payer_ip"}


async def test_the_code_of_a_native_order_is_drawn_here(till: Till) -> None:
    _, order = await answer(till, NATIVE)
    async with counter(till) as client:
        drawn = await client.get(f"/v1/orders/{order['id']}/qr.svg")
        foreign = await client.get(f"/v1/orders/{order['id']}/qr.svg", headers={"x-test-tenant": "1"})
    assert drawn.status_code == 200
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert drawn.text.startswith("<svg")
    assert "script" not in drawn.text
    assert foreign.status_code == 404


async def test_an_old_code_is_renewed_before_it_is_drawn(till: Till) -> None:
    _, order = await answer(till, NATIVE | {"expires_in": 86400})
    till.clock.advance(hours=2)
    async with counter(till) as client:
        assert (await client.get(f"/v1/orders/{order['id']}/qr.svg")).status_code == 200
    assert till.wechat.books[order["out_trade_no"]].prepays == 2


@pytest.mark.parametrize("state", ["jsapi", "paid", "expired"])
async def test_there_is_no_code_for_what_cannot_be_scanned(till: Till, state: str) -> None:
    _, order = await answer(till, JSAPI if state == "jsapi" else NATIVE)
    if state == "paid":
        till.wechat.pay(order["out_trade_no"], till.clock.now())
        await till.run_healing(times=1, minutes=2)
    elif state == "expired":
        till.clock.advance(minutes=31)
    async with counter(till) as client:
        refused = await client.get(f"/v1/orders/{order['id']}/qr.svg")
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert refused.json()["order"]["id"] == order["id"]


async def test_every_way_costs_what_a_mini_program_order_costs(till: Till) -> None:
    await till.placed("warm")
    for trade_type in (TradeType.NATIVE, TradeType.APP, TradeType.H5):
        changes: dict[str, Any] = {
            "trade_type": trade_type,
            "openid": None,
            "sub_appid": AppId(APP),
            "payer_ip": PHONE if trade_type is TradeType.H5 else None,
        }
        with counted(till.database) as cost:
            placed = await till.orders.place(till.caller, wanted(trade_type, **changes), peer=PEER)
        assert placed.order.status is OrderStatus.PENDING
        assert (cost.commits, len(cost.statements)) == (2, 6), cost.statements
