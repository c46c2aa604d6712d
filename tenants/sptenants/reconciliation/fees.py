"""What a bill's line should cost: pure arithmetic in thousandths of a fen.

WeChat's rounding is not documented, so that either direction is taken for right: a fee is wrong when it is a
fen or more away from what the line's own rate makes of its amount. The rate itself is compared with what was
agreed upon over the payments of a day; a refund gives back by the rate of its payment, which may be an older
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sptenants.reconciliation.entries import Finding, Line
from sptenants.reconciliation.states import DifferenceDetail
from wechatpay.bills import MILLIFEN, Rate

_MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class RateSum:
    """A tenant's payments of a day at one rate: lines, fen they settle, fees charged in thousandths of one.

    `rate` is None for lines whose rate cannot be read.
    """

    rate: Rate | None
    lines: int
    settled: int
    fee: int


def base(line: Line) -> int:
    """Return the fen that a line's fee is taken of, below zero where a fee is given back."""
    if line.is_refund or line.is_reversal:
        return -(line.refund_amount or line.settled)
    return line.settled


def due(line: Line) -> int | None:
    """Return what a line should cost by its own rate; None when its rate cannot be read."""
    return None if line.rate is None else at_rate(base(line), line.rate)


def is_right(line: Line) -> bool:
    """Say whether a line's fee is less than a fen away from what it should be."""
    if line.rate is None:
        return True
    return abs(line.fee * _MILLIONTHS - base(line) * line.rate * MILLIFEN) < MILLIFEN * _MILLIONTHS


def at_rate(fen: int, rate: int) -> int:
    """Return the fee of an amount at a rate in millionths, rounded towards zero."""
    whole = abs(fen) * rate * MILLIFEN // _MILLIONTHS
    return whole if fen >= 0 else -whole


def off_rate(tenant_id: str, day: date, found: RateSum, agreed: Rate) -> Finding | None:
    """Return the difference that a tenant's payments at one rate of a day are; None at the agreed one."""
    if found.rate == agreed:
        return None
    rate = None if found.rate is None else found.rate.value
    return Finding(
        DifferenceDetail.RATE,
        day,
        tenant_id,
        str(rate),
        ours=at_rate(found.settled, agreed.value),
        theirs=found.fee,
        facts={"rate": rate, "agreed": agreed.value, "lines": found.lines, "sum": found.settled},
    )
