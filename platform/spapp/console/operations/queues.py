"""How much work waits in each queue, and how long the oldest has been due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.exports.models import ExportRow, ExportState
from spapp.web.i18n import N_
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, WorkerScope
from spcore.errors import NotFound, Text
from spcore.outbox.models import OutboxMessage
from sptenants.orders.models import Order
from sptenants.refunds.models import Refund
from sptenants.registry.errors import StateConflict
from sptenants.webhooks.models import Delivery

MOST_COUNTED = 10_000
LATE = timedelta(minutes=5)
"""Work due for longer says that no worker does it, or that one is stuck."""
STUCK_AFTER = 3
"""Attempts of an event after which a person should look; it is tried on for ever."""
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class QueueState:
    """`waiting` counts everything unfinished, `due` what should be done by now, both up to MOST_COUNTED."""

    word: str
    waiting: int
    due: int
    leased: int
    oldest: datetime | None
    now: datetime

    @property
    def overdue_s(self) -> int:
        """How many seconds the oldest has been due; 0 for none."""
        return max(0, int((self.now - self.oldest).total_seconds())) if self.oldest else 0

    @property
    def is_late(self) -> bool:
        return self.overdue_s > LATE.total_seconds()


@dataclass(frozen=True, slots=True)
class _Queue:
    word: str
    due_at: Any
    open: ColumnElement[bool]
    leased: ColumnElement[bool]


def _queues(now: datetime) -> tuple[_Queue, ...]:
    events = OutboxMessage.done_at.is_(None)
    running = ExportRow.state == ExportState.RUNNING.value
    return (
        _Queue(N_("事件分发"), OutboxMessage.due_at, events, OutboxMessage.leased_until > now),
        _Queue(N_("Webhook 投递"), Delivery.due_at, _planned(Delivery.due_at), Delivery.leased_until > now),
        _Queue(N_("订单自愈"), Order.next_check_at, _planned(Order.next_check_at), Order.leased_until > now),
        _Queue(
            N_("退款查询"), Refund.next_check_at, _planned(Refund.next_check_at), Refund.leased_until > now
        ),
        _Queue(N_("后台导出"), ExportRow.due_at, _planned(ExportRow.due_at), running),
    )


def _planned(at: Any) -> ColumnElement[bool]:
    planned: ColumnElement[bool] = at.is_not(None)
    return planned


async def queue_states(database: Database, now: datetime) -> Sequence[QueueState]:
    """Read every queue; bounded counts over the partial indexes that the workers use."""
    found = []
    async with database.read(WorkerScope()) as session:
        for queue in _queues(now):
            found.append(await _state(session, queue, now))
    return found


async def _state(session: AsyncSession, queue: _Queue, now: datetime) -> QueueState:
    async def count(*more: ColumnElement[bool]) -> int:
        some = select(queue.due_at).where(queue.open, *more).limit(MOST_COUNTED).subquery()
        return await session.scalar(select(func.count()).select_from(some)) or 0

    return QueueState(
        word=queue.word,
        waiting=await count(),
        due=await count(queue.due_at <= now),
        leased=await count(queue.leased),
        oldest=await session.scalar(select(func.min(queue.due_at)).where(queue.open)),
        now=now,
    )


@dataclass(frozen=True, slots=True)
class StuckEvent:
    """An event that could not be handed on several times."""

    id: str
    tenant_id: str
    type: str
    attempts: int
    error: str | None
    due_at: datetime


async def stuck_events(database: Database, scope: PlatformScope) -> Sequence[StuckEvent]:
    """Return the events that keep failing, those due first first."""
    query = (
        select(OutboxMessage)
        .where(OutboxMessage.done_at.is_(None), OutboxMessage.attempts >= STUCK_AFTER)
        .order_by(OutboxMessage.due_at)
        .limit(MOST_SHOWN)
    )
    async with database.read(scope) as session:
        rows = await session.scalars(query)
        return [
            StuckEvent(row.id, row.tenant_id, row.type, row.attempts, row.last_error, row.due_at)
            for row in rows
        ]


async def hurry_event(database: Database, scope: PlatformScope, event_id: str, now: datetime) -> str:
    """Let an unfinished event be handed on now, and return its tenant's id.

    Raises NotFound, StateConflict for one that was handed on.
    """
    query = select(OutboxMessage.tenant_id).where(OutboxMessage.id == event_id)
    async with database.read(scope) as session:
        tenant_id = await session.scalar(query)
    if tenant_id is None:
        raise NotFound
    hurried = (
        update(OutboxMessage)
        .where(
            OutboxMessage.tenant_id == tenant_id,
            OutboxMessage.id == event_id,
            OutboxMessage.done_at.is_(None),
        )
        .values(due_at=now)
        .returning(OutboxMessage.id)
        .execution_options(synchronize_session=False)
    )
    async with database.write(WorkerScope()) as session:
        if (await session.execute(hurried)).scalar_one_or_none() is None:
            raise StateConflict(_DONE)
    return tenant_id


_DONE = Text("这个事件已经分发，无需重试。", "This event was handed on; there is nothing to repeat.")
