"""Keeps the sums of `sums.py`: sums anew what changed since the last time. Part of the worker's timetable.

A run finds the hours of all orders that changed since the mark, and a little before it: long transactions
commit late, and an order that nobody touches becomes old enough to count, or unclear, by time alone. What is
found is summed anew from the orders themselves, so that doing it twice, or in two workers, makes no
difference. Recent days are added up from their hours; older ones, which a late refund may still change, are
summed directly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import WorkerScope
from sptenants.orders.filters import Tab, in_tab
from sptenants.orders.models import Attempt, Order, OrderSum, OrderSumsMark
from sptenants.orders.states import OrderStatus
from sptenants.orders.sums import COUNTED, DAY, HOUR, YOUNG, day_of, hours_kept_from, midnight

LOOK_BACK = YOUNG + timedelta(minutes=1)
"""How far before the mark changes are looked for; no transaction and no wait for time takes longer."""
AT_ONCE = DAY
"""A run that is far behind takes the changes of one day and says that there are more."""

_SUMS = table_of(OrderSum)
_MARK = 1


class Summing:
    """Sums orders by hour and day."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self, batch: int = 100) -> int:
        """Bring the sums up to date; return 0, or `batch` when changes of later days are left."""
        now = self._clock.now()
        async with self._database.write(WorkerScope()) as session:
            mark = await self._take_mark(session, now)
            until = min(now, mark + AT_ONCE)
            changed = await _changed(session, self._database.dialect, mark - LOOK_BACK, until, now)
            await _sum_anew(session, changed, now)
            await session.execute(
                delete(_SUMS).where(_SUMS.c.span == "hour", _SUMS.c.begin < hours_kept_from(now))
            )
            await session.execute(
                update(OrderSumsMark).where(OrderSumsMark.id == _MARK).values(at=max(mark, until))
            )
        return 0 if until >= now or mark >= now else batch

    async def _take_mark(self, session: AsyncSession, now: datetime) -> datetime:
        """Read the mark and keep other workers waiting for it; the first run begins with the first order."""
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        first = await session.scalar(
            select(OrderSumsMark.at).where(OrderSumsMark.id == _MARK).with_for_update()
        )
        if first is None:
            oldest = await session.scalar(select(Order.created_at).order_by(Order.id).limit(1))
            row = {"id": _MARK, "at": (oldest or now) - DAY}
            await session.execute(
                dialect.insert(table_of(OrderSumsMark)).values(row).on_conflict_do_nothing()
            )
        mark: datetime = (
            await session.scalars(select(OrderSumsMark.at).where(OrderSumsMark.id == _MARK).with_for_update())
        ).one()
        return mark


async def _changed(
    session: AsyncSession, dialect: str, since: datetime, until: datetime, now: datetime
) -> set[tuple[str, str, datetime]]:
    """Return provider, tenant and hour of every order that changed in that time."""
    hour: Any = (
        func.substr(Order.created_at, 1, 13)
        if dialect == "sqlite"
        else func.date_trunc("hour", Order.created_at)
    )
    query = select(Order.provider_id, Order.tenant_id, hour).where(Order.updated_at > since).distinct()
    if until < now:
        query = query.where(Order.updated_at <= until)
    found = await session.execute(query)
    return {(provider_id, tenant_id, _moment(at)) for provider_id, tenant_id, at in found}


def _moment(hour: datetime | str) -> datetime:
    """Read an hour as the database says it: SQLite has no type for it and gives the text `2026-11-21 06`."""
    if isinstance(hour, datetime):
        return hour.astimezone(UTC)
    return datetime.strptime(hour, "%Y-%m-%d %H").replace(tzinfo=UTC)


async def _sum_anew(
    session: AsyncSession, changed: Iterable[tuple[str, str, datetime]], now: datetime
) -> None:
    kept_from = hours_kept_from(now)
    recent: dict[str, set[datetime]] = defaultdict(set)
    older: dict[tuple[str, date], set[str]] = defaultdict(set)
    for provider_id, tenant_id, hour in changed:
        if hour >= kept_from:
            recent[provider_id].add(hour)
        else:
            older[provider_id, day_of(hour)].add(tenant_id)
    for provider_id, hours in recent.items():
        for hour in sorted(hours):
            await _sum_hour(session, provider_id, hour, now)
        for day in sorted({day_of(hour) for hour in hours}):
            await _add_up_day(session, provider_id, day)
    for (provider_id, day), tenant_ids in older.items():
        await _sum_day(session, provider_id, day, sorted(tenant_ids), now)


async def _sum_hour(session: AsyncSession, provider_id: str, hour: datetime, now: datetime) -> None:
    rows = await _live(session, provider_id, hour, hour + HOUR, None, now)
    await _replace(session, "hour", provider_id, hour, rows, None)


async def _sum_day(
    session: AsyncSession, provider_id: str, day: date, tenant_ids: Sequence[str], now: datetime
) -> None:
    begin = midnight(day)
    rows = await _live(session, provider_id, begin, begin + DAY, tenant_ids, now)
    await _replace(session, "day", provider_id, begin, rows, tenant_ids)


async def _add_up_day(session: AsyncSession, provider_id: str, day: date) -> None:
    begin = midnight(day)
    query = (
        select(
            OrderSum.tenant_id, OrderSum.sub_appid, *(func.sum(getattr(OrderSum, name)) for name in COUNTED)
        )
        .where(
            OrderSum.provider_id == provider_id,
            OrderSum.span == "hour",
            OrderSum.begin >= begin,
            OrderSum.begin < begin + DAY,
        )
        .group_by(OrderSum.tenant_id, OrderSum.sub_appid)
    )
    await _replace(session, "day", provider_id, begin, (await session.execute(query)).all(), None)


async def _live(
    session: AsyncSession,
    provider_id: str,
    begin: datetime,
    end: datetime,
    tenant_ids: Sequence[str] | None,
    now: datetime,
) -> Sequence[Sequence[Any]]:
    """Sum the orders of one provider by tenant and app."""
    paid = Order.status == OrderStatus.PAID
    settled = and_(Attempt.prepay_at.is_not(None), Order.created_at <= now - YOUNG)
    counted = {
        "created": func.count(),
        "paid_count": _count(paid),
        "paid_amount": func.sum(case((paid, Order.amount), else_=0)),
        "settled_of": _count(settled),
        "settled_paid": _count(and_(settled, paid)),
        "refunded_count": _count(Order.refunded_amount > 0),
        "refunded_amount": func.sum(Order.refunded_amount),
        "failed": _count(Order.status == OrderStatus.FAILED),
        "closed": _count(Order.status.in_([OrderStatus.CLOSED, OrderStatus.REVOKED])),
        "attention": _count(in_tab(Tab.ATTENTION, now)),
    }
    query = (
        select(Order.tenant_id, Order.sub_appid, *(counted[name] for name in COUNTED))
        .select_from(Order)
        .outerjoin(
            Attempt,
            and_(
                Attempt.provider_id == Order.provider_id,
                Attempt.tenant_id == Order.tenant_id,
                Attempt.out_trade_no == Order.out_trade_no,
            ),
        )
        .where(Order.provider_id == provider_id, Order.created_at >= begin, Order.created_at < end)
        .group_by(Order.tenant_id, Order.sub_appid)
    )
    if tenant_ids is not None:
        query = query.where(Order.tenant_id.in_(tenant_ids))
    return (await session.execute(query)).all()


def _count(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


async def _replace(
    session: AsyncSession,
    span: str,
    provider_id: str,
    begin: datetime,
    rows: Sequence[Sequence[Any]],
    tenant_ids: Sequence[str] | None,
) -> None:
    """Put these rows in the place of those of the same hour or day, of some tenants or of all."""
    before = delete(_SUMS).where(
        _SUMS.c.provider_id == provider_id, _SUMS.c.span == span, _SUMS.c.begin == begin
    )
    if tenant_ids is not None:
        before = before.where(_SUMS.c.tenant_id.in_(tenant_ids))
    await session.execute(before)
    made = [
        {
            "provider_id": provider_id,
            "tenant_id": tenant_id,
            "span": span,
            "begin": begin,
            "sub_appid": sub_appid or "",
            **{name: int(value) for name, value in zip(COUNTED, numbers, strict=True)},
        }
        for tenant_id, sub_appid, *numbers in rows
    ]
    if made:
        await session.execute(insert(_SUMS), made)
