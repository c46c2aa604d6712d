"""How long WeChat's word takes to reach us, and how often it never came and a query found the payment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.analytics.cuts import Cut
from sptenants.notify.models import Notification
from sptenants.orders.heals import Wrong
from sptenants.orders.models import Heal, Order
from sptenants.orders.sums import day_of

LOOKED_AT = 10_000
"""Notifications and heals looked at, the newest ones."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one Shanghai day; milliseconds from WeChat's time of the payment to the notification.

    WeChat's time has whole seconds, so that a delay may be up to a second longer than it was. None where
    there was no notification.
    """

    day: date
    notified: int
    p50_ms: int | None
    p95_ms: int | None
    healed: int
    """Payments that a query found before any notification told of them."""


async def notify_delays(session: AsyncSession, cut: Cut) -> tuple[Delay, ...]:
    """Return the delays of every day of the cut, oldest first."""
    of_order = and_(
        Order.provider_id == Notification.provider_id,
        Order.tenant_id == Notification.tenant_id,
        Order.id == Notification.order_id,
    )
    told = (
        select(Notification.received_at, Order.paid_at)
        .join(Order, of_order)
        .where(
            *cut.owned(Notification),
            *cut.made(Notification.id, "ntf"),
            Notification.kind == "payment",
            Notification.result == "processed",
            Order.paid_at.is_not(None),
        )
        .order_by(Notification.id.desc())
        .limit(LOOKED_AT)
    )
    if cut.part.sub_appid is not None:
        told = told.where(Order.sub_appid == cut.part.sub_appid)
    waited: dict[date, list[int]] = defaultdict(list)
    for received_at, paid_at in await session.execute(told):
        if paid_at is None:
            continue
        waited[day_of(received_at)].append(max(0, round((received_at - paid_at).total_seconds() * 1000)))
    healed = await _healed(session, cut)
    return tuple(
        Delay(
            day,
            len(waited[day]),
            percentile(waited[day], 50),
            percentile(waited[day], 95),
            healed[day],
        )
        for day in cut.days
    )


def percentile(values: Sequence[int], percent: int) -> int | None:
    """Return the smallest value that at least `percent` of a hundred do not exceed; None of no values."""
    if not values:
        return None
    return sorted(values)[-(-len(values) * percent // 100) - 1]


async def _healed(session: AsyncSession, cut: Cut) -> Counter[date]:
    query = (
        select(Heal.healed_at)
        .where(*cut.owned(Heal), *cut.made(Heal.id, "hea"), Heal.wrong == Wrong.LOST_NOTIFICATION.value)
        .order_by(Heal.id.desc())
        .limit(LOOKED_AT)
    )
    if cut.part.sub_appid is not None:
        of_order = and_(
            Order.provider_id == Heal.provider_id,
            Order.tenant_id == Heal.tenant_id,
            Order.id == Heal.order_id,
        )
        query = query.join(Order, of_order).where(Order.sub_appid == cut.part.sub_appid)
    return Counter(day_of(healed_at) for healed_at in await session.scalars(query))
