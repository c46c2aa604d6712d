"""What healing has put right on an order: its state before and after, judged by what had been lost (2.4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.orders import repository, schedule
from sptenants.orders.heals import Wrong, record_heal
from sptenants.orders.line import Case
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeType

OVERDUE = timedelta(minutes=5)
"""How late a close must be to tell of trouble; nobody paying in time is everyday business."""

_S = OrderStatus
_OVER = frozenset({_S.CLOSED, _S.FAILED, _S.REVOKED})


async def note(session: AsyncSession, case: Case, after: OrderRecord, now: datetime) -> None:
    """Record what healing changed on `case`, in the transaction that changed it; most often nothing.

    A case that a person or a client asked about (`found_as` is None) heals nothing.
    """
    before = case.found_as
    if before is None or (found := _judge(before, after, now)) is None:
        return
    wrong, since = found
    await record_heal(
        session,
        repository.scope_of(after),
        order_id=after.id,
        wrong=wrong,
        before=before.status.value,
        after=after.status.value,
        since=since,
        now=now,
        queries=before.checks + 1,
    )


def _judge(before: OrderRecord, after: OrderRecord, now: datetime) -> tuple[Wrong, datetime] | None:
    if before.status is after.status:
        return None
    if after.status is _S.PAID and after.paid_at is not None and after.paid_by == "query":
        return _paid(before, after.paid_at)
    if before.status is _S.SUBMITTING and after.status in {_S.PENDING, *_OVER}:
        return Wrong.LOST_ANSWER, before.state_since
    due = schedule.close_due_at(before)
    if after.status is _S.CLOSED and before.out_trade_no is not None and now - due > OVERDUE:
        return Wrong.OVERDUE_CLOSE, due
    return None


def _paid(before: OrderRecord, paid_at: datetime) -> tuple[Wrong, datetime] | None:
    if before.status in _OVER:
        return Wrong.LATE_PAYMENT, paid_at
    if before.trade_type != TradeType.MICROPAY:
        return Wrong.LOST_NOTIFICATION, paid_at
    # WeChat sends none for a payment code (wechatpay-v2 5.1); while the payer types, asking is the way.
    return (Wrong.LOST_ANSWER, before.state_since) if before.status is _S.SUBMITTING else None
