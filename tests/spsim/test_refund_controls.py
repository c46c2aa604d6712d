"""What a tester decides about refunds: limits, ends, WeChat's console, balances (wechatpay-v2 1.9, 11.3)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.support.simulated import COFFEE, MCH_ID, MERCHANT, MERCHANT_APP, OTHER_KEY, Desk, order
from tests.support.simulated_money import (
    REFUND,
    REFUNDQUERY,
    Certificate,
    about,
    accepted,
    declined,
    hold,
    paid,
    refunding,
    status_of,
    tls_desk_at,
)


async def test_G09_more_than_the_allowed_refunds_a_second_are_limited(secure: Desk) -> None:
    await paid(secure)
    await secure.control("limits", refunds_per_s=2)
    calls = [refunding(f"R{index:06d}", amount=1) for index in range(4)]
    answers = await asyncio.gather(*(secure.call(REFUND, params) for params in calls))
    assert [answer.get("err_code") for answer in answers].count("FREQUENCY_LIMITED") == 2
    await secure.control("clock", advance_s=1)
    await accepted(secure, refunding("R000009", amount=1))


async def test_G09_too_many_bad_refunds_stop_the_good_ones_for_a_minute(secure: Desk) -> None:
    await paid(secure)
    await asyncio.gather(*(secure.call(REFUND, refunding(number=f"T9{i:05d}")) for i in range(7)))
    assert await declined(secure, REFUND, refunding(amount=1)) == "INVALID_REQ_TOO_MUCH"
    await secure.control("clock", advance_s=59)
    assert await declined(secure, REFUND, refunding(amount=1)) == "INVALID_REQ_TOO_MUCH"
    await secure.control("clock", advance_s=2)
    await accepted(secure, refunding(amount=1))


async def test_G09_limits_are_counted_for_each_merchant_number(
    secure: Desk, certificates: dict[str, Certificate]
) -> None:
    await secure.control("limits", invalid_per_s=0)
    assert await declined(secure, REFUND, refunding()) == "ORDERNOTEXIST"
    assert await declined(secure, REFUND, refunding()) == "INVALID_REQ_TOO_MUCH"
    own = {"appid": MERCHANT_APP, "mch_id": MERCHANT, "sub_mch_id": ""}
    async with tls_desk_at(secure.where, certificates[MERCHANT]) as merchant:
        answer = await merchant.call(REFUND, refunding(**own), OTHER_KEY)
    assert answer["err_code"] == "ORDERNOTEXIST"


async def test_G09_refunds_of_one_order_are_spaced_when_asked_for(secure: Desk) -> None:
    await paid(secure)
    await paid(secure, "T000002")
    await secure.control("limits", spacing_s=60)
    await accepted(secure, refunding("R000001", amount=1))
    assert await declined(secure, REFUND, refunding("R000002", amount=1)) == "FREQUENCY_LIMITED"
    await accepted(secure, refunding("R000001", amount=1))
    await accepted(secure, refunding("R000003", "T000002", amount=1))
    await secure.control("clock", advance_s=60)
    await accepted(secure, refunding("R000002", amount=1))


async def test_refunds_wait_for_a_decision_when_held(secure: Desk) -> None:
    await paid(secure)
    await hold(secure)
    await accepted(secure, refunding(amount=1))
    await secure.control("clock", advance_s=3600)
    assert await status_of(secure) == "PROCESSING"
    decided = await secure.control("refunds/R000001", status="CHANGE")
    assert (decided["status"], decided["out_refund_no"]) == ("CHANGE", "R000001")
    told = await secure.call(REFUNDQUERY, about(out_refund_no="R000001"))
    assert told["refund_status_0"] == "CHANGE"
    assert "refund_success_time_0" not in told
    await secure.control("refunds/R000001", status="SUCCESS")
    assert await secure.refused("refunds/R000001", status="REFUNDCLOSE") == (409, "SUCCESS")


async def test_held_refunds_end_when_they_are_let_go(secure: Desk) -> None:
    await paid(secure)
    await hold(secure)
    await accepted(secure, refunding(amount=1))
    await secure.control("settlement", auto=True, after_s=5, status="REFUNDCLOSE")
    assert await status_of(secure) == "PROCESSING"
    await secure.control("clock", advance_s=5)
    assert await status_of(secure) == "REFUNDCLOSE"


async def console(desk: Desk, **document: Any) -> Any:
    return await desk.control("refunds", **document)


async def test_F10_a_refund_in_wechats_console_is_like_any_other(secure: Desk) -> None:
    transaction_id = await paid(secure)
    made = await console(secure, out_trade_no="T000001", amount=300, reason="协商")
    assert (made["source"], made["status"], made["notify_url"]) == ("VENDOR_PLATFORM", "PROCESSING", None)
    assert re.fullmatch(r"[0-9]{28}", made["out_refund_no"])
    named = await console(secure, transaction_id=transaction_id, amount=80, out_refund_no="CONSOLE-1")
    told = await secure.call(REFUNDQUERY, about(out_trade_no="T000001"))
    assert [told["out_refund_no_0"], told["out_refund_no_1"]] == [made["out_refund_no"], "CONSOLE-1"]
    assert named["amount"] == 80
    assert await declined(secure, REFUND, refunding(amount=901)) == "INVALID_REQUEST"
    await accepted(secure, refunding(amount=900))


async def test_the_console_refuses_what_the_interface_would(secure: Desk) -> None:
    await secure.create(order("T000001"))
    assert await secure.refused("refunds", out_trade_no="T000001", amount=1) == (409, "NOTPAY")
    await secure.control("pay", out_trade_no="T000001")
    for bad in ({"amount": 0}, {"amount": "1"}, {"amount": True}, {}, {"amount": 1, "fee": 1}):
        assert await secure.refused("refunds", out_trade_no="T000001", **bad) == (400, "BAD_REQUEST")
    assert await secure.refused("refunds", amount=1) == (400, "BAD_REQUEST")
    assert await secure.refused("refunds", out_trade_no="T9", amount=1) == (404, "ORDERNOTEXIST")
    assert await secure.refused("refunds", transaction_id="42", amount=1) == (404, "ORDERNOTEXIST")
    await console(secure, out_trade_no="T000001", amount=1280, out_refund_no="C1")
    again = {"out_trade_no": "T000001", "amount": 1}
    assert await secure.refused("refunds", **again) == (409, "INVALID_REQUEST")
    assert await secure.refused("refunds", **again, out_refund_no="C1") == (409, "INVALID_REQUEST")
    assert await secure.refused("refunds/C2", status="SUCCESS") == (404, "REFUNDNOTEXIST")
    assert await secure.refused("refunds/C1", status="PROCESSING") == (400, "BAD_REQUEST")


async def test_the_books_tell_a_refund_from_a_reversal_and_filter_by_number(secure: Desk) -> None:
    await paid(secure, "T000001")
    await paid(secure, "T000002")
    await accepted(secure, refunding("R000001", "T000001"))
    await accepted(secure, refunding("R000002", "T000002"))
    books = await secure.ledger(out_trade_no="T000002")
    assert [entry["out_refund_no"] for entry in books["refunds"]] == ["R000002"]
    assert books["reversals"] == []


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("settlement", {"auto": "no"}),
        ("settlement", {"after_s": -1}),
        ("settlement", {"status": "PROCESSING"}),
        ("settlement", {"every_s": 1}),
        ("limits", {"refunds_per_s": -1}),
        ("limits", {"invalid_per_s": 1.5}),
        ("limits", {"invalid_pause_s": None}),
        ("limits", {"spacing_s": "60"}),
        ("limits", {"refunds": 1}),
        ("balances", {"mch_id": MCH_ID, "sub_mch_id": COFFEE}),
        ("balances", {"mch_id": MCH_ID, "sub_mch_id": COFFEE, "amount": -1}),
        ("balances", {"amount": 1}),
        ("auth_codes", {}),
        ("auth_codes", {"openid": "o", "behaviour": "steal"}),
        ("auth_codes", {"openid": "o", "app": "x"}),
    ],
)
async def test_a_control_that_is_wrongly_asked_changes_nothing(
    refusing: Desk, path: str, document: dict[str, Any]
) -> None:
    assert await refusing.refused(path, **document) == (400, "BAD_REQUEST")
    shown = [(await refusing.http.get(f"/_sim/{name}")).json() for name in ("settlement", "limits")]
    assert shown[0] == {"auto": True, "after_s": 0.2, "status": "SUCCESS"}
    assert shown[1] == {
        "refunds_per_s": 150,
        "invalid_per_s": 6,
        "invalid_pause_s": 60,
        "spacing_s": None,
    }


async def test_a_balance_is_that_of_a_known_merchant(desk: Desk) -> None:
    unknown = {"mch_id": MCH_ID, "sub_mch_id": "1600000099", "amount": 1}
    assert await desk.refused("balances", **unknown) == (404, "NO_SUCH_MERCHANT")
    assert await desk.refused("balances", mch_id=MCH_ID, amount=1) == (404, "NO_SUCH_MERCHANT")
    assert await desk.refused("balances", mch_id="1900000999", amount=1) == (404, "NO_SUCH_MERCHANT")
    left = await desk.control("balances", mch_id=MERCHANT, amount=5)
    assert left == {"mch_id": MERCHANT, "sub_mch_id": None, "amount": 5}
