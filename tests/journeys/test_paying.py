"""Paying, from login to event, over HTTP, against the simulator, on both databases."""

from __future__ import annotations

import pytest
from tests.support.installation import (
    COFFEE,
    COFFEE_APP,
    FLOWERS,
    MARKET,
    MARKET_APP,
    MERCHANT_APP,
    SHARED_APP,
    Installation,
    new_openid,
)


def test_a_mini_program_user_logs_in_orders_pays_and_the_merchant_is_told(house: Installation) -> None:
    """The seven steps of the second article (acceptance 5.4), with our own part in between."""
    openid = new_openid()
    mini = f"/v1/mini/{house.tenants[COFFEE].id}"
    token = house.log_in(COFFEE, COFFEE_APP, openid)
    assert house.call("GET", f"{mini}/session", token).status_code == 200

    placed = house.call("POST", f"{mini}/orders", token, {"price_code": "latte", "quantity": 2})
    assert placed.status_code == 201
    order = placed.json()
    assert (order["amount"], order["status"], order["source"]) == (2560, "pending", "miniprogram")
    params = order["pay_params"]
    assert list(params) == ["timeStamp", "nonceStr", "package", "signType", "paySign"]
    assert {type(value) for value in params.values()} == {str}

    paid = house.control(
        "pay",
        {
            "prepay_id": params["package"].removeprefix("prepay_id="),
            "openid": openid,
            "outcome": "success",
            "pay_params": params,
            "appid": COFFEE_APP,
        },
    )

    seen = house.until(COFFEE, order["id"], "paid")
    assert seen["transaction_id"] == paid["transaction_id"]
    assert [attempt["ok"] for attempt in house.until_notified(order["out_trade_no"])] == [True]
    own = house.call("GET", f"{mini}/orders/{order['id']}?wait=5", token)
    assert own.json()["status"] == "paid"
    (event,) = house.events(COFFEE, order["id"])
    assert (event["type"], event["sequence"], event["data"]["status"]) == ("payment.succeeded", 1, "paid")
    kinds = [
        entry["kind"]
        for entry in house.call(
            "GET", f"/v1/orders/{order['id']}/timeline", house.tenants[COFFEE].key
        ).json()["data"]
    ]
    assert {"order.created", "gateway.call", "notify.received", "order.status_changed"} <= set(kinds)


def test_the_merchants_server_orders_and_the_mini_program_only_pays(house: Installation) -> None:
    order = house.order(COFFEE, trade_type="JSAPI", sub_appid=COFFEE_APP, amount=990)
    assert order["status"] == "created"
    assert "pay_params" not in order
    openid, stranger = new_openid(), new_openid()
    token, other = (house.log_in(COFFEE, COFFEE_APP, who) for who in (openid, stranger))
    pay = f"/v1/mini/{house.tenants[COFFEE].id}/orders/{order['id']}/pay"

    params = house.call("POST", pay, token).json()["pay_params"]

    assert house.call("POST", pay, other).status_code == 404
    house.control(
        "pay",
        {"prepay_id": params["package"].removeprefix("prepay_id="), "openid": openid, "outcome": "success"},
    )
    assert house.until(COFFEE, order["id"], "paid")["amount"] == 990


def test_a_code_on_a_poster_is_paid_by_whoever_scans_it(house: Installation) -> None:
    order = house.order(COFFEE, trade_type="NATIVE", amount=4200)
    assert order["code_url"].startswith("weixin://")
    house.control("pay", {"code_url": order["code_url"], "openid": new_openid(), "outcome": "success"})
    assert house.until(COFFEE, order["id"], "paid")["trade_type"] == "NATIVE"


@pytest.mark.parametrize(
    ("sub_mch_id", "app"),
    [
        pytest.param(COFFEE, COFFEE_APP, id="ordinary provider, HMAC-SHA256"),
        pytest.param(MARKET, MARKET_APP, id="bank, MD5"),
        pytest.param(None, MERCHANT_APP, id="plain merchant"),
    ],
)
def test_every_kind_of_provider_is_paid(house: Installation, sub_mch_id: str | None, app: str) -> None:
    openid = new_openid()
    token = house.log_in(sub_mch_id, app, openid)
    mini = f"/v1/mini/{house.tenants[sub_mch_id].id}/orders"
    order = house.call("POST", mini, token, {"price_code": "latte", "quantity": 1}).json()
    house.control(
        "pay",
        {
            "out_trade_no": order["out_trade_no"],
            "openid": openid,
            "outcome": "success",
            "pay_params": order["pay_params"],
            "appid": app,
        },
    )
    house.until(sub_mch_id, order["id"], "paid")

    (booked,) = house.books(order["out_trade_no"])["orders"]
    assert (booked["sub_mch_id"], booked["total_fee"]) == (sub_mch_id, 1280)


def test_one_mini_program_of_the_provider_serves_two_tenants(house: Installation) -> None:
    """S1-39; and a session at one of them is worth nothing at the other (O08)."""
    openid = new_openid()
    orders = {}
    for tenant in (COFFEE, FLOWERS):
        token = house.log_in(tenant, SHARED_APP, openid)
        path = f"/v1/mini/{house.tenants[tenant].id}/orders"
        order = house.call("POST", path, token, {"price_code": "latte", "quantity": 1}).json()
        house.control("pay", {"out_trade_no": order["out_trade_no"], "outcome": "success"})
        house.until(tenant, order["id"], "paid")
        orders[tenant] = (token, order)

    (booked,) = house.books(orders[FLOWERS][1]["out_trade_no"])["payments"]
    assert booked["sub_mch_id"] == FLOWERS
    token_at_coffee = orders[COFFEE][0]
    elsewhere = f"/v1/mini/{house.tenants[FLOWERS].id}"
    assert house.call("GET", f"{elsewhere}/session", token_at_coffee).status_code == 404
    path = f"{elsewhere}/orders/{orders[FLOWERS][1]['id']}"
    assert house.call("GET", path, token_at_coffee).status_code == 404


def test_ordering_again_gives_the_same_order_and_never_a_second_charge(house: Installation) -> None:
    """Failure catalogue 2.1."""
    number = f"SAME{new_openid()[1:9].replace('-', 'x')}"
    first = house.order(COFFEE, merchant_order_no=number)
    again = house.try_order(COFFEE, merchant_order_no=number)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])

    other = house.try_order(COFFEE, merchant_order_no=number, amount=1281)
    assert other.status_code == 422
    assert (other.json()["code"], [e["pointer"] for e in other.json()["errors"]]) == (
        "idempotency_conflict",
        ["#/amount"],
    )

    house.control("pay", {"code_url": first["code_url"], "openid": new_openid(), "outcome": "success"})
    house.until(COFFEE, first["id"], "paid")
    late = house.try_order(COFFEE, merchant_order_no=number)
    assert (late.status_code, late.json()["code"]) == (409, "state_conflict")
    assert late.json()["order"]["status"] == "paid"
    assert len(house.books(first["out_trade_no"])["payments"]) == 1
