"""The lines of trade bills, from the books (wechatpay-v2 4.8, wechatpay-v3 5.4).

One bill has the orders of both API generations. A refund stands on the day of its acceptance in the state
that it had when that day ended; a reversed payment code stands there twice, the second time like a refund
without numbers, on the day of the reversal.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass, replace
from typing import Final

from spsim import refund_books
from spsim.registry import Provider
from spsim.world import World

from . import rules
from .day import Day, day_of

NONE: Final = "0"
"""What an id that is not there is written as."""
SUCCESS: Final = "SUCCESS"
REFUND: Final = "REFUND"
REVOKED: Final = "REVOKED"
RATE: Final = re.compile(r"([0-9]{1,2})\.([0-9]{2,4})%")
_STATES: Final = {"SUCCESS": "SUCCESS", "CHANGE": "CHANGE", "REFUNDCLOSE": "FAIL"}
"""The bill's own words for how a refund ended."""
_RECHARGED: Final = "REFUND_SOURCE_RECHARGE_FUNDS"
_ORDER: Final = (
    "trade.mch_id, trade.out_trade_no, trade.params, payment.transaction_id, payment.openid,"
    " payment.total_fee, payment.paid_at"
)


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One line: amounts and `fee` in fen, times in milliseconds. A refund's `total` is 0, its `fee` negative.

    `sub_mch_id` and the refund's numbers are "0" when there are none. `refunded_at` is when a refund was done
    within its day, `failed_at` when it came to nothing, on whichever day; no trade bill says the latter.
    """

    at: int
    appid: str
    mch_id: str
    sub_mch_id: str
    device: str
    transaction_id: str
    out_trade_no: str
    openid: str
    trade_type: str
    state: str
    total: int
    refund_id: str
    out_refund_no: str
    refund: int
    refund_state: str
    refunded_at: int | None
    failed_at: int | None
    recharged: bool
    description: str
    attach: str
    fee: int
    rate: str

    @property
    def is_refund(self) -> bool:
        """Tell whether the line is about a refund, not about a payment or a reversal."""
        return self.state == REFUND


def rows(world: World, provider: Provider, day: Day | None = None) -> list[TradeRow]:
    """Return a merchant number's lines of a day, of all days when none is named, oldest first."""
    refund_books.settle_due(world)
    start, end = (0, 1 << 62) if day is None else (day.start, day.end)
    known = rules.of(world.ledger)
    found = [
        *(_payment(known, row) for row in _payments(world, provider.mch_id, start, end)),
        *(_reversal(known, row) for row in _reversals(world, provider.mch_id, start, end)),
        *(_refund(known, row) for row in _refunds(world, provider.mch_id, start, end)),
    ]
    # Sorting is stable: what happened in the same millisecond stays in the order of the books.
    return sorted(found, key=lambda row: row.at)


def fee_of(amount: int, rate: str) -> int:
    """Return the fee of an amount in fen, rounded half up to a fen. `rate` is like `0.60%`.

    Raises ValueError for another form.
    """
    parts = RATE.fullmatch(rate)
    if parts is None:
        raise ValueError("a rate is written like 0.60%")
    millionths = int(parts[1]) * 10_000 + int(parts[2].ljust(4, "0"))
    return (amount * millionths + 500_000) // 1_000_000


def given_back(
    paid: TradeRow,
    at: int,
    state: str,
    amount: int,
    *,
    refund_id: str = NONE,
    out_refund_no: str = NONE,
    refund_state: str = "",
    refunded_at: int | None = None,
    failed_at: int | None = None,
    recharged: bool = False,
) -> TradeRow:
    """Return the line of money of a payment that went back, and its fee with it."""
    return replace(
        paid,
        at=at,
        state=state,
        total=0,
        refund_id=refund_id,
        out_refund_no=out_refund_no,
        refund=amount,
        refund_state=refund_state,
        refunded_at=refunded_at,
        failed_at=failed_at,
        recharged=recharged,
        fee=-fee_of(amount, paid.rate),
    )


def _payments(world: World, mch_id: str, start: int, end: int) -> list[sqlite3.Row]:
    sql = (
        f"SELECT {_ORDER} FROM payment JOIN trade ON trade.id = payment.trade_id"  # noqa: S608 - own names
        " WHERE trade.mch_id = ? AND paid_at >= ? AND paid_at < ? ORDER BY payment.rowid"
    )
    return world.ledger.rows(sql, mch_id, start, end)


def _reversals(world: World, mch_id: str, start: int, end: int) -> list[sqlite3.Row]:
    sql = (
        f"SELECT {_ORDER}, reversed_at FROM reversal"  # noqa: S608 - own names
        " JOIN payment USING (transaction_id) JOIN trade ON trade.id = payment.trade_id"
        " WHERE trade.mch_id = ? AND reversed_at >= ? AND reversed_at < ? ORDER BY reversal.trade_id"
    )
    return world.ledger.rows(sql, mch_id, start, end)


def _refunds(world: World, mch_id: str, start: int, end: int) -> list[sqlite3.Row]:
    sql = (
        f"SELECT {_ORDER}, refund_id, out_refund_no, refund_fee, account, status, requested_at,"  # noqa: S608
        " settled_at FROM refund JOIN payment USING (transaction_id) JOIN trade ON trade.id = trade_id"
        " WHERE refund.mch_id = ? AND requested_at >= ? AND requested_at < ? ORDER BY refund.rowid"
    )
    return world.ledger.rows(sql, mch_id, start, end)


def _payment(known: rules.BillRules, row: sqlite3.Row) -> TradeRow:
    params = json.loads(row["params"])
    sub_mch_id = params.get("sub_mch_id", "")
    rate = known.rate_of(sub_mch_id or row["mch_id"])
    return TradeRow(
        at=row["paid_at"],
        appid=params["appid"],
        mch_id=row["mch_id"],
        sub_mch_id=sub_mch_id or NONE,
        device=params.get("device_info", ""),
        transaction_id=row["transaction_id"],
        out_trade_no=row["out_trade_no"],
        openid=row["openid"],
        trade_type=params["trade_type"],
        state=SUCCESS,
        total=row["total_fee"],
        refund_id=NONE,
        out_refund_no=NONE,
        refund=0,
        refund_state="",
        refunded_at=None,
        failed_at=None,
        recharged=False,
        description=params["body"],
        attach=params.get("attach", ""),
        fee=fee_of(row["total_fee"], rate),
        rate=rate,
    )


def _reversal(known: rules.BillRules, row: sqlite3.Row) -> TradeRow:
    return given_back(_payment(known, row), row["reversed_at"], REVOKED, row["total_fee"])


def _refund(known: rules.BillRules, row: sqlite3.Row) -> TradeRow:
    requested_at, settled_at = row["requested_at"], row["settled_at"]
    in_time = settled_at is not None and settled_at < day_of(requested_at).end
    state = _STATES[row["status"]] if in_time else "PROCESSING"
    return given_back(
        _payment(known, row),
        requested_at,
        REFUND,
        row["refund_fee"],
        refund_id=row["refund_id"],
        out_refund_no=row["out_refund_no"],
        refund_state=state,
        refunded_at=settled_at if state == "SUCCESS" else None,
        failed_at=settled_at if row["status"] == "REFUNDCLOSE" else None,
        recharged=row["account"] == _RECHARGED,
    )
