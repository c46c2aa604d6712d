"""The lines of fund bills, from the books (wechatpay-v2 4.9, wechatpay-v3 5.4, 5.5).

On the account of who is paid (a sub-merchant, a plain merchant) every payment comes in, its fee goes out,
every refund goes out when it is accepted and its fee comes back; a refund that failed comes in again. A
service provider is not paid: its own account gets a tenth of the fees of each sub-merchant and day as
commission, booked in the last second of the day. Only the basic account moves. Balances start at nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from spsim.registry import Provider
from spsim.world import World

from . import trade
from .day import Day, day_of
from .trade import NONE, TradeRow

BASIC: Final = "BASIC"
ACCOUNTS: Final = (BASIC, "OPERATION", "FEES")
SUB_MERCHANT_ACCOUNTS: Final = (*ACCOUNTS, "DEPOSIT")
_COMMISSION: Final = 10
"""The provider gets one part in so many of the fees."""
_DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came in or (below zero) went out, in fen.

    `business_no` is WeChat's number of what it was for, `voucher` the merchant's.
    """

    at: int
    business_no: str
    name: str
    amount: int
    note: str
    voucher: str


@dataclass(frozen=True, slots=True)
class FundRow:
    """One line: a movement, its own number, who caused it and what is left after it."""

    movement: Movement
    flow_no: str
    applicant: str
    balance: int


def own_rows(world: World, provider: Provider, day: Day, account: str) -> list[FundRow]:
    """Return the lines of a merchant number's own account of a day."""
    known = trade.rows(world, provider)
    if provider.has_sub_merchants:
        movements = list(_commissions(known, world.clock.now_ms()))
    else:
        movements = list(_movements(known))
    return _of_day(movements if account == BASIC else [], day, provider.mch_id)


def sub_merchant_rows(
    world: World, provider: Provider, sub_mch_id: str, day: Day, account: str
) -> list[FundRow]:
    """Return the lines of a sub-merchant's account of a day."""
    known = [row for row in trade.rows(world, provider) if row.sub_mch_id == sub_mch_id]
    return _of_day(_movements(known) if account == BASIC else [], day, sub_mch_id)


def _of_day(movements: Iterable[Movement], day: Day, owner: str) -> list[FundRow]:
    found: list[FundRow] = []
    balance = 0
    for movement in sorted(movements, key=lambda each: each.at):
        balance += movement.amount
        if day.has(movement.at):
            found.append(FundRow(movement, _flow_no(movement), f"{owner}API", balance))
    return found


def _movements(rows: Iterable[TradeRow]) -> Iterator[Movement]:
    for row in rows:
        number = row.refund_id if row.refund_id != NONE else row.transaction_id
        voucher = row.out_refund_no if row.out_refund_no != NONE else row.out_trade_no
        name, amount = ("交易", row.total) if row.refund == 0 else ("退款", -row.refund)
        yield Movement(row.at, number, name, amount, "", voucher)
        yield from _fee(row, row.at, -row.fee, number, voucher)
        if row.failed_at is not None:
            yield Movement(row.failed_at, number, "退款退回", row.refund, "", voucher)
            yield from _fee(row, row.failed_at, row.fee, number, voucher)


def _fee(row: TradeRow, at: int, amount: int, number: str, voucher: str) -> Iterator[Movement]:
    """Yield what a fee does to the account; nothing when there is none."""
    if amount != 0:
        name = "扣除交易手续费" if amount < 0 else "退还交易手续费"
        yield Movement(at, number, name, amount, f"费率 {row.rate}", voucher)


def _commissions(rows: Iterable[TradeRow], now_ms: int) -> Iterator[Movement]:
    fees: defaultdict[tuple[Day, str], int] = defaultdict(int)
    for row in rows:
        fees[day_of(row.at), row.sub_mch_id] += row.fee
    for (day, sub_mch_id), fee in fees.items():
        at, amount = day.start + _DAY_MS - 1000, fee // _COMMISSION
        if amount > 0 and at <= now_ms:
            number = _digits(f"{day.date}{sub_mch_id}", 28)
            yield Movement(at, number, "服务商佣金", amount, f"特约商户 {sub_mch_id}", number)


def _flow_no(movement: Movement) -> str:
    return _digits(f"{movement.business_no}/{movement.name}", 20)


def _digits(seed: str, length: int) -> str:
    """Return a number that is always the same for the same seed."""
    return str(int(hashlib.sha256(seed.encode()).hexdigest(), 16))[:length]
