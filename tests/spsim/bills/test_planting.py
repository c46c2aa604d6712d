"""Differences planted in trade bills (catalogue L; wechatpay-v2 11.4)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.support.simulated import BAKERY, COFFEE, MCH_ID, MERCHANT, order
from tests.support.simulated_bills import Bill, fen, next_morning, until, v2_bill, v3_bill
from tests.support.simulated_refunds_v3 import pay, refund
from tests.support.simulated_v3 import V3Desk, asking

from spsim.bills.planting import KINDS


@pytest.fixture
async def day(desk: V3Desk, today: date) -> date:
    """A day of three payments, two of them refunded in part, whose bill is ready."""
    for index in range(3):
        await pay(desk, f"T000000{index}")
    for index in range(2):
        await refund(desk, f"R000000{index}", f"T000000{index}", 500)
    await desk.control("clock", advance_s=1)
    await desk.ledger()
    return await next_morning(desk)


async def plant(desk: V3Desk, day: date, kind: str, **more: Any) -> list[Any]:
    """Plant, and check that the controls tell what was planted."""
    made = await desk.control("bills/differences", mch_id=MCH_ID, date=str(day), kind=kind, **more)
    known = (await desk.http.get("/_sim/bills")).json()["differences"]
    assert known[-len(made["planted"]) :] == made["planted"]
    for planted in made["planted"]:
        assert (planted["mch_id"], planted["date"], planted["kind"]) == (MCH_ID, str(day), kind)
    return list(made["planted"])


async def both(desk: V3Desk, day: date, **query: str) -> Bill:
    """Return the bill, which must be the same by either generation, and sums up to its lines."""
    bill = await v2_bill(desk, day, **{name.replace("mchid", "mch_id"): text for name, text in query.items()})
    assert bill.text == (await v3_bill(desk, day, **query)).text
    assert fen(bill.summary["订单总金额"]) == sum(fen(text) for text in bill.column("订单金额"))
    assert fen(bill.summary["申请退款总金额"]) == sum(fen(text) for text in bill.column("申请退款金额"))
    return bill


async def test_a_payment_that_nobody_made(desk: V3Desk, day: date) -> None:
    before = await both(desk, day)
    (planted,) = await plant(desk, day, "missing_here")
    bill = await both(desk, day)
    assert len(bill.rows) == len(before.rows) + 1
    row = bill.row(商户订单号=planted["out_trade_no"])
    assert row not in before.rows
    assert (row["交易状态"], row["订单金额"], row["特约商户号"]) == ("SUCCESS", "12.80", COFFEE)
    assert row["微信订单号"] == planted["shown"][0]["transaction_id"]
    assert (await desk.fails("GET", asking(planted["out_trade_no"])))[1] == "ORDER_NOT_EXIST"


async def test_a_line_that_is_left_out(desk: V3Desk, day: date) -> None:
    (planted,) = await plant(desk, day, "missing_there", out_trade_no="T0000002")
    assert (planted["out_trade_no"], planted["shown"]) == ("T0000002", [])
    assert "T0000002" not in (await both(desk, day)).column("商户订单号")


async def test_another_amount_state_or_fee(desk: V3Desk, day: date) -> None:
    for kind, number in (("amount", "T0000000"), ("state", "T0000001"), ("fee", "T0000002")):
        await plant(desk, day, kind, out_trade_no=number)
    bill = await both(desk, day)
    other_amount = bill.row(商户订单号="T0000000", 订单金额="12.81")
    assert (other_amount["应结订单金额"], other_amount["手续费"]) == ("12.81", "0.08000")
    other_state = bill.row(商户订单号="T0000001", 退款状态="")
    assert (other_state["交易状态"], other_state["订单金额"], other_state["退款金额"]) == (
        "REVOKED",
        "0.00",
        "12.80",
    )
    other_fee = bill.row(商户订单号="T0000002")
    assert (other_fee["手续费"], other_fee["订单金额"]) == ("0.13000", "12.80")


async def test_refunds_differ_too(desk: V3Desk, day: date) -> None:
    (made_up,) = await plant(desk, day, "refund_missing_here")
    await plant(desk, day, "refund_missing_there", out_refund_no="R0000000")
    await plant(desk, day, "refund_amount", out_refund_no="R0000001")
    bill = await both(desk, day)
    assert sorted(set(bill.column("商户退款单号"))) == ["0", "R0000001", made_up["out_refund_no"]]
    row = bill.row(商户退款单号=made_up["out_refund_no"])
    assert (row["商户订单号"], row["退款金额"], row["退款状态"]) == ("T0000000", "0.01", "SUCCESS")
    assert bill.row(商户退款单号="R0000001")["退款金额"] == "5.01"
    await desk.http.delete("/_sim/bills/differences")
    await plant(desk, day, "refund_state", out_refund_no="R0000001")
    assert (await both(desk, day)).row(商户退款单号="R0000001")["退款状态"] == "FAIL"


async def test_L05_lines_of_strangers_stand_in_the_whole_bill_alone(desk: V3Desk, day: date) -> None:
    (unknown,) = await plant(desk, day, "unknown_sub_merchant")
    (foreign,) = await plant(desk, day, "other_provider")
    bill = await both(desk, day)
    row = bill.row(商户订单号=unknown["out_trade_no"])
    assert (row["商户号"], row["特约商户号"] in {COFFEE, BAKERY}) == (MCH_ID, False)
    assert bill.row(商户订单号=foreign["out_trade_no"])["商户号"] == MERCHANT
    assert set((await both(desk, day, sub_mchid=COFFEE)).column("特约商户号")) == {COFFEE}


async def test_L08_a_line_stands_there_twice(desk: V3Desk, day: date) -> None:
    await plant(desk, day, "repeated_line", out_trade_no="T0000002")
    assert (await both(desk, day)).column("商户订单号").count("T0000002") == 2


async def test_L09_the_last_payment_stands_in_the_next_days_bill(desk: V3Desk, day: date) -> None:
    await until(desk, "23:59:58")
    await pay(desk, "T0000008")
    await pay(desk, "T0000009")
    late = await next_morning(desk)
    await plant(desk, late, "next_day")
    await plant(desk, late, "amount")
    assert (await both(desk, late)).column("商户订单号") == ["T0000008"]
    await until(desk, "23:00:00")
    await next_morning(desk)
    (row,) = (await both(desk, late + timedelta(days=1))).rows
    assert (row["商户订单号"], row["交易时间"][:16]) == ("T0000009", f"{late} 23:59")


async def test_several_at_once_are_different_ones(desk: V3Desk, day: date) -> None:
    first = await plant(desk, day, "missing_there", count=2)
    (last,) = await plant(desk, day, "amount")
    assert [each["out_trade_no"] for each in (*first, last)] == ["T0000000", "T0000001", "T0000002"]
    wanted = {"mch_id": MCH_ID, "date": str(day), "kind": "state"}
    assert await desk.refused("bills/differences", **wanted) == (409, "NOTHING_TO_PLANT")
    assert len(await plant(desk, day, "missing_here", count=3)) == 3
    assert len(set((await both(desk, day)).column("微信订单号"))) == 6


async def test_too_few_lines_plant_nothing(desk: V3Desk, day: date) -> None:
    before = (await both(desk, day)).text
    wanted = {"mch_id": MCH_ID, "date": str(day), "kind": "refund_state", "count": 3}
    assert await desk.refused("bills/differences", **wanted) == (409, "NOTHING_TO_PLANT")
    empty = wanted | {"date": str(day - timedelta(days=1)), "kind": "refund_missing_here", "count": 1}
    assert await desk.refused("bills/differences", **empty) == (409, "NOTHING_TO_PLANT")
    unknown = wanted | {"kind": "amount", "count": 1, "out_trade_no": "T9999999"}
    assert await desk.refused("bills/differences", **unknown) == (409, "NOTHING_TO_PLANT")
    assert (await both(desk, day)).text == before


async def test_all_can_be_taken_back(desk: V3Desk, day: date) -> None:
    before = (await both(desk, day)).text
    for kind in KINDS:
        if kind.startswith("refund_") and kind != "refund_missing_here":
            continue
        if kind not in {"state", "fee", "repeated_line", "next_day"}:
            await plant(desk, day, kind)
    assert (await both(desk, day)).text != before
    assert (await desk.http.delete("/_sim/bills/differences")).status_code == 204
    assert (await both(desk, day)).text == before
    assert (await desk.http.get("/_sim/bills")).json()["differences"] == []


async def test_books_and_other_providers_stay_as_they_are(desk: V3Desk, merchant: V3Desk, day: date) -> None:
    books = await desk.ledger()
    for kind in ("missing_here", "amount", "refund_amount"):
        await plant(desk, day, kind)
    await plant(desk, day, "other_provider")
    assert await desk.ledger() == books
    target = f"/v3/bill/tradebill?bill_date={day}"
    assert (await merchant.fails("GET", target))[1] == "NO_STATEMENT_EXIST"
    await desk.create(order("T0000010"))


WRONG = [
    ({"kind": "color"}, 400),
    ({"kind": None}, 400),
    ({"date": "20261121"}, 400),
    ({"date": None}, 400),
    ({"mch_id": None}, 400),
    ({"mch_id": "1900009999"}, 404),
    ({"count": 0}, 400),
    ({"count": None}, 400),
    ({"count": "2"}, 400),
    ({"amount": 3}, 400),
]


@pytest.mark.parametrize(("changes", "status"), WRONG, ids=[str(each[0]) for each in WRONG])
async def test_the_control_is_strict(desk: V3Desk, today: date, changes: dict[str, Any], status: int) -> None:
    wanted = {"mch_id": MCH_ID, "date": str(today), "kind": "missing_here"} | changes
    assert (await desk.refused("bills/differences", **wanted))[0] == status
    assert (await desk.http.get("/_sim/bills")).json()["differences"] == []
