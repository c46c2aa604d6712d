"""How reliably endpoints take what they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.ids import new_ulid
from sptenants.webhooks.models import Delivery, DeliveryState
from sptenants.webhooks.records import EndpointRecord

DAY = timedelta(hours=24)
WEEK = timedelta(days=7)
MOST_COUNTED = 5_000
"""Deliveries of one state counted for one endpoint; a busier one is judged by its newest."""

_TRIED = (DeliveryState.DELIVERED, DeliveryState.RETRYING, DeliveryState.FAILED)


@dataclass(frozen=True, slots=True)
class Rate:
    """Of the deliveries made in a span of time and tried at least once, how many have arrived."""

    tried: int = 0
    delivered: int = 0

    @property
    def percent(self) -> float | None:
        """With one decimal, cut and not rounded, so that 100 means every single one; None without any."""
        return self.delivered * 1000 // self.tried / 10 if self.tried else None

    def plus(self, state: DeliveryState, count: int) -> Rate:
        arrived = count if state is DeliveryState.DELIVERED else 0
        return Rate(self.tried + count, self.delivered + arrived)


@dataclass(frozen=True, slots=True)
class Rates:
    """`is_cut` says that there were more deliveries than were counted."""

    day: Rate = Rate()
    week: Rate = Rate()
    is_cut: bool = False


async def rates_of(
    database: Database,
    scope: TenantScope | ProviderScope | PlatformScope,
    endpoints: Sequence[EndpointRecord],
    now: datetime,
) -> dict[str, Rates]:
    """Return the rates of the last 24 hours and seven days, by endpoint id.

    Read from the deliveries, of which every one knows how its attempts ended; a bounded look into one index
    for each endpoint and state.
    """
    found: dict[str, Rates] = {}
    async with database.read(scope) as session:
        for endpoint in endpoints:
            found[endpoint.id] = await _rates(session, endpoint, now)
    return found


async def _rates(session: AsyncSession, endpoint: EndpointRecord, now: datetime) -> Rates:
    day, week, is_cut = Rate(), Rate(), False
    for state in _TRIED:
        newest = (
            select(Delivery.id.label("id"))
            .where(
                Delivery.provider_id == endpoint.provider_id,
                Delivery.tenant_id == endpoint.tenant_id,
                Delivery.endpoint_id == endpoint.id,
                Delivery.state == state.value,
                Delivery.id >= _first_id(now - WEEK),
            )
            .order_by(Delivery.id.desc())
            .limit(MOST_COUNTED)
            .subquery()
        )
        of_day = func.count(newest.c.id).filter(newest.c.id >= _first_id(now - DAY))
        in_week, in_day = (await session.execute(select(func.count(newest.c.id), of_day))).one()
        day, week = day.plus(state, in_day), week.plus(state, in_week)
        is_cut = is_cut or in_week == MOST_COUNTED
    return Rates(day, week, is_cut)


def _first_id(at: datetime) -> str:
    """Return what sorts before every delivery made since `at`: ids begin with their moment."""
    return f"dlv_{new_ulid(at)[:10]}"
