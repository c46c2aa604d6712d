"""Fund bills: sums, running balance, and a plain merchant's third side."""

from __future__ import annotations

from tests.support.bill_till import (
    FUND,
    TRADE,
    BillTill,
    become_plain_merchant,
    fund_text,
    trade_text,
)
from tests.support.large_bills import rows

from sptenants.bills.states import BillState

MOVES = [("4200001", 1280), ("4200002", 2560), ("5030001", -1280), ("4200003", 99)]


async def test_a_fund_bill_that_adds_up_is_balanced(till: BillTill) -> None:
    bill = await till.fetched(FUND, fund_text(MOVES, opening=50_000))
    assert (bill.state, bill.problem, bill.lines, bill.next_at) == (BillState.BALANCED, None, 4, None)
    assert bill.summary is not None
    assert bill.summary["counted"]["balance"] == 50_000 + 1280 + 2560 - 1280 + 99
    assert bill.summary["told"] == {
        "lines": 4,
        "income_lines": 3,
        "income": 3939,
        "expense_lines": 1,
        "expense": 1280,
    }
    assert [(row["business_no"], row["amount"]) for row in await till.lines(bill)] == MOVES
    assert "payments" not in bill.summary  # its sub-merchants' money never stands on this account
    assert till.comparison.given == []


async def test_a_line_that_does_not_go_on_from_the_one_before_is_named(till: BillTill) -> None:
    text = fund_text(MOVES, opening=50_000).replace(b"`538.40", b"`538.41", 1)
    bill = await till.fetched(FUND, text)
    assert (bill.state, bill.problem) == (BillState.DIFFERENT, "balance_mismatch")
    assert bill.problem_facts == {
        "line": 2,
        "flow_no": "F00000000000000000001",
        "expected": 53_840,
        "found": 53_841,
    }


async def test_sums_that_differ_from_the_summary_are_named(till: BillTill) -> None:
    bill = await till.fetched(FUND, fund_text(MOVES).replace(b"`39.39,", b"`39.40,", 1))
    assert (bill.state, bill.problem) == (BillState.DIFFERENT, "summary_mismatch")
    assert bill.problem_facts == {"sums": {"income": [3940, 3939]}}


async def test_b19_a_plain_merchants_payments_are_looked_for_in_its_funds(till: BillTill) -> None:
    await become_plain_merchant(till)
    paid = [
        (row.transaction_id, row.total)
        for row in rows(10, mch_id="1900000101", sub_mch_ids=[""], day=TRADE.day)
    ]
    fund = await till.fetched(FUND, fund_text(paid[:-1]))
    assert fund.state is BillState.BALANCED
    assert fund.summary is not None
    assert "payments" not in fund.summary  # no trade bill to compare with yet
    await till.fetched(TRADE, trade_text(10, subs=[""]))
    await till.run(minutes=1)
    found = await till.bill(FUND)
    assert found is not None
    assert found.summary is not None
    total = sum(amount for _number, amount in paid)
    assert found.state is BillState.BALANCED
    assert found.summary["payments"] == {
        "count": 10,
        "amount": total,
        "found": 9,
        "found_amount": total - paid[-1][1],
    }
