"""The five figures above the order list and the counts of its tabs; both follow the filters.

Where the filter is a plain span of time, the sums of whole hours and days, up to a minute old, are asked
first: what they know to be many is not counted once more. Everything else looks at the newest orders of the
filter only, up to a limit. So a page costs the same however many orders there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import and_, case, func, select
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
_LOOKED_IN = {
    Tab.ALL: (Tab.ALL, Tab.PAID, Tab.REFUNDED, Tab.CLOSED),
    Tab.UNPAID: (Tab.UNPAID,),
    Tab.ATTENTION: (Tab.ATTENTION,),
}
"""Among which orders those of a tab are looked for. Work to be done is a few orders at a time, of any age."""
_GROWING = frozenset(_LOOKED_IN[Tab.ALL])
"""Tabs that orders hardly ever leave, so that a sum is at most a little low; the others are counted as they
are at this moment."""
_IN_SUMS = frozenset({Tab.ALL, Tab.PAID})
"""Tabs whose strip the sums know."""
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
    Order.refunding_amount,
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

    Success rate = paid ÷ orders that became payable, orders younger than 30 minutes left out
    (console-and-api-design section 5). `success_per_10000` is that rate in hundredths of a percent.
    `newest` says that the figures are of the newest LOOKS_AT orders, no more were looked at; `as_of` is the
    moment up to which they are complete, None when they are of this moment.
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
    if wanted.is_plain and wanted.tab in _IN_SUMS:
        summed = await _summed(session, scope, wanted, now)
        if summed is not None and _by_tab(summed[0])[wanted.tab] > LIVE_CAP:
            return await _strip_of_sums(session, scope, wanted, now, *summed)
    return await _live(session, scope, wanted, now)


async def _strip_of_sums(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime, found: Sums, as_of: datetime
) -> Figures:
    whole = Figures(
        paid_amount=found.paid_amount,
        paid_count=found.paid_count,
        paid_of=found.settled_of,
        success_per_10000=found.success_per_10000,
        refunded_amount=found.refunded_amount,
        attention=found.attention,
        as_of=as_of,
    )
    if wanted.tab is Tab.ALL:
        return whole
    # Nothing but paid orders can be refunded; of those that need attention the sums do not know it.
    strange = replace(wanted, tab=Tab.ATTENTION, status=OrderStatus.PAID)
    return replace(
        whole,
        paid_of=found.settled_paid,
        success_per_10000=_rate(found.settled_paid, found.settled_paid),
        attention=(await count(session, scope, strange, now, LOOKS_AT)).value,
    )


async def _live(session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime) -> Figures:
    seen = newest(scope, wanted, now, LOOKS_AT, _COLUMNS)
    order = seen.c
    paid = order.status == OrderStatus.PAID
    settled = and_(Attempt.prepay_at.is_not(None), order.created_at <= now - _YOUNG)
    query = (
        select(
            func.coalesce(func.sum(case((paid, order.amount), else_=0)), 0),
            func.coalesce(func.sum(case((paid, 1), else_=0)), 0),
            func.coalesce(func.sum(case((settled, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(settled, paid), 1), else_=0)), 0),
            func.coalesce(func.sum(order.refunded_amount), 0),
            func.coalesce(func.sum(case((in_tab(Tab.ATTENTION, now, order), 1), else_=0)), 0),
            func.count(),
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
    amount, count, of, paid_of_them, refunded, attention, looked = (await session.execute(query)).one()
    if not wanted.is_known_to_indexes:
        looked = (await session.execute(select(func.count()).select_from(seen))).scalar_one()
    return Figures(
        paid_amount=Fen(int(amount)),
        paid_count=int(count),
        paid_of=int(of),
        success_per_10000=_rate(int(paid_of_them), int(of)),
        refunded_amount=Fen(int(refunded)),
        attention=int(attention),
        newest=looked == LOOKS_AT,
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


def _rate(part: int, whole: int) -> int | None:
    return part * 10_000 // whole if whole else None


async def tabs(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime
) -> dict[Tab, Count]:
    """Return how many orders of the filter each tab holds, counting no further than the cap."""
    if not wanted.is_known_to_indexes:
        return await _looked_through(session, scope, wanted, now)
    summed = await _summed(session, scope, wanted, now) if wanted.is_plain else None
    known = _by_tab(summed[0]) if summed is not None else {}
    about = {tab: _about(known[tab]) for tab in known if tab in _GROWING and known[tab] > COUNT_CAP}
    counts = await _counted(session, scope, wanted, now, [tab for tab in Tab if tab not in about])
    about |= {
        tab: _about(max(known[tab], count.value))
        for tab, count in counts.items()
        if count.capped and tab in known
    }
    return {tab: about.get(tab) or counts[tab] for tab in Tab}


def _about(value: int) -> Count:
    return Count(value, capped=False, about=True)


async def _counted(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime, to_count: Iterable[Tab]
) -> dict[Tab, Count]:
    """Count each tab by its index."""
    parts = {
        tab: newest(scope, replace(wanted, tab=tab), now, COUNT_CAP + 1, (Order.id,)) for tab in to_count
    }
    counts = [select(func.count()).select_from(part).scalar_subquery() for part in parts.values()]
    found = (await session.execute(select(*counts))).one()
    return {
        tab: Count(min(number, COUNT_CAP), number > COUNT_CAP)
        for tab, number in zip(parts, found, strict=True)
    }


async def _looked_through(
    session: AsyncSession, scope: ReadScope, wanted: OrderFilter, now: datetime
) -> dict[Tab, Count]:
    """Count by looking at the newest orders, once for all tabs that are found among them."""
    counts: dict[Tab, Count] = {}
    for place, found_there in _LOOKED_IN.items():
        seen = newest(scope, replace(wanted, tab=place), now, LOOKS_AT + 1, _COLUMNS)
        looked = (await session.execute(select(func.count()).select_from(seen))).scalar_one()
        hits = [
            func.coalesce(func.sum(case((in_tab(tab, now, seen.c), 1), else_=0)), 0) for tab in found_there
        ]
        query = select(*hits).select_from(seen).where(*looked_at(scope, wanted, seen.c))
        counts |= {
            tab: Count(min(int(number), LOOKS_AT), looked > LOOKS_AT)
            for tab, number in zip(found_there, (await session.execute(query)).one(), strict=True)
        }
    return {tab: counts[tab] for tab in Tab}


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
    looked = hits = (await session.execute(query)).scalar_one()
    if not wanted.is_known_to_indexes:
        hits = (await session.execute(query.where(*looked_at(scope, wanted, seen.c)))).scalar_one()
    return Count(min(hits, most), looked > most)
