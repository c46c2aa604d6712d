"""pay.js in Node, with a fake `wx`, against the real API and the simulator (B-14, S1-28, S2-01)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.kit.conftest import Phone
from tests.support.installation import COFFEE, COFFEE_APP, FLOWERS, Installation

LATTE = {"priceCode": "latte", "quantity": 2}

SESSION = {
    "statusCode": 201,
    "header": {},
    "data": {"token": "wst_t", "expires_at": "2099-01-01T00:00:00+08:00"},
}
PARAMS = {"timeStamp": "1", "nonceStr": "n", "package": "prepay_id=x", "signType": "MD5", "paySign": "s"}
MADE = {
    "statusCode": 201,
    "header": {},
    "data": {"id": "ord_1", "status": "pending", "pay_params": PARAMS},
}
"""Answers in place of the server's, for what it cannot be brought to say in a test."""


def shelf_name(house: Installation) -> str:
    return f"wxsp.session.{house.tenants[COFFEE].id}.{COFFEE_APP}"


def served(house: Installation, **fields: Any) -> str:
    """An order that the merchant's server made."""
    order_id: str = house.order(COFFEE, trade_type="JSAPI", sub_appid=COFFEE_APP, **fields)["id"]
    return order_id


def test_a_price_is_paid_and_the_server_decides_the_amount(phone: Phone, house: Installation) -> None:
    ran = phone(["pay", LATTE], cashier="pays")

    assert (ran.only["status"], ran.only["userCanceledHint"]) == ("paid", False)
    assert (ran.only["order"]["amount"], ran.only["order"]["source"]) == (2560, "miniprogram")
    assert (ran.log["logins"], ran.log["cashiers"]) == (1, 1)
    assert set(ran.log["timeouts"]) == {10_000}
    assert house.read(COFFEE, ran.only["order"]["id"])["status"] == "paid"


def test_an_order_of_the_merchants_server_is_paid(phone: Phone, house: Installation) -> None:
    order_id = served(house, amount=990)

    ran = phone(["pay", {"orderId": order_id}], ["pay", {"orderId": order_id}], cashier="pays")

    results = [outcome["value"] for (outcome,) in ran.outcomes]
    assert [(each["status"], each["order"]["amount"]) for each in results] == [("paid", 990)] * 2
    assert ran.log["cashiers"] == 1, "what is paid opens no cashier"


@pytest.mark.parametrize(
    ("cashier", "status", "hint"),
    [
        pytest.param("cancels", "pending", True, id="cancelled"),
        pytest.param("says ok only", "pending", False, id="S1-28 success without money"),
        pytest.param("pays but says fail", "paid", False, id="money in spite of fail"),
    ],
)
def test_S1_28_the_cashiers_word_is_never_trusted(
    phone: Phone, cashier: str, status: str, hint: bool
) -> None:
    ran = phone(["pay", LATTE], cashier=cashier)

    assert (ran.only["status"], ran.only["userCanceledHint"]) == (status, hint)
    assert ran.only["order"]["status"] == status
    asked = ran.asked("GET", "?wait=5")
    assert len(asked) == 3 if status == "pending" else 1 <= len(asked) <= 3


def test_the_same_order_can_be_paid_after_a_cancel(phone: Phone, house: Installation) -> None:
    order_id = served(house)
    assert phone(["pay", {"orderId": order_id}], cashier="cancels").only["status"] == "pending"

    assert phone(["pay", {"orderId": order_id}], cashier="pays").only["status"] == "paid"


def test_an_order_that_was_closed_says_so_without_a_cashier(phone: Phone) -> None:
    conflict = {"statusCode": 409, "header": {}, "data": {"code": "state_conflict", "detail": "x"}}
    closed = {"statusCode": 200, "header": {}, "data": {"id": "ord_1", "status": "closed"}}

    ran = phone(["pay", {"orderId": "ord_1"}], answers=[SESSION, conflict, closed])

    assert (ran.only["status"], ran.log["cashiers"]) == ("closed", 0)


def test_S2_01_an_ended_session_is_renewed_once_and_the_call_repeated_once(
    phone: Phone, house: Installation
) -> None:
    stranger = f"wst_{house.tenants[COFFEE].id.removeprefix('ten_')}{'x' * 43}"
    kept = {shelf_name(house): json.dumps({"token": stranger, "endsAt": 4_000_000_000_000})}

    ran = phone(["pay", LATTE], cashier="pays", kept=kept)

    assert (ran.only["status"], ran.log["logins"]) == ("paid", 1)
    assert len(ran.asked("POST", "/orders")) == 2
    assert stranger not in ran.shelf[shelf_name(house)]


def test_a_session_that_ends_by_the_clock_is_renewed_without_asking(
    phone: Phone, house: Installation
) -> None:
    kept = {shelf_name(house): json.dumps({"token": "wst_old", "endsAt": 1_000})}

    ran = phone(["login"], ["login"], kept=kept)

    assert ran.log["logins"] == 1
    assert [made["path"].rsplit("/", 1)[1] for made in ran.log["requests"]] == ["sessions"]


@pytest.mark.parametrize("kept_token", [None, "wst_nonsense"], ids=["no session", "an ended one"])
def test_ten_calls_at_once_cause_one_login(phone: Phone, house: Installation, kept_token: str | None) -> None:
    order_id = served(house)
    assert phone(["pay", {"orderId": order_id}], cashier="pays").log["logins"] == 1
    kept = {}
    if kept_token:
        kept[shelf_name(house)] = json.dumps({"token": kept_token, "endsAt": 4_000_000_000_000})

    ran = phone(*[["getOrder", order_id]] * 10, together=True, kept=kept)

    assert {outcome["value"]["id"] for outcome in ran.outcomes[0]} == {order_id}
    assert ran.log["logins"] == 1
    assert len(ran.asked("POST", "/sessions")) == 1


def test_a_session_that_is_refused_again_is_not_asked_for_for_ever(phone: Phone) -> None:
    expired = {"statusCode": 401, "header": {}, "data": {"code": "session_expired", "detail": "x"}}

    ran = phone(["getOrder", "ord_1"], answers=[SESSION, expired, SESSION, expired])

    assert ran.outcomes == [[{"error": {"code": "session_expired", "status": 401, "message": "x"}}]]
    assert ran.log["logins"] == 2


@pytest.mark.parametrize(
    ("dropped", "code"), [(2, None), (3, "network")], ids=["third try works", "gives up"]
)
def test_a_get_is_tried_three_times(
    phone: Phone, house: Installation, dropped: int, code: str | None
) -> None:
    kept = {shelf_name(house): json.dumps({"token": "wst_t", "endsAt": 4_000_000_000_000})}
    found = {"statusCode": 200, "header": {}, "data": {"id": "ord_1", "status": "pending"}}

    ran = phone(["getOrder", "ord_1"], drop=dropped, kept=kept, answers=[found])

    ((outcome,),) = ran.outcomes
    assert outcome.get("error", {}).get("code") == code
    assert len(ran.asked("GET", "ord_1")) == 3


def test_an_unknown_outcome_is_asked_for_until_there_is_something_to_pay(phone: Phone) -> None:
    unknown = {"statusCode": 202, "header": {}, "data": {"id": "ord_1", "status": "submitting"}}
    still = {"statusCode": 202, "header": {}, "data": {"order_id": "ord_1", "status": "submitting"}}
    paid = {"statusCode": 200, "header": {}, "data": {"id": "ord_1", "status": "paid"}}

    ran = phone(["pay", LATTE], cashier="says ok only", answers=[SESSION, unknown, still, MADE, paid])

    assert (ran.only["status"], ran.log["cashiers"]) == ("paid", 1)
    assert len(ran.asked("POST", "/orders/ord_1/pay")) == 2
    assert len([made for made in ran.log["requests"] if made["path"].endswith("/orders")]) == 1


def test_a_post_is_repeated_only_with_its_key_and_makes_one_order(phone: Phone, house: Installation) -> None:
    kept = phone(["login"]).shelf
    data = {"price_code": "latte", "quantity": 1}
    call = {"method": "POST", "path": "/orders", "data": data}

    without = phone(["request", call], lose=1, kept=kept)
    ran = phone(["pay", LATTE | {"quantity": 7}], lose=1, cashier="pays", kept=kept)

    assert without.outcomes[0][0]["error"]["code"] == "network"
    assert len(without.asked("POST", "/orders")) == 1
    first, second = ran.asked("POST", "/orders")
    assert first["key"] == second["key"] is not None
    assert ran.only["status"] == "paid"
    listed = house.call("GET", "/v1/orders?limit=100", house.tenants[COFFEE].key).json()["data"]
    assert sum(order["amount"] == 7 * 1280 for order in listed) == 1


def test_a_second_tap_joins_the_first(phone: Phone) -> None:
    ran = phone(["pay", LATTE], ["pay", LATTE], together=True, cashier="pays")

    one, other = (outcome["value"]["order"]["id"] for outcome in ran.outcomes[0])
    assert one == other
    assert ran.log["cashiers"] == 1


def test_after_the_cashier_nothing_is_lost_when_the_network_is_gone(phone: Phone) -> None:
    down = {"statusCode": 503, "header": {}, "data": ""}

    ran = phone(["pay", LATTE], cashier="says ok only", answers=[SESSION, MADE, down, down, down])

    assert ran.only == {"status": "pending", "userCanceledHint": False, "order": None}


def test_refusals_carry_the_apis_words(phone: Phone) -> None:
    ran = phone(["pay", {"priceCode": "tea"}], ["pay", {}], ["pay", LATTE | {"orderId": "ord_1"}])

    codes = [outcome["error"]["code"] for (outcome,) in ran.outcomes]
    assert codes == ["invalid_request", "invalid_argument", "invalid_argument"]


def test_a_kit_in_the_wrong_mini_program_says_so(phone: Phone) -> None:
    ran = phone(["login"], running="wx0000000000000000")

    error = ran.outcomes[0][0]["error"]
    assert error["code"] == "wrong_appid"
    assert COFFEE_APP in error["message"]


def test_O07_somebody_elses_order_is_no_order(phone: Phone, house: Installation) -> None:
    foreign = house.order(FLOWERS)["id"]

    ran = phone(["pay", {"orderId": foreign}])

    assert ran.outcomes[0][0]["error"]["status"] == 404
