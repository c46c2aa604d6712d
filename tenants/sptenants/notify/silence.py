"""Silent callbacks: a query found a payment, and no notification came (acceptance, pain 11).

Healing makes it harmless for the order. But an address that WeChat cannot reach stays unreachable until
somebody looks, so each such order goes on the work list, and off it again when the notification comes late.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from sptenants.notify.models import Notification
from sptenants.orders.disputes import AnomalyKind, raise_anomaly, settle_anomaly
from sptenants.orders.models import Order
from sptenants.orders.records import OrderRecord

_ORDERS = table_of(Order)


class Silence:
    """Looks, some minutes after a query found a payment, whether its notification has come."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run_due(self, limit: int = 100) -> int:
        """Look at up to `limit` orders and return how many were looked at."""
        due = (
            select(Order.provider_id, Order.tenant_id, Order.id)
            .where(Order.silence_due_at <= self._clock.now())
            .order_by(Order.silence_due_at)
            .limit(limit)
        )
        async with self._database.read(WorkerScope()) as session:
            found = (await session.execute(due)).all()
        for provider_id, tenant_id, order_id in found:
            await self._look(TenantScope(provider_id, tenant_id), order_id)
        return len(found)

    async def _look(self, scope: TenantScope, order_id: str) -> None:
        now = self._clock.now()
        mine = (_ORDERS.c.tenant_id == scope.tenant_id, _ORDERS.c.id == order_id)
        statement = (
            update(_ORDERS)
            .where(*mine, _ORDERS.c.silence_due_at <= now)
            .values(silence_due_at=None)
            .returning(_ORDERS.c.out_trade_no, _ORDERS.c.paid_at)
        )
        async with self._database.write(scope) as session:
            order = (await session.execute(statement)).one_or_none()
            if order is None or await _was_told(session, scope, order_id):
                return
            await raise_anomaly(
                session,
                scope,
                AnomalyKind.SILENT_CALLBACK,
                order_id,
                now,
                order_id=order_id,
                facts={"out_trade_no": order.out_trade_no, "paid_at": order.paid_at.isoformat()},
            )


async def _was_told(session: AsyncSession, scope: TenantScope, order_id: str) -> bool:
    """Whether a message about this order came whose signature was right."""
    proven = (
        select(Notification.id)
        .where(
            Notification.tenant_id == scope.tenant_id,
            Notification.order_id == order_id,
            Notification.kind == "payment",
            Notification.result != "rejected",
        )
        .limit(1)
    )
    return (await session.execute(proven)).scalar_one_or_none() is not None


async def told_at_last(session: AsyncSession, scope: TenantScope, order: OrderRecord, now: datetime) -> None:
    """Settle the silence about an order that a query had found paid: its notification is here."""
    if order.paid_by != "query" or order.paid_at is None:
        return
    late_s = max(0, round((now - order.paid_at).total_seconds()))
    note = f"通知在支付 {late_s} 秒后到达 (the notification came {late_s} s after the payment)"
    await settle_anomaly(session, scope, AnomalyKind.SILENT_CALLBACK, order.id, now, note)
