"""Refunds that stand out by their amount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.analytics.cuts import Cut
from sptenants.orders.models import Order
from sptenants.refunds.models import Refund
from sptenants.refunds.states import RefundStatus
from sptenants.registry.models import Tenant
from wechatpay.money import Fen

MOST_REFUNDS = 10
_COUNTED = (RefundStatus.SUBMITTING, RefundStatus.PROCESSING, RefundStatus.SUCCEEDED, RefundStatus.ABNORMAL)
"""Refunds that went to WeChat and were not turned down."""


@dataclass(frozen=True, slots=True)
class LargeRefund:
    id: str
    order_id: str
    tenant_name: str
    amount: Fen
    of: Fen
    """What the order was paid with."""
    status: RefundStatus
    created_by: str
    reason: str
    created_at: datetime


async def large_refunds(session: AsyncSession, cut: Cut) -> tuple[LargeRefund, ...]:
    """Return the largest refunds that were asked for in the cut."""
    query = (
        select(Refund, Tenant.name)
        .join(Tenant, and_(Tenant.provider_id == Refund.provider_id, Tenant.id == Refund.tenant_id))
        .where(
            *cut.owned(Refund), *cut.made(Refund.id, "rfd"), Refund.status.in_([s.value for s in _COUNTED])
        )
        .order_by(Refund.amount.desc(), Refund.id.desc())
        .limit(MOST_REFUNDS)
    )
    if cut.part.sub_appid is not None:
        of_order = and_(
            Order.provider_id == Refund.provider_id,
            Order.tenant_id == Refund.tenant_id,
            Order.id == Refund.order_id,
        )
        query = query.join(Order, of_order).where(Order.sub_appid == cut.part.sub_appid)
    return tuple(
        LargeRefund(
            row.id,
            row.order_id,
            tenant_name,
            Fen(row.amount),
            Fen(row.total),
            RefundStatus(row.status),
            row.created_by,
            row.reason or "",
            row.created_at,
        )
        for row, tenant_name in await session.execute(query)
    )
