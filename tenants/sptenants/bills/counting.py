"""What the lines of a bill add up to, kept while they are read, and whether the bill's summary says the same.

Sums are plain JSON, so that they are stored with the lines they are of and reading can go on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sptenants.bills.states import OwnProblem
from wechatpay.bills import FundLine, TradeLine

Sums = dict[str, Any]

_TRADE = ("lines", "settled", "refunded", "fee", "total", "refund_applied")
_FUND = ("lines", "income_lines", "income", "expense_lines", "expense")


def add_trade(sums: Sums | None, lines: Iterable[TradeLine]) -> Sums:
    """Return the sums with `lines` in them: fen, `fee` thousandths of one."""
    found = dict.fromkeys(_TRADE, 0) if sums is None else dict(sums)
    for line in lines:
        found["lines"] += 1
        found["settled"] += line.settled
        found["refunded"] += line.refund_amount
        found["fee"] += line.fee
        found["total"] += line.total
        found["refund_applied"] += line.refund_applied
    return found


def add_fund(sums: Sums | None, lines: Iterable[FundLine]) -> Sums:
    """Return the sums with `lines` in them, fen.

    `balance` is the last line's; `misfit` the first line that does not go on from the balance before it.
    """
    found: Sums = dict.fromkeys(_FUND, 0) | {"balance": None, "misfit": None} if sums is None else dict(sums)
    for line in lines:
        direction = "income" if line.amount >= 0 else "expense"
        found["lines"] += 1
        found[f"{direction}_lines"] += 1
        found[direction] += abs(line.amount)
        before = found["balance"]
        if before is not None and found["misfit"] is None and before + line.amount != line.balance:
            found["misfit"] = {
                "line": line.number,
                "flow_no": line.flow_no,
                "expected": before + line.amount,
                "found": line.balance,
            }
        found["balance"] = line.balance
    return found


def fault_in(summary: Mapping[str, Any] | None) -> tuple[OwnProblem, dict[str, Any]] | None:
    """Return what does not fit in a loaded bill, by its stored `summary`; None when everything does."""
    if summary is None or summary["told"] is None:
        return None
    told, counted = summary["told"], summary["counted"]
    if (differ := disagreement(told, counted)) is not None:
        return OwnProblem.SUMMARY_MISMATCH, {"sums": differ}
    if (misfit := counted.get("misfit")) is not None:
        return OwnProblem.BALANCE_MISMATCH, misfit
    return None


def disagreement(told: Mapping[str, int | None], sums: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return which sums the summary line tells otherwise, each as `[told, counted]`; None when they agree.

    A column that an older layout has not is not compared.
    """
    differ = {
        name: [value, sums[name]] for name, value in told.items() if value is not None and value != sums[name]
    }
    return differ or None
