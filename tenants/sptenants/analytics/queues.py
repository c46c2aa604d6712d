"""How much work waits for the worker, and since when: the platform's own pulse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.outbox.models import OutboxMessage
from sptenants.orders.models import Order
from sptenants.refunds.models import Refund
from sptenants.webhooks.models import Delivery

MOST = 10_000
"""Depths are counted no further."""

QueueName: TypeAlias = Literal["outbox", "webhooks", "orders", "refunds"]


@dataclass(frozen=True, slots=True)
class Queue:
    """`due` rows are overdue by up to `lag_s` seconds; rows for later are not counted."""

    name: QueueName
    due: int
    lag_s: int


async def queues(session: AsyncSession, now: datetime) -> tuple[Queue, ...]:
    """Return the queues of the worker over all tenants."""
    waiting: tuple[tuple[QueueName, Any, Any], ...] = (
        ("outbox", OutboxMessage.due_at, OutboxMessage.done_at.is_(None)),
        ("webhooks", Delivery.due_at, Delivery.due_at.is_not(None)),
        ("orders", Order.next_check_at, Order.next_check_at.is_not(None)),
        ("refunds", Refund.next_check_at, Refund.next_check_at.is_not(None)),
    )
    found = []
    for name, due_at, is_open in waiting:
        due = select(due_at.label("due_at")).where(is_open, due_at <= now).order_by(due_at).limit(MOST)
        rows = due.subquery()
        count, oldest = (await session.execute(select(func.count(), func.min(rows.c.due_at)))).one()
        found.append(Queue(name, count, max(0, round((now - oldest).total_seconds())) if oldest else 0))
    return tuple(found)
