"""The heal log: what the platform put right by itself, what had been wrong, and how long it took (2.4)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from sptenants.orders import timeline
from sptenants.orders.models import Heal
from sptenants.orders.repository import insert_notes_of


class Wrong(StrEnum):
    """What had been lost or missed."""

    LOST_NOTIFICATION = "lost_notification"
    """Paid, and no notification told so before a query did."""
    LOST_ANSWER = "lost_answer"
    """WeChat's answer to an order never arrived, or said nothing certain."""
    OVERDUE_CLOSE = "overdue_close"
    """Nobody paid and nobody closed it in time."""
    LATE_PAYMENT = "late_payment"
    """Paid after it had been closed or given up here."""
    UNKNOWN_ORDER = "unknown_order"
    """Paid at WeChat while our row was lost (B06, D09)."""
    LOST_REFUND_ANSWER = "lost_refund_answer"
    LOST_REFUND_NOTIFICATION = "lost_refund_notification"
    LOST_REFUND = "lost_refund"
    """A refund under a number of ours while our row was lost (D09)."""
    REFUND_OUTSIDE = "refund_outside"
    """A refund made at WeChat's own console (F10)."""


async def record_heal(
    session: AsyncSession,
    scope: TenantScope,
    *,
    order_id: str,
    refund_id: str | None = None,
    wrong: Wrong,
    before: str,
    after: str,
    since: datetime,
    now: datetime,
    queries: int,
) -> None:
    """Write down one repair in the transaction that made it, and tell it on the order's timeline.

    `before` and `after` are states of the order or refund, `since` is when it went wrong, `queries` how many
    questions to WeChat it took.
    """
    row = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "id": new_id("hea", now),
        "order_id": order_id,
        "refund_id": refund_id,
        "wrong": wrong.value,
        "before": before,
        "after": after,
        "since": since,
        "healed_at": now,
        "queries": queries,
    }
    await session.execute(insert(table_of(Heal)), [row])
    took_s = max(0, round((now - since).total_seconds()))
    note = timeline.healed(wrong.value, took_s=took_s, queries=queries, refund_id=refund_id)
    await insert_notes_of(session, scope, order_id, now, [note])
