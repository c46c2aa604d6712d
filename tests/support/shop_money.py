"""What the lived-in installation has of refunds and of things to look at, as rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.ids import new_id, new_ulid
from sptenants.orders import timeline
from sptenants.orders.models import AnomalyRow, Order, TimelineEntry
from sptenants.orders.timeline import Note
from sptenants.refunds.models import Refund

LONG_REASON = (
    "顾客在门店反映少发两杯饮品并且等待时间过长，经店长与顾客协商一致，"
    "本次仅退还差额部分，其余饮品已重新制作并交付"
)
RECV_ACCOUNT = "支付用户零钱"


async def add_refund(
    database: Database,
    tenant: TenantScope,
    order_id: str,
    amount: int,
    at: datetime,
    *,
    status: str = "succeeded",
    reserved: bool = False,
    **changes: Any,
) -> str:
    """Write a refund of a paid order; `reserved` adds it to what the order has under way."""
    refund_id = new_id("rfd", at)
    async with database.write(tenant) as session:
        order = await _order(session, tenant, order_id)
        final = status in ("succeeded", "rejected", "closed")
        row: dict[str, Any] = {
            "provider_id": tenant.provider_id,
            "tenant_id": tenant.tenant_id,
            "id": refund_id,
            "order_id": order_id,
            "out_trade_no": order.out_trade_no,
            "transaction_id": order.transaction_id,
            "out_refund_no": new_ulid(at),
            "amount": amount,
            "total": order.amount,
            "reason": "少发一杯",
            "request": {},
            "status": status,
            "purpose": "order",
            "source": "console",
            "approval": "none",
            "created_by": "王敏",
            "wechat_refund_id": f"5030000{int(at.timestamp() * 1000):021d}"
            if status != "requested"
            else None,
            "recv_account": RECV_ACCOUNT if status == "succeeded" else None,
            "next_check_at": None if final or changes.get("approval") == "waiting" else at,
            "state_since": at,
            "created_at": at,
            "updated_at": at,
            "accepted_at": None if status in ("requested", "rejected") else at + timedelta(seconds=1),
            "succeeded_at": at + timedelta(seconds=9) if status == "succeeded" else None,
        }
        await session.execute(insert(table_of(Refund)), [row | changes])
        facts = {
            "refund_id": refund_id,
            "amount": amount,
            "out_refund_no": row["out_refund_no"],
            "reason": row["reason"],
            "by": row["created_by"],
            "source": row["source"],
            "purpose": row["purpose"],
        }
        told = timeline.rows(
            tenant.provider_id, tenant.tenant_id, order_id, at, [Note("refund.requested", "info", facts)]
        )
        await session.execute(insert(table_of(TimelineEntry)), told)
        if reserved:
            under_way = order.refunding_amount + amount
            await session.execute(
                update(table_of(Order))
                .where(Order.tenant_id == tenant.tenant_id, Order.id == order_id)
                .values(refunding_amount=under_way)
            )
    return refund_id


async def add_anomaly(
    database: Database,
    tenant: TenantScope,
    kind: str,
    at: datetime,
    *,
    order_id: str | None = None,
    settled_by: str | None = None,
    note: str | None = None,
    **facts: Any,
) -> str:
    """Write something on the work list; `settled_by` and `note` take it off again."""
    anomaly_id = new_id("ano", at)
    row = {
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "id": anomaly_id,
        "kind": kind,
        "mark": anomaly_id,
        "order_id": order_id,
        "refund_id": None,
        "facts": facts,
        "seen": 1,
        "raised_at": at,
        "last_seen_at": at,
        "state": "resolved" if settled_by else "open",
        "resolved_at": at + timedelta(minutes=4) if settled_by else None,
        "resolved_by": settled_by,
        "note": note,
    }
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(AnomalyRow)), [row])
    return anomaly_id


async def _order(session: AsyncSession, tenant: TenantScope, order_id: str) -> Order:
    found = await session.scalar(
        select(Order).where(
            Order.provider_id == tenant.provider_id,
            Order.tenant_id == tenant.tenant_id,
            Order.id == order_id,
        )
    )
    assert found is not None
    return found
