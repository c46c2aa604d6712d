"""Refunds by API v3: rules, codes, states, and the one book for both generations (wechatpay-v3 4, 9)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from tests.support.simulated import BAKERY, COFFEE, MCH_ID, MERCHANT, asking, order
from tests.support.simulated_refunds_v3 import (
    NUMBER,
    REFUNDS,
    asking_refund,
    hold,
    pay,
    refund,
    refunding,
)
from tests.support.simulated_v3 import OAEP, V3Desk, direct, native

DAY_S = 86_400


async def refused(desk: V3Desk, body: Any) -> tuple[int, str]:
    return (await desk.fails("POST", REFUNDS, body))[:2]


async def decided(desk: V3Desk, status: str, number: str = "R000001") -> None:
    await desk.control(f"refunds/{number}", status=status)


async def test_an_accepted_refund_is_under_way_and_then_done(v3: V3Desk) -> None:
    paid = await pay(v3)
    made = await refund(v3, reason="不想要了")
    expected = {
        "out_refund_no": "R000001",
        "transaction_id": paid["transaction_id"],
        "out_trade_no": NUMBER,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "status": "PROCESSING",
        "funds_account": "UNSETTLED",
        "promotion_detail": [],
        "amount": {
            "total": 1280,
            "refund": 500,
            "from": [],
            "payer_total": 1280,
            "payer_refund": 500,
            "settlement_refund": 500,
            "settlement_total": 1280,
            "discount_refund": 0,
            "currency": "CNY",
        },
    }
    assert {name: made[name] for name in expected} == expected
    assert made.keys() - expected.keys() == {"refund_id", "create_time"}
    assert (made["refund_id"][:3], len(made["refund_id"])) == ("503", 29)
    assert made["create_time"].endswith("+08:00")
    await v3.control("settlement", after_s=0)
    found = await v3.ask("GET", asking_refund())
    assert found["status"] == "SUCCESS"
    assert found["success_time"] >= made["create_time"]
    assert (await v3.query(NUMBER))["trade_state"] == "REFUND"


async def test_it_may_name_wechats_number_or_both(v3: V3Desk) -> None:
    paid = await pay(v3)
    number = paid["transaction_id"]
    made = await refund(v3, "R1", amount=1, out_trade_no=None, transaction_id=number)
    assert made["out_trade_no"] == NUMBER
    await refund(v3, "R2", amount=1, transaction_id=number)
    await pay(v3, "T0000002")
    both = refunding("R3", "T0000002", transaction_id=number)
    assert await refused(v3, both) == (400, "INVALID_REQUEST")
    assert await refused(v3, refunding("R3", out_trade_no=None)) == (400, "PARAM_ERROR")


async def test_the_same_number_is_the_same_refund(v3: V3Desk) -> None:
    await hold(v3)
    await pay(v3)
    made = await refund(v3)
    assert await refund(v3) == made
    assert await refused(v3, refunding(amount=501)) == (400, "INVALID_REQUEST")
    other_total = {"refund": 500, "total": 1281, "currency": "CNY"}
    assert await refused(v3, refunding() | {"amount": other_total}) == (400, "INVALID_REQUEST")
    await pay(v3, "T0000002")
    assert await refused(v3, refunding(number="T0000002")) == (400, "INVALID_REQUEST")
    assert len((await v3.ledger())["refunds"]) == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"sub_mchid": None}, "PARAM_ERROR", "/sub_mchid"),
        ({"out_refund_no": None}, "PARAM_ERROR", "/out_refund_no"),
        ({"out_refund_no": "R#1"}, "PARAM_ERROR", "/out_refund_no"),
        ({"out_refund_no": "R" * 65}, "PARAM_ERROR", "/out_refund_no"),
        ({"reason": "退" * 27}, "PARAM_ERROR", "/reason"),
        ({"reason": "🍞"}, "PARAM_ERROR", "/reason"),
        ({"notify_url": "http://127.0.0.1:9/n?a=1"}, "PARAM_ERROR", "/notify_url"),
        ({"funds_account": "BASIC"}, "PARAM_ERROR", "/funds_account"),
        ({"op_user_id": "1"}, "PARAM_ERROR", "/op_user_id"),
        ({"amount": {"refund": 0, "total": 1280, "currency": "CNY"}}, "PARAM_ERROR", "/amount/refund"),
        ({"amount": {"refund": "1", "total": 1280, "currency": "CNY"}}, "PARAM_ERROR", "/amount/refund"),
        ({"amount": {"refund": 1, "total": 1280}}, "PARAM_ERROR", "/amount/currency"),
        ({"amount": {"refund": 1, "total": 1280, "currency": "USD"}}, "PARAM_ERROR", "/amount/currency"),
        (
            {
                "amount": {
                    "refund": 2,
                    "total": 1280,
                    "currency": "CNY",
                    "from": [{"account": "AVAILABLE", "amount": 1}],
                }
            },
            "PARAM_ERROR",
            "/amount/from",
        ),
        ({"goods_detail": [{"merchant_goods_id": "1"}]}, "PARAM_ERROR", "/goods_detail/0/unit_price"),
    ],
)
async def test_what_is_wrong_is_named(
    refusing: V3Desk, changes: dict[str, Any], code: str, field: str
) -> None:
    right = refunding() | changes
    body = {name: value for name, value in right.items() if value is not None}
    assert await refusing.fails("POST", REFUNDS, body) == (400, code, field)


async def test_absent_unpaid_and_foreign_orders_do_not_exist(v3: V3Desk) -> None:
    absent = (404, "RESOURCE_NOT_EXISTS")
    assert await refused(v3, refunding()) == absent
    await v3.place("native", native(NUMBER))
    assert await refused(v3, refunding()) == absent
    await v3.control("pay", out_trade_no=NUMBER)
    assert await refused(v3, refunding(sub_mchid=BAKERY)) == absent
    assert await refused(v3, refunding(sub_mchid="1600000099")) == (403, "NO_AUTH")
    await refund(v3)
    assert (await v3.fails("GET", asking_refund(sub_mchid=BAKERY)))[:2] == absent
    assert (await v3.fails("GET", asking_refund("R9")))[:2] == absent
    assert await v3.fails("GET", f"{REFUNDS}/R000001") == (400, "PARAM_ERROR", "sub_mchid")


async def test_no_more_than_was_paid_within_a_year_in_fifty_parts(v3: V3Desk) -> None:
    await hold(v3)
    await pay(v3)
    rule = (400, "INVALID_REQUEST")
    assert await refused(v3, refunding(amount=1281)) == rule
    other_total = {"refund": 1, "total": 1281, "currency": "CNY"}
    assert await refused(v3, refunding() | {"amount": other_total}) == rule
    await refund(v3, "R1", amount=1000)
    assert await refused(v3, refunding("R2", amount=281)) == rule
    for part in range(2, 51):
        await refund(v3, f"R{part}", amount=1)
    assert await refused(v3, refunding("R51", amount=1)) == rule
    await decided(v3, "CLOSED", "R50")
    await refund(v3, "R51", amount=1)
    assert await refused(v3, refunding("R52", amount=1)) == rule


async def test_after_a_year_it_is_too_late(v3: V3Desk) -> None:
    await pay(v3)
    await v3.control("clock", advance_s=365 * DAY_S + 1)
    assert await refused(v3, refunding()) == (403, "TRADE_OVERDUE")


async def test_the_sub_merchant_must_have_the_money(v3: V3Desk) -> None:
    await pay(v3)
    await v3.control("balances", mch_id=MCH_ID, sub_mch_id=COFFEE, amount=499)
    assert await refused(v3, refunding()) == (403, "NOT_ENOUGH")
    await v3.control("balances", mch_id=MCH_ID, sub_mch_id=COFFEE, amount=500)
    await refund(v3)


async def test_G09_both_generations_are_counted_together(v3: V3Desk) -> None:
    await pay(v3)
    await v3.control("limits", refunds_per_s=2, invalid_per_s=None)
    codes = [(await v3.send("POST", REFUNDS, refunding("R1", amount=1))).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    await v3.control("limits", refunds_per_s=None, spacing_s=60)
    assert await refused(v3, refunding("R2")) == (400, "INVALID_REQUEST")
    await v3.control("limits", spacing_s=None, invalid_per_s=0, invalid_pause_s=60)
    assert await refused(v3, refunding("R2", amount=1281)) == (400, "INVALID_REQUEST")
    assert await refused(v3, refunding("R1", amount=1)) == (429, "FREQUENCY_LIMITED")


@pytest.mark.parametrize(
    ("end", "told"), [("SUCCESS", "SUCCESS"), ("REFUNDCLOSE", "CLOSED"), ("ABNORMAL", "ABNORMAL")]
)
async def test_the_end_is_told_in_words_of_v3(v3: V3Desk, end: str, told: str) -> None:
    await hold(v3)
    await pay(v3)
    await refund(v3)
    await decided(v3, end)
    found = await v3.ask("GET", asking_refund())
    assert found["status"] == told
    assert ("success_time" in found) == (told == "SUCCESS")


async def test_an_abnormal_refund_is_sent_to_a_bank_card(v3: V3Desk) -> None:
    await hold(v3)
    await pay(v3)
    made = await refund(v3)
    path = f"{REFUNDS}/{made['refund_id']}/apply-abnormal-refund"
    asked = {"sub_mchid": COFFEE, "out_refund_no": "R000001", "type": "MERCHANT_BANK_CARD"}
    assert (await v3.fails("POST", path, asked))[:2] == (400, "INVALID_REQUEST"), "it is not abnormal"
    await decided(v3, "ABNORMAL")
    card = asked | {"type": "USER_BANK_CARD", "bank_type": "ICBC_DEBIT"}
    assert await v3.fails("POST", path, card) == (400, "PARAM_ERROR", "/bank_account")
    serial, key = next(iter(v3.wechat.items()))
    secrets = {"bank_account": "6222000000000000001", "real_name": "张三"}
    card |= {
        name: base64.b64encode(key.encrypt(text.encode(), OAEP)).decode() for name, text in secrets.items()
    }
    assert await v3.fails("POST", path, card) == (400, "PARAM_ERROR", "Wechatpay-Serial")
    named = {"Wechatpay-Serial": serial}
    wrong = f"{REFUNDS}/5030000/apply-abnormal-refund"
    assert (await v3.fails("POST", wrong, card, named))[:2] == (400, "INVALID_REQUEST")
    assert (await v3.ask("POST", path, card, named))["status"] == "PROCESSING"
    await decided(v3, "SUCCESS")
    assert (await v3.ask("GET", asking_refund()))["status"] == "SUCCESS"


async def test_a_plain_merchant_names_no_sub_merchant(merchant: V3Desk) -> None:
    await merchant.ask("POST", "/v3/pay/transactions/jsapi", direct(NUMBER))
    await merchant.control("pay", out_trade_no=NUMBER, mch_id=MERCHANT)
    assert await refused(merchant, refunding()) == (400, "INVALID_REQUEST")
    await merchant.ask("POST", REFUNDS, refunding(sub_mchid=None))
    found = await merchant.ask("GET", f"{REFUNDS}/R000001")
    assert found["out_trade_no"] == NUMBER


async def test_v2_orders_are_refunded_by_v3_unless_it_is_forbidden(v3: V3Desk) -> None:
    """Officially both ways work, though they are not recommended (wechatpay-v3 9)."""
    await v3.create(order(NUMBER))
    await v3.control("pay", out_trade_no=NUMBER)
    await v3.keys("rules", cross_version=False)
    assert await refused(v3, refunding()) == (404, "RESOURCE_NOT_EXISTS")
    await v3.keys("rules", cross_version=True)
    made = await refund(v3)
    await v3.control("settlement", after_s=0)
    told = await v3.call("/pay/refundquery", asking("", out_refund_no="R000001"))
    assert (told["refund_id_0"], told["refund_status_0"]) == (made["refund_id"], "SUCCESS")
    assert (await v3.ledger())["refunds"][0]["api_version"] == "v3"
    await v3.keys("rules", cross_version=False)
    assert (await v3.fails("GET", asking_refund()))[:2] == (404, "RESOURCE_NOT_EXISTS")


async def test_K05_a_revoked_certificate_refunds_nothing(v3: V3Desk) -> None:
    await pay(v3)
    serial = f"{x509.load_pem_x509_certificate(v3.own.pem.encode()).serial_number:040X}"
    await v3.keys("revoke_api_certificate", serial=serial)
    assert await refused(v3, refunding()) == (401, "SIGN_ERROR")
