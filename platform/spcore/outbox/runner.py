"""Handing on what the outbox holds: at least once, in order for each subject, by one worker at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import ColumnElement, CursorResult, exists, or_, select, tuple_, update
from sqlalchemy.orm import aliased

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import WorkerScope
from spcore.outbox.models import OutboxMessage

Handler = Callable[[OutboxMessage], Awaitable[None]]

LEASE = timedelta(seconds=60)
"""How long a claimed message is left to its worker; afterwards any worker may take it."""
HANDLER_TIMEOUT_S = 45.0
"""A handler is stopped well before its lease ends, so that two workers never handle one message at once."""
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=1)
JITTER = 0.2
_AT_ONCE = 8

_log = structlog.get_logger(__name__)


def _random() -> float:
    return secrets.SystemRandom().random()


class OutboxRunner:
    """Takes due messages and gives each to the handler of its type.

    A handler may see a message again (a crash after it finished, before that was stored), so it must be
    idempotent; the message's id stays the same. A message that fails is tried again for ever, with growing
    pauses, and meanwhile holds back only the later ones of its subject. `default` handles every type without
    a handler of its own; without it such a message is done at once.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        handlers: Mapping[str, Handler],
        worker_id: str,
        *,
        default: Handler | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._handlers = dict(handlers)
        self._default = default
        self._worker_id = worker_id
        self._random = random

    async def run_once(self, limit: int) -> int:
        """Hand on up to `limit` due messages, and return how many were tried, failures included."""
        tried = 0
        while tried < limit:
            batch = await self._claim(min(limit - tried, _AT_ONCE))
            if not batch:
                break
            async with asyncio.TaskGroup() as group:
                for message in batch:
                    group.create_task(self._hand_on(message))
            tried += len(batch)
        return tried

    async def _claim(self, limit: int) -> Sequence[OutboxMessage]:
        """Lease the first unfinished message of up to `limit` subjects.

        PostgreSQL skips rows another worker is claiming, and looks at a row again once it has its lock;
        SQLite lets one transaction write at a time, to the same effect (Z10).
        """
        now = self._clock.now()
        earlier = aliased(OutboxMessage)
        held_back = exists().where(
            earlier.tenant_id == OutboxMessage.tenant_id,
            earlier.subject == OutboxMessage.subject,
            earlier.sequence < OutboxMessage.sequence,
            earlier.done_at.is_(None),
        )
        due = (
            select(OutboxMessage)
            .where(
                OutboxMessage.done_at.is_(None),
                OutboxMessage.due_at <= now,
                or_(OutboxMessage.leased_until.is_(None), OutboxMessage.leased_until <= now),
                ~held_back,
            )
            .order_by(OutboxMessage.due_at, OutboxMessage.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self._database.write(WorkerScope()) as session:
            claimed = (await session.scalars(due)).all()
            if claimed:
                keys = [(message.tenant_id, message.id) for message in claimed]
                lease = {"leased_by": self._worker_id, "leased_until": now + LEASE}
                await session.execute(
                    update(OutboxMessage)
                    .where(tuple_(OutboxMessage.tenant_id, OutboxMessage.id).in_(keys))
                    .values(attempts=OutboxMessage.attempts + 1, **lease)
                    .execution_options(synchronize_session=False)
                )
            session.expunge_all()
        for message in claimed:
            message.attempts += 1
            message.leased_by, message.leased_until = self._worker_id, now + LEASE
        return claimed

    async def _hand_on(self, message: OutboxMessage) -> None:
        handler = self._handlers.get(message.type, self._default)
        try:
            if handler is not None:
                async with asyncio.timeout(HANDLER_TIMEOUT_S):
                    await handler(message)
        except Exception as error:
            await self._put_back(message, error)
        else:
            await self._settle(message, {"done_at": self._clock.now(), "last_error": None})

    async def _put_back(self, message: OutboxMessage, error: Exception) -> None:
        # Only the kind of error is kept: its text may quote what a stranger's server answered.
        kind = type(error).__name__
        delay = self._delay(message.attempts)
        _log.warning(
            "outbox.failed",
            event_id=message.id,
            event_type=message.type,
            tenant_id=message.tenant_id,
            provider_id=message.provider_id,
            attempts=message.attempts,
            error=kind,
            next_in_s=round(delay.total_seconds()),
        )
        await self._settle(message, {"due_at": self._clock.now() + delay, "last_error": kind})

    async def _settle(self, message: OutboxMessage, values: dict[str, Any]) -> None:
        """Store the outcome and give the lease back, unless the lease was lost meanwhile."""
        async with self._database.write(WorkerScope()) as session:
            settled = await session.execute(
                update(OutboxMessage)
                .where(*self._still_leased(message, message.leased_until))
                .values(leased_by=None, leased_until=None, **values)
                .execution_options(synchronize_session=False)
            )
        if cast("CursorResult[Any]", settled).rowcount != 1:
            _log.warning("outbox.lease_lost", event_id=message.id, tenant_id=message.tenant_id)

    def _still_leased(
        self, message: OutboxMessage, until: datetime | None
    ) -> tuple[ColumnElement[bool], ...]:
        return (
            OutboxMessage.tenant_id == message.tenant_id,
            OutboxMessage.id == message.id,
            OutboxMessage.done_at.is_(None),
            OutboxMessage.leased_by == self._worker_id,
            OutboxMessage.leased_until == until,
        )

    def _delay(self, attempts: int) -> timedelta:
        """Double from 5 s to 1 h, spread by ±20 % so that many failures do not return at one instant."""
        doubled = FIRST_DELAY * (1 << min(attempts - 1, 16))
        return min(doubled, LONGEST_DELAY) * (1 - JITTER + 2 * JITTER * self._random())
