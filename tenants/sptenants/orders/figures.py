"""The five figures above the order list and the counts of its tabs; both follow the filters.

Both look at the newest orders of the filter only, up to a limit, so that a page costs the same however many
there are. Of a plain span of time the sums of whole hours and days say the rest, up to a minute old.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Subquery, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.orders.candidates import newest
from sptenants.orders.filters import (
    LOOKS_AT,
    OrderFilter,
    ReadScope,
    Tab,
    in_tab,
    looked_at,
    within,
)
from sptenants.orders.models import Attempt, Order
from sptenants.orders.states import OrderStatus
from sptenants.orders.sums import DAY, Sums, day_of, midnight, sums
from wechatpay.money import Fen

COUNT_CAP = 1_000
"""What a tab counts by itself; above it the sums say how many there are, about."""
LIVE_CAP = 2_000
"""Up to how many orders the strip of a plain span of time is of this very moment."""
_YOUNG = timedelta(minutes=30)
_BEFORE_ALL = midnight(date(2000, 1, 1))
_COLUMNS = (
    Order.id,
    Order.provider_id,
    Order.tenant_id,
    Order.out_trade_no,
    Order.status,
    Order.anomaly,
    Order.amount,
    Order.refunded_amount,
    Order.created_at,
    Order.state_since,
    Order.sub_appid,
    Order.trade_type,
)
_TO_LOOK_AT = (Order.id, Order.tenant_id, Order.amount, Order.sub_appid, Order.trade_type)


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are: exactly; at least `value`, when `capped`; or `about` so many, by the sums."""

    value: int
    capped: bool
    about: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """The strip. `paid_of` is what the success rate was taken of; None as a rate means nothing to count.

    Success rate = paid ÷ orders that obtained a prepay_id, orders younger than 30 minutes left out
    (console-and-api-design section 5). `success_per_10000` is that rate in hundredths of a percent.
    `newest` says that the figures are of the newest LOOKS_AT orders alone; `as_of` is the moment up to which
    they are complete, None when they are of this moment.
    """

    paid_amount: Fen
    paid_count: int
    paid_of: int
    success_per_10000: int | None
    refunded_amount: Fen
    attention: int
    newest: bool = False
    as_of: datetime | None = None


async def strip(session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime) -> Figures:
    """Return the five figures over the orders of the filter."""
    if wanted.is_plain and await _more_than(session, scope, wanted, now, LIVE_CAP):
        summed = await _summed(session, scope, wanted, now)
        if summed is not None:
            return _figures(*summed)
    more = await _more_than(session, scope, wanted, now, LOOKS_AT)
    seen = newest(scope, wanted, now, LOOKS_AT, _COLUMNS)
    return replace(await _live(session, scope, wanted, seen, now), newest=more)


async def _more_than(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime, most: int
) -> bool:
    to_count = newest(scope, wanted, now, most + 1, (Order.id,))
    return bool((await session.execute(select(func.count()).select_from(to_count))).scalar_one() > most)


async def _live(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, seen: Subquery, now: datetime
) -> Figures:
    order = seen.c
    paid = order.status == OrderStatus.PAID
    settled = and_(Attempt.prepay_id.is_not(None), order.created_at <= now - _YOUNG)
    query = (
        select(
            func.coalesce(func.sum(case((paid, order.amount), else_=0)), 0),
            func.coalesce(func.sum(case((paid, 1), else_=0)), 0),
            func.coalesce(func.sum(case((settled, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(settled, paid), 1), else_=0)), 0),
            func.coalesce(func.sum(order.refunded_amount), 0),
            func.coalesce(func.sum(case((in_tab(Tab.ATTENTION, now, order), 1), else_=0)), 0),
        )
        .select_from(seen)
        .outerjoin(
            Attempt,
            and_(
                *within(scope, Attempt),
                Attempt.provider_id == order.provider_id,
                Attempt.tenant_id == order.tenant_id,
                Attempt.out_trade_no == order.out_trade_no,
            ),
        )
        .where(*looked_at(scope, wanted, order))
    )
    amount, count, of, paid_of_them, refunded, attention = (await session.execute(query)).one()
    return Figures(
        paid_amount=Fen(int(amount)),
        paid_count=int(count),
        paid_of=int(of),
        success_per_10000=_rate(int(paid_of_them), int(of)),
        refunded_amount=Fen(int(refunded)),
        attention=int(attention),
    )


async def _summed(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime
) -> tuple[Sums, datetime] | None:
    """Return the sums of hours and days and how old they are; None for a span that they do not know."""
    begin = wanted.created_from or _BEFORE_ALL
    end = wanted.created_to or midnight(day_of(now) + DAY)
    try:
        found, as_of = await sums(
            session, scope, begin, end, provider_id=wanted.provider_id, tenant_id=wanted.tenant_id
        )
    except ValueError:
        return None
    return None if as_of is None else (found, as_of)


def _figures(found: Sums, as_of: datetime) -> Figures:
    return Figures(
        paid_amount=found.paid_amount,
        paid_count=found.paid_count,
        paid_of=found.settled_of,
        success_per_10000=found.success_per_10000,
        refunded_amount=found.refunded_amount,
        attention=found.attention,
        as_of=as_of,
    )


def _rate(part: int, whole: int) -> int | None:
    return part * 10_000 // whole if whole else None


async def tabs(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime
) -> dict[Tab, Count]:
    """Return how many of the newest orders of the filter each tab holds, counting no further than the cap."""
    counts = await _counted(session, scope, wanted, now)
    if replace(wanted, tab=Tab.ALL).is_plain and any(count.capped for count in counts.values()):
        summed = await _summed(session, scope, wanted, now)
        if summed is not None:
            known = _by_tab(summed[0])
            return {
                tab: Count(max(known[tab], count.value), capped=False, about=True) if count.capped else count
                for tab, count in counts.items()
            }
    return counts


async def _counted(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime
) -> dict[Tab, Count]:
    known = wanted.is_known_to_indexes
    cap = COUNT_CAP if known else LOOKS_AT
    counts = []
    for tab in Tab:
        columns = (Order.id,) if known else _TO_LOOK_AT
        seen = newest(scope, replace(wanted, tab=tab), now, cap + 1, columns)
        counts.append(select(func.count()).select_from(seen).scalar_subquery())
        if not known:
            meant = and_(*looked_at(scope, wanted, seen.c))
            hits = func.coalesce(func.sum(case((meant, 1), else_=0)), 0)
            counts.append(select(hits).select_from(seen).scalar_subquery())
    found = [int(count) for count in (await session.execute(select(*counts))).one()]
    looked = found if known else found[::2]
    meant_of_them = found if known else found[1::2]
    return {
        tab: Count(min(hits, cap), seen_of > cap)
        for tab, seen_of, hits in zip(Tab, looked, meant_of_them, strict=True)
    }


def _by_tab(found: Sums) -> dict[Tab, int]:
    over = found.paid_count + found.closed + found.failed
    return {
        Tab.ALL: found.created,
        Tab.PAID: found.paid_count,
        Tab.UNPAID: found.created - over,
        Tab.REFUNDED: found.refunded_count,
        Tab.CLOSED: found.closed + found.failed,
        Tab.ATTENTION: found.attention,
    }


async def count(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime, most: int
) -> Count:
    """Return how many orders of the filter there are among the newest `most`."""
    seen = newest(scope, wanted, now, most + 1, _TO_LOOK_AT)
    query = select(func.count()).select_from(seen)
    looked = (await session.execute(query)).scalar_one()
    hits = (await session.execute(query.where(*looked_at(scope, wanted, seen.c)))).scalar_one()
    return Count(min(hits, most), looked > most)
