"""Reading counted refusals, for the platform's people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.refusals.models import Refusal
from spapp.refusals.reasons import Reason
from sptenants.registry.models import Tenant

MOST_ROWS = 200
"""Kinds of refusals shown at once; longer lists are cut, and the filters say which to keep."""


@dataclass(frozen=True, slots=True)
class RefusalFilter:
    """Shanghai days, both included."""

    first: date
    last: date
    reason: Reason | None = None
    tenant_id: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """Refusals of one kind on one day, and the last of them."""

    day: date
    reason: Reason
    route: str
    tenant_id: str
    tenant_name: str | None
    seen: int
    last_at: datetime
    last_request_id: str
    last_peer: str


async def refusals(session: AsyncSession, wanted: RefusalFilter) -> tuple[RefusalRow, ...]:
    """Return the kinds of refusals of these days, the latest first."""
    query = (
        select(Refusal, Tenant.name)
        .outerjoin(Tenant, Tenant.id == Refusal.tenant_id)
        .where(*_matching(wanted))
        .order_by(Refusal.last_at.desc())
        .limit(MOST_ROWS)
    )
    return tuple(
        RefusalRow(
            row.day,
            Reason(row.reason),
            row.route,
            row.tenant_id,
            tenant_name,
            row.seen,
            row.last_at,
            row.last_request_id,
            row.last_peer,
        )
        for row, tenant_name in await session.execute(query)
    )


async def refusals_by_day(session: AsyncSession, wanted: RefusalFilter) -> Counter[tuple[date, str]]:
    """Return how many calls were refused by day and reason."""
    query = (
        select(Refusal.day, Refusal.reason, func.sum(Refusal.seen))
        .outerjoin(Tenant, Tenant.id == Refusal.tenant_id)
        .where(*_matching(wanted))
        .group_by(Refusal.day, Refusal.reason)
    )
    return Counter({(day, reason): int(seen) for day, reason, seen in await session.execute(query)})


def _matching(wanted: RefusalFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Refusal.day >= wanted.first, Refusal.day <= wanted.last]
    if wanted.reason is not None:
        conditions.append(Refusal.reason == wanted.reason.value)
    if wanted.tenant_id is not None:
        conditions.append(Refusal.tenant_id == wanted.tenant_id)
    if wanted.provider_id is not None:
        conditions.append(Tenant.provider_id == wanted.provider_id)
    return conditions
