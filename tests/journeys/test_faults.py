"""What goes wrong between WeChat and us, and how it ends (failure catalogue groups N, B, G and 2.4)."""

from __future__ import annotations

import httpx
import pytest
from tests.support.installation import COFFEE, FLOWERS, Installation, new_openid
from tests.support.later import healed


def pay(house: Installation, order: dict[str, str]) -> None:
    house.control("pay", {"code_url": order["code_url"], "openid": new_openid(), "outcome": "success"})


def lose_notification(house: Installation, order: dict[str, str]) -> None:
    """Have the order paid without our hearing of it."""
    house.control("faults", {"path": "notify", "kind": "lose", "times": 1})
    pay(house, order)
    house.until_notified(order["out_trade_no"])


def test_a_lost_notification_is_healed_by_asking(house: Installation) -> None:
    order = house.order(COFFEE)
    lose_notification(house, order)
    assert house.read(COFFEE, order["id"])["status"] == "pending"

    done = healed(house, minutes=2)

    assert done["healing"] >= 1
    assert house.read(COFFEE, order["id"])["status"] == "paid"
    assert len(house.events(COFFEE, order["id"])) == 1


def test_run_due_reports_what_it_did(house: Installation) -> None:
    assert set(house.ask("run-due", "--once")) >= {"outbox", "healing", "silence"}


def test_the_merchant_may_ask_at_once(house: Installation) -> None:
    order = house.order(COFFEE)
    lose_notification(house, order)

    answer = house.call("POST", f"/v1/orders/{order['id']}/sync", house.tenants[COFFEE].key)

    assert answer.json()["status"] == "paid"


@pytest.mark.parametrize("kind", ["wrong_signature", "missing_signature"])
def test_N01_a_notification_that_is_not_genuine_changes_nothing(house: Installation, kind: str) -> None:
    order = house.order(COFFEE)
    house.control("faults", {"path": "notify", "kind": kind, "times": 1})
    pay(house, order)

    first = house.until_notified(order["out_trade_no"])[0]

    assert first["ok"] is False
    assert "FAIL" in first["answer"]
    assert house.read(COFFEE, order["id"])["status"] == "pending"
    assert house.events(COFFEE, order["id"]) == []


def test_B03_a_notification_with_another_amount_never_confirms_an_order(house: Installation) -> None:
    order = house.order(COFFEE, amount=1280)
    house.control("faults", {"path": "notify", "kind": "wrong_amount", "total_fee": 1, "times": 1})
    pay(house, order)
    house.until_notified(order["out_trade_no"])

    seen = house.read(COFFEE, order["id"])

    assert (seen["status"], seen["anomaly"]) == ("pending", "amount_mismatch")
    assert house.events(COFFEE, order["id"]) == []


def test_B01_a_notification_with_another_tenants_identity_changes_no_order(house: Installation) -> None:
    mine, theirs = house.order(COFFEE), house.order(FLOWERS)
    house.control("faults", {"path": "notify", "kind": "other_tenant", "sub_mch_id": FLOWERS, "times": 1})
    pay(house, mine)
    house.until_notified(mine["out_trade_no"])

    assert house.read(COFFEE, mine["id"])["status"] == "pending"
    assert house.read(FLOWERS, theirs["id"])["status"] == "pending"
    assert house.read(FLOWERS, theirs["id"])["anomaly"] is None


def test_B02_a_genuine_notification_at_another_tenants_address_confirms_nothing(house: Installation) -> None:
    order = house.order(COFFEE)
    lose_notification(house, order)

    sent = house.control(f"notify/{order['out_trade_no']}", {"url": house.tenants[FLOWERS].notify_url})

    assert [attempt["ok"] for attempt in sent["attempts"]] == [False]
    assert house.read(COFFEE, order["id"])["status"] == "pending"


def test_Z02_fifty_copies_at_once_pay_once_and_are_all_acknowledged(house: Installation) -> None:
    order = house.order(COFFEE)
    lose_notification(house, order)

    sent = house.control(f"notify/{order['out_trade_no']}", {"copies": 50})

    assert [attempt["ok"] for attempt in sent["attempts"]] == [True] * 50
    assert house.read(COFFEE, order["id"])["status"] == "paid"
    assert len(house.events(COFFEE, order["id"])) == 1


@pytest.mark.parametrize(
    "kind", ["drop_answer_after_effect", "wrong_answer_signature", "http_502_html", "oversized_body"]
)
def test_G02_an_unclear_answer_leaves_the_order_open_until_asking_settles_it(
    house: Installation, kind: str
) -> None:
    house.control("faults", {"path": "/pay/unifiedorder", "kind": kind, "times": 1})

    answer = house.try_order(COFFEE)

    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "submitting"
    number, order_id = answer.json()["merchant_order_no"], answer.json()["id"]
    for minutes in range(2, 14, 2):
        if house.read(COFFEE, order_id)["status"] == "submitting":
            healed(house, minutes)
    again = house.try_order(COFFEE, merchant_order_no=number)
    assert (again.status_code, again.json()["status"]) == (200, "pending"), again.text
    assert again.json()["out_trade_no"] == answer.json()["out_trade_no"]
    pay(house, again.json())
    house.until(COFFEE, order_id, "paid")


def test_Z01_money_that_arrives_before_the_answer_stays(house: Installation) -> None:
    house.control("faults", {"path": "/pay/unifiedorder", "kind": "pay_before_answer", "times": 1, "ms": 300})
    answer = house.try_order(COFFEE)
    assert answer.status_code in {201, 202}, answer.text
    assert house.until(COFFEE, answer.json()["id"], "paid")["anomaly"] is None


def test_X01_a_broken_body_at_a_notify_address_is_answered_fail(house: Installation) -> None:
    url = house.tenants[COFFEE].notify_url
    for body in (b"", b"<xml>", b"<!DOCTYPE x []><xml><a>1</a></xml>", b"\xff\xfe", b"{}"):
        answer = httpx.post(url, content=body, trust_env=False)
        assert answer.status_code == 200
        assert b"FAIL" in answer.content
        assert b"SUCCESS" not in answer.content


def test_N13_a_notify_address_of_nobody_is_answered_fail(house: Installation) -> None:
    url = house.tenants[COFFEE].notify_url
    route_key = url.split("/")[5]
    answer = httpx.post(url.replace(route_key, route_key[::-1]), content=b"<xml></xml>", trust_env=False)
    assert b"FAIL" in answer.content
