"""The morning after: time until the bills are there, and what must be true once they were worked through."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any

from tests.support.street import Street

from spcore.audit.actor import SYSTEM
from spcore.db.scope import ProviderScope
from sptenants.orders.sums import CHINA
from wechatpay.bills import Account, BillKind, BillWanted

_STATUS_OF = {
    "PROCESSING": "processing",
    "SUCCESS": "succeeded",
    "CHANGE": "abnormal",
    "REFUNDCLOSE": "closed",
}
_ROUNDS_S = (60, 60, 300, 300, 600, 600, 900, 900, *[1800] * 46)
"""A day: each question about a bill meets one more fault, and half an hour passes until the next."""


def beijing(at: Street) -> datetime:
    """Return what the clocks say."""
    return at.clock.now().astimezone(CHINA)


def until(at: Street, hour: int, minute: int = 0, second: int = 0) -> None:
    """Let time pass until the clocks next say so in Beijing."""
    now = beijing(at)
    then = datetime.combine(now.date(), time(hour, minute, second), CHINA)
    at.later(seconds=((then if then > now else then + timedelta(days=1)) - now).total_seconds())


def morning(at: Street) -> None:
    """Let the next morning come with its bills, and work them through."""
    until(at, 10, 15)
    reconcile(at)


def fetch_again(at: Street) -> None:
    """Have every bill fetched once more, as a person may ask, and worked through."""

    async def want() -> None:
        for provider_id, day, kind, account in wanted:
            bill = BillWanted(
                date.fromisoformat(str(day)), BillKind(kind), Account(account) if account else None
            )
            await at.services.bills.want(ProviderScope(provider_id), bill, SYSTEM)

    wanted = at.witness.rows("SELECT provider_id, bill_date, kind, account FROM bills")
    at.background.run(want())
    reconcile(at)


def reconcile(at: Street) -> None:
    """Work until nothing is fetched, compared, asked or stated any more."""
    for gap_s in _ROUNDS_S:
        at.work()
        if not under_way(at):
            return
        at.later(seconds=gap_s)
    left = under_way(at)
    assert left == [], left


def under_way(at: Street) -> list[tuple[Any, ...]]:
    """Return what reconciliation still has to do."""
    rows = at.witness.rows
    return [
        *rows("SELECT id, kind, bill_date, state, problem FROM bills WHERE next_at IS NOT NULL"),
        *rows(
            "SELECT id, detail, cause, tries FROM differences WHERE state = 'open' AND next_at IS NOT NULL"
        ),
        *rows("SELECT id, bill_date, state FROM daily_statements WHERE state = 'open'"),
        *at.open_work(),
    ]


def check_balance(at: Street) -> None:
    """Every bill and statement is balanced, and everything that was found has been settled by itself."""
    rows = at.witness.rows
    assert rows("SELECT detail, cause, cause_facts, facts FROM differences WHERE state = 'open'") == []
    assert {row[0] for row in rows("SELECT resolution FROM differences")} <= {"healed", "next_bill"}
    bills = rows("SELECT bill_date, kind, state, problem FROM bills WHERE state <> 'balanced'")
    assert bills == []
    assert rows("SELECT bill_date, tenant_id, state FROM daily_statements WHERE state <> 'balanced'") == []
    days = Counter(str(day) for (day,) in rows("SELECT bill_date FROM daily_statements"))
    assert days, "no day was stated"


def check_books(at: Street) -> None:
    """INV 1 to 3: our books have every payment and refund of WeChat's, once, with its amount and merchant."""
    theirs = at.house.books()
    undone = {reversal["transaction_id"] for reversal in theirs["reversals"]}
    paid = Counter(
        (one["transaction_id"], one["out_trade_no"], one["total_fee"], one["sub_mch_id"])
        for one in theirs["payments"]
        if one["transaction_id"] not in undone
    )
    rows = at.witness.rows
    booked = Counter(
        tuple(row)
        for row in rows(
            "SELECT transaction_id, out_trade_no, amount, sub_mch_id FROM order_attempts WHERE state = 'paid'"
        )
    )
    assert booked == paid, "INV 1, INV 2"
    made = Counter(
        (one["out_refund_no"], one["amount"], _STATUS_OF[one["status"]]) for one in theirs["refunds"]
    )
    known = Counter(
        tuple(row)
        for row in rows(
            "SELECT out_refund_no, amount, status FROM refunds WHERE status NOT IN ('requested', 'rejected')"
        )
    )
    assert known == made, "INV 3"
    given_back: Counter[str] = Counter()
    for one in theirs["refunds"]:
        given_back[one["transaction_id"]] += one["amount"] if one["status"] != "REFUNDCLOSE" else 0
    amounts = {one["transaction_id"]: one["total_fee"] for one in theirs["payments"]}
    assert all(amount <= amounts[number] for number, amount in given_back.items()), "INV 3"


def numbers_at_wechat(at: Street) -> tuple[list[str], list[str]]:
    """Return every out_trade_no and every out_refund_no that WeChat was ever given."""
    theirs = at.house.books()
    return (
        [one["out_trade_no"] for one in theirs["orders"]],
        [one["out_refund_no"] for one in theirs["refunds"]],
    )
