"""The five figures above the order list and the counts of its tabs; both follow the filters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.orders.filters import OrderFilter, ReadScope, Tab, in_tab, matching, within
from sptenants.orders.models import Attempt, Order
from sptenants.orders.states import OrderStatus
from wechatpay.money import Fen

COUNT_CAP = 10_000
"""Counts above this are shown as 约 (console-and-api-design section 4)."""
_YOUNG = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Count:
    """A count that stops at COUNT_CAP; `capped` then says that there are more."""

    value: int
    capped: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The strip. `paid_of` is what the success rate was taken of; None as a rate means nothing to count.

    Success rate = paid ÷ orders that obtained a prepay_id, orders younger than 30 minutes left out
    (console-and-api-design section 5). `success_per_10000` is that rate in hundredths of a percent.
    """

    paid_amount: Fen
    paid_count: int
    paid_of: int
    success_per_10000: int | None
    refunded_amount: Fen
    attention: int


async def strip(session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime) -> Figures:
    """Return the five figures over the orders of the filter."""
    paid = Order.status == OrderStatus.PAID
    settled = and_(Attempt.prepay_id.is_not(None), Order.created_at <= now - _YOUNG)
    query = (
        select(
            func.coalesce(func.sum(case((paid, Order.amount), else_=0)), 0),
            func.coalesce(func.sum(case((paid, 1), else_=0)), 0),
            func.coalesce(func.sum(case((settled, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(settled, paid), 1), else_=0)), 0),
            func.coalesce(func.sum(Order.refunded_amount), 0),
            func.coalesce(func.sum(case((in_tab(Tab.ATTENTION, now), 1), else_=0)), 0),
        )
        .select_from(Order)
        .outerjoin(
            Attempt,
            and_(
                Attempt.provider_id == Order.provider_id,
                Attempt.tenant_id == Order.tenant_id,
                Attempt.out_trade_no == Order.out_trade_no,
            ),
        )
        .where(*within(scope), *matching(wanted, now))
    )
    amount, count, of, paid_of_them, refunded, attention = (await session.execute(query)).one()
    return Figures(
        paid_amount=Fen(int(amount)),
        paid_count=int(count),
        paid_of=int(of),
        success_per_10000=int(paid_of_them) * 10_000 // int(of) if of else None,
        refunded_amount=Fen(int(refunded)),
        attention=int(attention),
    )


async def tabs(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime
) -> dict[Tab, Count]:
    """Return how many orders of the filter each tab holds, counting no further than the cap."""
    everywhere = replace(wanted, tab=Tab.ALL)
    counts = [
        select(func.count())
        .select_from(
            select(Order.id)
            .where(*within(scope), *matching(everywhere, now), in_tab(tab, now))
            .limit(COUNT_CAP + 1)
            .subquery()
        )
        .scalar_subquery()
        for tab in Tab
    ]
    found = (await session.execute(select(*counts))).one()
    return {
        tab: Count(min(count, COUNT_CAP), count > COUNT_CAP) for tab, count in zip(Tab, found, strict=True)
    }
