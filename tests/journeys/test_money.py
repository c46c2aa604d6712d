"""The life of money over the real API: every way to pay, refunds, second and late payments, races.

All tests of a database share one street; whenever its last test is over the three ledgers are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.support import ledgers
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import (
    COFFEE,
    COFFEE_APP,
    COFFEE_PAGE,
    COFFEE_PHONE,
    FLOWERS,
    new_openid,
)
from tests.support.street import Street, street
from tests.support.wires import State

PHONE_IP = "203.0.113.77"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """A street in which the coffee shop wants second payments to go back by themselves."""
    folder = tmp_path_factory.mktemp("money")
    url = sqlite_url(folder) if request.param == "sqlite" else postgres_url()
    with street(folder, url, wishes={COFFEE: {"refunds_double_payments": True}}) as opened:
        opened.failing = lambda event_id, before: before == 0 and event_id[-1] in "02468"
        yield opened
        opened.settle()
        ledgers.compare(opened)


@pytest.fixture(autouse=True)
def no_faults_left(at: Street) -> Iterator[None]:
    yield
    at.house.clear_faults()


def types_of(at: Street, sub_mch_id: str, order_id: str) -> list[str]:
    """Return the events of an order and of its refunds, the oldest first."""
    found = [
        event
        for event in at.every(sub_mch_id, "/v1/events")
        if order_id in (event["data"]["id"], event["data"].get("order", {}).get("id"))
    ]
    return [event["type"] for event in sorted(found, key=lambda event: event["sequence"])]


def anomalies_of(at: Street, sub_mch_id: str, order_id: str) -> dict[str, str]:
    found = at.every(sub_mch_id, "/v1/anomalies")
    return {one["kind"]: one["state"] for one in found if one["order_id"] == order_id}


def give_back(at: Street, order: dict[str, Any], amount: int) -> Any:
    """Refund and wait until WeChat is done with it and has said so."""
    answer = at.refund(COFFEE, order["id"], amount)
    assert answer.status_code == 201, answer.text
    path = f"/v1/refunds/{answer.json()['id']}"
    at.wait_for(lambda: at.get(COFFEE, path)["status"] == "succeeded")
    return at.get(COFFEE, path)


# --- ways to pay ----------------------------------------------------------------------------------


def by_code_url(at: Street) -> Any:
    order = at.house.order(COFFEE, trade_type="NATIVE")
    at.house.control("pay", {"code_url": order["code_url"], "openid": new_openid()})
    return order


def in_an_app(at: Street) -> Any:
    order = at.house.order(COFFEE, trade_type="APP", sub_appid=COFFEE_PHONE)
    assert order["pay_params"]["package"] == "Sign=WXPay"
    at.pay(order["out_trade_no"], openid=new_openid(), pay_params=order["pay_params"])
    return order


def in_a_browser(at: Street) -> Any:
    """The browser follows h5_url to WeChat's page, and the payer presses its button."""
    order = at.house.order(COFFEE, trade_type="H5", payer_ip=PHONE_IP)
    page = httpx.get(order["h5_url"], trust_env=False)
    assert page.status_code == 200
    assert "12.80" in page.text
    done = httpx.post(order["h5_url"], data={"action": "pay"}, trust_env=False)
    assert done.status_code < 400, done.text
    return order


def on_an_official_account_page(at: Street) -> Any:
    openid = new_openid()
    order = at.house.order(COFFEE, trade_type="JSAPI", sub_appid=COFFEE_PAGE, openid=openid)
    assert order["pay_params"]["appId"] == COFFEE_PAGE
    at.pay(order["out_trade_no"], openid=openid, pay_params=order["pay_params"], appid=COFFEE_PAGE)
    return order


def in_a_mini_program(at: Street) -> Any:
    openid = new_openid()
    order = at.house.order(COFFEE, trade_type="JSAPI", sub_appid=COFFEE_APP, openid=openid)
    assert "appId" not in order["pay_params"]
    at.pay(order["out_trade_no"], openid=openid, pay_params=order["pay_params"], appid=COFFEE_APP)
    return order


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(by_code_url, id="NATIVE"),
        pytest.param(in_an_app, id="APP"),
        pytest.param(in_a_browser, id="H5"),
        pytest.param(on_an_official_account_page, id="JSAPI in an official account"),
        pytest.param(in_a_mini_program, id="JSAPI in a mini-program"),
    ],
)
def test_S1_20_every_way_to_pay_ends_paid_and_is_given_back_in_parts(at: Street, way: Any) -> None:
    order = way(at)
    at.house.until(COFFEE, order["id"], "paid")

    for amount, after in ((300, "partial"), (500, "partial"), (480, "full")):
        assert give_back(at, order, amount)["amount"] == amount
        assert at.house.read(COFFEE, order["id"])["refund_status"] == after

    seen = at.house.read(COFFEE, order["id"])
    assert (seen["refunded_amount"], seen["refunding_amount"]) == (1280, 0)
    more = at.refund(COFFEE, order["id"], 1)
    assert (more.status_code, more.json()["code"]) == (422, "amount_exceeds_refundable")
    assert types_of(at, COFFEE, order["id"]) == ["payment.succeeded", *["refund.succeeded"] * 3]


def test_a_payment_code_is_paid_at_once(at: Street) -> None:
    answer = at.house.try_order(COFFEE, trade_type="MICROPAY", auth_code=at.auth_code())
    assert (answer.status_code, answer.json()["status"]) == (201, "paid")
    order = answer.json()
    assert types_of(at, COFFEE, order["id"]) == ["payment.succeeded"]
    assert give_back(at, order, 1280)["status"] == "succeeded"


def test_a_payer_who_types_the_password_pays(at: Street) -> None:
    """Above 1000 yuan WeChat asks for it; the order waits and healing sees what the payer did."""
    answer = at.house.try_order(COFFEE, trade_type="MICROPAY", amount=123_456, auth_code=at.auth_code())
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    order = answer.json()
    at.later(seconds=6)
    at.work()
    assert at.house.read(COFFEE, order["id"])["status"] == "pending"

    at.pay(order["out_trade_no"])
    at.later(seconds=8)
    at.work()

    assert at.house.read(COFFEE, order["id"])["status"] == "paid"


def test_a_payer_who_never_types_is_not_charged_and_the_order_is_reversed(at: Street) -> None:
    code = at.auth_code("userpaying")
    order = at.house.try_order(COFFEE, trade_type="MICROPAY", auth_code=code).json()
    for _ in range(8):
        at.later(seconds=10)
        at.work()

    assert at.house.read(COFFEE, order["id"])["status"] == "revoked"
    (theirs,) = at.house.books(order["out_trade_no"])["orders"]
    assert theirs["trade_state"] == "REVOKED"
    assert types_of(at, COFFEE, order["id"]) == ["order.revoked"]


@pytest.mark.parametrize("took_effect", [True, False])
def test_a_reversal_that_wechat_wants_repeated_is_repeated(at: Street, took_effect: bool) -> None:
    code = at.auth_code("userpaying")
    order = at.house.try_order(COFFEE, trade_type="MICROPAY", auth_code=code).json()
    at.later(seconds=50)
    at.fault("/secapi/pay/reverse", "recall", with_effect=took_effect)
    at.post(COFFEE, f"/v1/orders/{order['id']}/close")

    at.settle()

    assert at.house.read(COFFEE, order["id"])["status"] == "revoked"


def test_G02_a_charge_that_arrives_late_is_not_given_up_too_soon(at: Street) -> None:
    """WeChat does not know the number at first; one such answer does not mean that it never will."""
    with at.plain.being(State.KEEPING):
        answer = at.house.try_order(COFFEE, trade_type="MICROPAY", auth_code=at.auth_code())
    assert (answer.status_code, answer.json()["status"]) == (202, "submitting")
    order = answer.json()
    at.later(seconds=12)
    at.work()
    assert at.house.read(COFFEE, order["id"])["status"] == "submitting"

    assert b"<result_code><![CDATA[SUCCESS]]>" in at.plain.bring()
    at.settle()

    seen = at.house.read(COFFEE, order["id"])
    assert (seen["status"], seen["anomaly"]) == ("paid", None)
    assert types_of(at, COFFEE, order["id"]) == ["payment.succeeded"]


# --- what others did, and what came too late ------------------------------------------------------


def test_F10_a_refund_made_at_wechats_own_console_is_found_and_told(at: Street) -> None:
    order = at.paid_order(COFFEE)
    give_back(at, order, 200)  # WeChat tells of console refunds where it told of the last one

    at.house.control("refunds", {"out_trade_no": order["out_trade_no"], "amount": 380, "reason": "线下退款"})
    at.wait_for(lambda: len(at.house.books(order["out_trade_no"])["refunds"]) == 2)
    for _ in range(4):
        at.later(seconds=40)
        at.work()

    seen = at.house.read(COFFEE, order["id"])
    assert (seen["refunded_amount"], seen["refund_status"]) == (580, "partial")
    ours = [r for r in at.every(COFFEE, "/v1/refunds") if r["order_id"] == order["id"]]
    assert sorted((refund["source"], refund["amount"]) for refund in ours) == [
        ("api_key", 200),
        ("wechat", 380),
    ]
    assert types_of(at, COFFEE, order["id"]).count("refund.succeeded") == 2
    assert at.refund(COFFEE, order["id"], 701).json()["code"] == "amount_exceeds_refundable"


def test_B05_a_second_payment_goes_back_by_itself_where_the_tenant_asked_for_that(at: Street) -> None:
    order = at.paid_order(COFFEE)
    second = at.pay(order["out_trade_no"], again=True)
    assert second["transaction_id"] != order["transaction_id"]
    at.wait_for(lambda: anomalies_of(at, COFFEE, order["id"]) == {"double_payment": "open"})

    at.settle()

    seen = at.house.read(COFFEE, order["id"])
    assert (seen["transaction_id"], seen["refunded_amount"]) == (order["transaction_id"], 0)
    assert seen["anomaly"] is None
    assert anomalies_of(at, COFFEE, order["id"]) == {"double_payment": "resolved"}
    (theirs,) = at.house.books(order["out_trade_no"])["refunds"]
    assert (theirs["transaction_id"], theirs["amount"]) == (second["transaction_id"], order["amount"])


def test_B05_a_second_payment_waits_for_a_person_where_nobody_asked_for_anything(at: Street) -> None:
    order = at.paid_order(FLOWERS)
    at.pay(order["out_trade_no"], again=True)
    at.wait_for(lambda: anomalies_of(at, FLOWERS, order["id"]) == {"double_payment": "open"})

    at.settle()

    seen = at.house.read(FLOWERS, order["id"])
    assert (seen["status"], seen["transaction_id"], seen["anomaly"]) == (
        "paid",
        order["transaction_id"],
        "double_payment",
    )
    assert at.house.books(order["out_trade_no"])["refunds"] == []


def test_Z04_money_that_comes_between_the_last_query_and_the_close_wins(at: Street) -> None:
    order = at.house.order(COFFEE)
    at.later(minutes=6)
    at.fault("notify", "lose", times=20)
    at.fault("/pay/closeorder", "delay", ms=1500, when="before")

    with ThreadPoolExecutor(1) as merchant:
        closing = merchant.submit(at.post, COFFEE, f"/v1/orders/{order['id']}/close")
        at.wait_for(lambda: not at.is_ordered("/pay/closeorder"))
        at.pay(order["out_trade_no"], openid=new_openid())
        answer = closing.result()

    assert (answer.status_code, answer.json()["status"]) == (200, "paid")
    assert types_of(at, COFFEE, order["id"]) == ["payment.succeeded"]


def test_Z05_money_for_an_order_we_closed_is_taken_in_as_late(at: Street) -> None:
    """What makes the order is held up on its way, long enough for the merchant to give up."""
    with at.plain.being(State.KEEPING):
        answer = at.house.try_order(FLOWERS, expires_in=7200)
    assert (answer.status_code, answer.json()["status"]) == (202, "submitting")
    order = answer.json()
    at.post(FLOWERS, f"/v1/orders/{order['id']}/close")
    at.later(minutes=6)
    at.work()
    assert at.house.read(FLOWERS, order["id"])["status"] == "closed"

    assert b"<![CDATA[SUCCESS]]>" in at.plain.bring()
    at.pay(order["out_trade_no"], openid=new_openid())

    assert at.house.until(FLOWERS, order["id"], "paid")["anomaly"] == "late_payment"
    assert types_of(at, FLOWERS, order["id"]) == ["order.closed", "payment.succeeded"]
    late = [e["data"].get("late") for e in at.house.events(FLOWERS, order["id"]) if e["sequence"] == 2]
    assert late == [True]


def test_Z01_Z11_what_overtakes_its_answer_is_believed(at: Street) -> None:
    at.fault("/pay/unifiedorder", "pay_before_answer", ms=200)
    placed = at.house.try_order(COFFEE)
    assert placed.status_code in {201, 202}, placed.text
    order = placed.json()
    assert at.house.until(COFFEE, order["id"], "paid")["anomaly"] is None

    at.fault("/secapi/pay/refund", "settle_before_answer", ms=200)
    answer = at.refund(COFFEE, order["id"], 700)

    assert answer.status_code == 201, answer.text
    path = f"/v1/refunds/{answer.json()['id']}"
    at.wait_for(lambda: at.get(COFFEE, path)["status"] == "succeeded")
    assert at.house.read(COFFEE, order["id"])["refunded_amount"] == 700


def test_O10_another_attempt_is_payable_only_once_the_one_before_is_closed(at: Street) -> None:
    order = at.house.order(COFFEE)
    at.later(minutes=6)

    changed = at.post(COFFEE, f"/v1/orders/{order['id']}/attempts", {"amount": 990})

    assert changed.status_code == 201, changed.text
    again = changed.json()
    assert (again["id"], again["amount"]) == (order["id"], 990)
    (old,) = at.house.books(order["out_trade_no"])["orders"]
    assert old["trade_state"] == "CLOSED"
    at.pay(again["out_trade_no"], openid=new_openid())
    assert at.house.until(COFFEE, order["id"], "paid")["amount"] == 990


def test_O10_money_for_the_old_price_that_is_faster_than_the_change_counts(at: Street) -> None:
    order = at.house.order(COFFEE)
    at.later(minutes=6)
    at.fault("notify", "lose", times=20)
    at.fault("/pay/closeorder", "delay", ms=1500, when="before")

    with ThreadPoolExecutor(1) as merchant:
        path, body = f"/v1/orders/{order['id']}/attempts", {"amount": 990}
        changing = merchant.submit(at.post, COFFEE, path, body)
        at.wait_for(lambda: not at.is_ordered("/pay/closeorder"))
        at.pay(order["out_trade_no"], openid=new_openid())
        answer = changing.result()

    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    seen = at.house.read(COFFEE, order["id"])
    assert (seen["status"], seen["amount"], seen["out_trade_no"]) == ("paid", 1280, order["out_trade_no"])


def test_F06_a_short_balance_holds_the_refund_until_there_is_money(at: Street) -> None:
    order = at.paid_order(FLOWERS)
    balance = {"mch_id": at.house.document["providers"][0]["mch_id"], "sub_mch_id": FLOWERS}
    at.house.control("balances", balance | {"amount": 0})

    answer = at.refund(FLOWERS, order["id"], 600)

    assert (answer.status_code, answer.json()["status"]) == (202, "submitting")
    assert answer.json()["wechat"]["code"] == "NOTENOUGH"
    assert anomalies_of(at, FLOWERS, order["id"]) == {"refund_short": "open"}
    assert at.house.read(FLOWERS, order["id"])["refunding_amount"] == 600
    at.house.control("balances", balance | {"amount": None})
    at.settle()
    assert at.get(FLOWERS, f"/v1/refunds/{answer.json()['id']}")["status"] == "succeeded"
    assert anomalies_of(at, FLOWERS, order["id"]) == {"refund_short": "resolved"}


def test_F06_a_refund_that_does_not_reach_the_payer_is_shown_until_wechat_ends_it(at: Street) -> None:
    order = at.paid_order(FLOWERS)
    at.house.control("settlement", {"auto": False})
    answer = at.refund(FLOWERS, order["id"], 600)
    number = answer.json()["out_refund_no"]
    at.house.control(f"refunds/{number}", {"status": "CHANGE"})
    path = f"/v1/refunds/{answer.json()['id']}"
    at.wait_for(lambda: at.get(FLOWERS, path)["status"] == "abnormal")
    assert anomalies_of(at, FLOWERS, order["id"]) == {"refund_abnormal": "open"}
    assert at.house.read(FLOWERS, order["id"])["refunding_amount"] == 600

    at.house.control(f"refunds/{number}", {"status": "REFUNDCLOSE"})
    at.house.control("settlement", {"auto": True})
    at.wait_for(lambda: at.get(FLOWERS, path)["status"] == "closed")

    assert at.house.read(FLOWERS, order["id"])["refunding_amount"] == 0
    assert anomalies_of(at, FLOWERS, order["id"]) == {"refund_abnormal": "resolved"}
    assert types_of(at, FLOWERS, order["id"]) == ["payment.succeeded", "refund.abnormal", "refund.closed"]
