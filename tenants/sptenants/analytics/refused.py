"""Notifications that changed nothing: wrong signature, wrong identity, nobody's order, or come again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.keyset import Page, decode_cursor, page
from spcore.providers.models import Provider
from sptenants.analytics.cuts import Cut
from sptenants.notify.models import Notification, StrayNotification
from sptenants.orders.sums import day_of
from sptenants.registry.models import Tenant

LOOKED_AT = 20_000
"""Notifications counted, the newest ones."""
MOST_STRAYS = 100


class RefusedResult(StrEnum):
    """Results of the journal that stand for a refusal."""

    REJECTED = "rejected"
    """The signature is wrong, or the body cannot be read."""
    MISMATCH = "mismatch"
    """Genuine, but identity or amount are not the order's."""
    UNMATCHED = "unmatched"
    """Genuine, but there is no such order."""
    DUPLICATE = "duplicate"
    """Known already; harmless, and worth a look when there are many."""


@dataclass(frozen=True, slots=True)
class RefusedNotification:
    id: str
    provider_name: str
    tenant_id: str
    tenant_name: str
    version: str
    kind: str
    result: RefusedResult
    reason: str | None
    out_trade_no: str | None
    order_id: str | None
    received: int
    received_at: datetime
    last_received_at: datetime
    peer: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Stray:
    """A message at an address that is nobody's; `route_digest` tells addresses apart without naming them."""

    route_digest: str
    size: int
    peer: str
    received: int
    received_at: datetime
    last_received_at: datetime


async def refused_notifications(
    session: AsyncSession, cut: Cut, result: RefusedResult | None, limit: int, cursor: str | None = None
) -> Page[RefusedNotification]:
    """Return a page, newest first. Raises InvalidInput for a cursor we did not make."""
    query = (
        select(Notification, Tenant.name, Provider.name)
        .join(
            Tenant,
            and_(Tenant.provider_id == Notification.provider_id, Tenant.id == Notification.tenant_id),
        )
        .join(Provider, Provider.id == Notification.provider_id)
        .where(
            *cut.owned(Notification),
            *cut.made(Notification.id, "ntf"),
            Notification.result.in_([one.value for one in ([result] if result else RefusedResult)]),
        )
        .order_by(Notification.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(Notification.id < decode_cursor(cursor))
    found = (await session.execute(query)).all()
    return page([_refused(row, tenant_name, provider) for row, tenant_name, provider in found], limit)


async def refused_by_day(session: AsyncSession, cut: Cut) -> Counter[tuple[date, str]]:
    """Count the refused notifications of the cut by day and result; ones that came again are left out."""
    counted = [one.value for one in RefusedResult if one is not RefusedResult.DUPLICATE]
    query = (
        select(Notification.received_at, Notification.result)
        .where(*cut.owned(Notification), *cut.made(Notification.id, "ntf"), Notification.result.in_(counted))
        .order_by(Notification.id.desc())
        .limit(LOOKED_AT)
    )
    return Counter((day_of(at), result) for at, result in await session.execute(query))


async def strays(session: AsyncSession) -> tuple[Stray, ...]:
    """Return the latest messages at unknown addresses; they belong to nobody, so only the platform asks."""
    query = select(StrayNotification).order_by(StrayNotification.last_received_at.desc()).limit(MOST_STRAYS)
    return tuple(
        Stray(row.route_digest, row.size, row.peer, row.received, row.received_at, row.last_received_at)
        for row in await session.scalars(query)
    )


def _refused(row: Notification, tenant_name: str, provider_name: str) -> RefusedNotification:
    return RefusedNotification(
        id=row.id,
        provider_name=provider_name,
        tenant_id=row.tenant_id,
        tenant_name=tenant_name,
        version=row.version,
        kind=row.kind,
        result=RefusedResult(row.result),
        reason=row.reason,
        out_trade_no=row.out_trade_no,
        order_id=row.order_id,
        received=row.received,
        received_at=row.received_at,
        last_received_at=row.last_received_at,
        peer=row.peer,
        request_id=row.request_id,
    )
