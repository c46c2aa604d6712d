"""How much tenants took in: sums over paid orders, for lists of tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from spcore.db.engine import Database
from sptenants.orders.filters import ReadScope, within
from sptenants.orders.models import Order
from sptenants.orders.states import OrderStatus
from wechatpay.money import Fen


async def paid_since(
    database: Database, scope: ReadScope, tenant_ids: Sequence[str], since: datetime
) -> Mapping[str, Fen]:
    """Return what each of these tenants was paid for orders created since then; no entry means nothing."""
    query = (
        select(Order.tenant_id, func.sum(Order.amount))
        .where(
            *within(scope),
            Order.tenant_id.in_(tenant_ids),
            Order.status == OrderStatus.PAID,
            Order.created_at >= since,
        )
        .group_by(Order.tenant_id)
    )
    async with database.read(scope) as session:
        rows = (await session.execute(query)).all()
    return {tenant_id: Fen(int(amount)) for tenant_id, amount in rows}
