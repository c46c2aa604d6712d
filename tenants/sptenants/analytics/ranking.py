"""Tenants and service providers by what they took in, and which of them changed a lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import PlatformScope, TenantScope
from spcore.providers.models import Provider
from sptenants.analytics.cuts import Cut
from sptenants.orders.sums import DAY, Sums, by_owner
from sptenants.registry.models import Tenant

MOST_TENANTS = 20
WEEK = 7 * DAY
WEEKS = 4
"""A day is compared with the mean of the same weekday in this many weeks before it."""
NOTABLE_PERCENT = 50


@dataclass(frozen=True, slots=True)
class Ranked:
    """A tenant with its sums over the cut.

    `change_percent` is the last whole day of the cut against the mean of that weekday in the four weeks
    before; None when nothing was paid then.
    """

    tenant_id: str
    name: str
    provider_id: str
    provider_name: str
    sums: Sums
    change_percent: int | None

    @property
    def is_notable(self) -> bool:
        return self.change_percent is not None and abs(self.change_percent) > NOTABLE_PERCENT


async def tenant_ranking(
    session: AsyncSession, cut: Cut, today: date, limit: int = MOST_TENANTS
) -> tuple[Ranked, ...]:
    """Return the tenants that took in most, most first."""
    found = await by_owner(session, cut.scope, "tenant", cut.days, cut.part, limit=limit)
    compared = min(cut.last, today - DAY)
    on_that_day = await by_owner(session, cut.scope, "tenant", [compared], cut.part)
    weekdays = [compared - WEEK * n for n in range(1, WEEKS + 1)]
    before = await by_owner(session, cut.scope, "tenant", weekdays, cut.part)
    names = await _names(session, cut, list(found))
    return tuple(
        Ranked(
            tenant_id,
            *names[tenant_id],
            sums,
            _change(on_that_day.get(tenant_id, Sums()), before.get(tenant_id, Sums())),
        )
        for tenant_id, sums in found.items()
        if tenant_id in names
    )


def _change(then: Sums, before: Sums) -> int | None:
    """Compare a day with the mean of four; `before` is their sum."""
    total = before.paid_amount.value
    return (then.paid_amount.value * WEEKS - total) * 100 // total if total else None


async def _names(
    session: AsyncSession, cut: Cut, tenant_ids: Sequence[str]
) -> Mapping[str, tuple[str, str, str]]:
    query = (
        select(Tenant.id, Tenant.name, Provider.id, Provider.name)
        .join(Provider, Provider.id == Tenant.provider_id)
        .where(Tenant.id.in_(tenant_ids))
    )
    if not isinstance(cut.scope, PlatformScope):
        query = query.where(Tenant.provider_id == cut.scope.provider_id, Provider.id == cut.scope.provider_id)
    if isinstance(cut.scope, TenantScope):
        query = query.where(Tenant.id == cut.scope.tenant_id)
    return {
        tenant_id: (name, provider_id, provider_name)
        for tenant_id, name, provider_id, provider_name in await session.execute(query)
    }


@dataclass(frozen=True, slots=True)
class ProviderTotal:
    """A service provider with its sums; one without orders has zeros."""

    id: str
    name: str
    mch_id: str
    mode: str
    status: str
    sums: Sums


async def provider_totals(session: AsyncSession, cut: Cut, limit: int = 100) -> tuple[ProviderTotal, ...]:
    """Return the service providers of the platform with their sums, most paid first."""
    found = await by_owner(session, cut.scope, "provider", cut.days, cut.part)
    query = (
        select(Provider.id, Provider.name, Provider.mch_id, Provider.mode, Provider.status)
        .order_by(Provider.id.desc())
        .limit(limit)
    )
    rows = [ProviderTotal(*row, found.get(row[0], Sums())) for row in await session.execute(query)]
    return tuple(sorted(rows, key=lambda total: total.sums.paid_amount, reverse=True))
