"""The third side of a plain merchant's day: what its trade bill says was paid, looked for in its fund bill.

Service providers have no such side: their sub-merchants' money never stands on their own account.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.bills import repository
from sptenants.bills.records import BillRecord
from sptenants.bills.repository import BILLS, LINES, Hold
from wechatpay.bills import Account, BillKind

_SLICE = 20_000
"""Lines that one statement looks for at most."""
_TRADE, _FUND = LINES[BillKind.TRADE], LINES[BillKind.FUND]


async def payments_in_funds(
    database: Database, clock: Clock, bill: BillRecord, hold: Hold
) -> dict[str, int] | None:
    """Return how many payments of the day's trade bill there are and how many of them the loaded fund bill
    names by WeChat's number, each with their sum: `{"count","amount","found","found_amount"}`, fen.

    None where there is nothing to compare: other accounts and providers, and no trade bill yet. Raises
    LeaseLost.
    """
    if bill.provider.kind != "merchant" or bill.account is not Account.BASIC or bill.sub_mch_id is not None:
        return None
    async with database.read(bill.scope) as session:
        trade = await _trade_bill(session, bill)
    if trade is None:
        return None
    counted = dict.fromkeys(("count", "amount", "found", "found_amount"), 0)
    for first in range(1, trade[2] + 1, _SLICE):
        async with database.write(bill.scope) as session:
            await repository.keep(session, hold, clock.now())
        async with database.read(bill.scope) as session:
            for prefix, looked_for in (("", False), ("found", True)):
                many, amount = await _payments(session, bill, trade, first, in_funds=looked_for)
                counted[prefix or "count"] += many
                counted[f"{prefix}_amount".lstrip("_")] += amount
    return counted


async def _trade_bill(session: AsyncSession, bill: BillRecord) -> tuple[str, int, int] | None:
    query = select(BILLS.c.id, BILLS.c.loaded_edition, BILLS.c.lines).where(
        BILLS.c.provider_id == bill.provider_id,
        BILLS.c.bill_date == bill.day,
        BILLS.c.kind == BillKind.TRADE.value,
        BILLS.c.account == "",
        BILLS.c.sub_mch_id == "",
        BILLS.c.loaded_edition > 0,
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else (found.id, found.loaded_edition, found.lines)


async def _payments(
    session: AsyncSession, bill: BillRecord, trade: tuple[str, int, int], first: int, *, in_funds: bool
) -> tuple[int, int]:
    trade_id, edition, _lines = trade
    query: Any = select(func.count(), func.coalesce(func.sum(_TRADE.c.total), 0)).where(
        _TRADE.c.provider_id == bill.provider_id,
        _TRADE.c.bill_id == trade_id,
        _TRADE.c.edition == edition,
        _TRADE.c.number >= first,
        _TRADE.c.number < first + _SLICE,
        _TRADE.c.state == "SUCCESS",
    )
    if in_funds:
        named = (
            _FUND.c.provider_id == bill.provider_id,
            _FUND.c.bill_date == bill.day,
            _FUND.c.business_no == _TRADE.c.transaction_id,
            _FUND.c.bill_id == bill.id,
            _FUND.c.edition == bill.loaded_edition,
        )
        query = query.where(exists().where(*named))
    many, amount = (await session.execute(query)).one()
    return int(many), int(amount)
