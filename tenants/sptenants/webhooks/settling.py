"""What follows from an attempt: delivered, once more later, or given up; and what it says of the endpoint."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.ids import is_id
from sptenants.orders import repository as orders
from sptenants.orders.schedule import Jitter
from sptenants.webhooks import repository, schedule
from sptenants.webhooks.disabling import disable_by_itself
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.notes import attempted
from sptenants.webhooks.repository import Claimed
from sptenants.webhooks.sender import Answer, Outcome

_GONE = 410
_NOT_SENT = frozenset({Outcome.ENDPOINT_DISABLED, Outcome.NOT_SIGNED})
"""Outcomes that say nothing about the receiver."""

_log = structlog.get_logger(__name__)


class Settling:
    """Stores outcomes, each in one transaction with all that follows from it (T4)."""

    def __init__(self, database: Database, clock: Clock, jitter: Jitter, worker_id: str) -> None:
        self._database = database
        self._clock = clock
        self._jitter = jitter
        self._worker_id = worker_id

    async def store(self, claimed: Claimed, answer: Answer) -> None:
        """Store what came of an attempt. Nothing is stored when the lease is lost: another worker goes on."""
        now = self._clock.now()
        state, due_at = self._what_follows(claimed, answer, now)
        async with self._database.write(claimed.scope) as session:
            stored = await repository.settle(
                session, claimed, self._worker_id, answer, now, state=state, due_at=due_at
            )
            if stored:
                await self._note_endpoint(session, claimed, answer, now)
                await self._note_order(session, claimed, answer, due_at, now)
        log = _log.info if state is DeliveryState.DELIVERED else _log.warning
        log(
            "webhook.attempt" if stored else "webhook.lease_lost",
            delivery_id=claimed.delivery.id,
            event_id=claimed.event.id,
            event_type=claimed.event.type,
            tenant_id=claimed.delivery.tenant_id,
            provider_id=claimed.delivery.provider_id,
            attempt=claimed.delivery.attempts,
            outcome=answer.outcome.value,
            http_status=answer.http_status,
            elapsed_ms=answer.elapsed_ms,
            state=state.value,
        )

    def _what_follows(
        self, claimed: Claimed, answer: Answer, now: datetime
    ) -> tuple[DeliveryState, datetime | None]:
        if answer.outcome is Outcome.DELIVERED:
            return DeliveryState.DELIVERED, None
        if answer.outcome is Outcome.ENDPOINT_DISABLED or answer.http_status == _GONE:
            return DeliveryState.FAILED, None
        asked = schedule.asked_to_wait(answer.http_status, answer.retry_after, now)
        due_at = schedule.next_attempt(claimed.delivery.step, now, self._jitter(), asked)
        return DeliveryState.RETRYING if due_at else DeliveryState.FAILED, due_at

    async def _note_endpoint(
        self, session: AsyncSession, claimed: Claimed, answer: Answer, now: datetime
    ) -> None:
        if answer.outcome in _NOT_SENT:
            return
        if answer.outcome is Outcome.DELIVERED:
            await repository.note_success(session, claimed.endpoint, now)
            return
        failing_since = await repository.note_failure(session, claimed.endpoint, now)
        if answer.http_status == _GONE:
            await disable_by_itself(session, claimed.scope, claimed.endpoint, "gone", now)
        elif now - failing_since >= schedule.GIVE_UP_ENDPOINT:
            await disable_by_itself(session, claimed.scope, claimed.endpoint, "failing", now)

    async def _note_order(
        self,
        session: AsyncSession,
        claimed: Claimed,
        answer: Answer,
        due_at: datetime | None,
        now: datetime,
    ) -> None:
        """Tell the order's timeline of the first attempt and of the end, not of every retry between."""
        subject = claimed.event.subject
        if not is_id(subject, "ord") or (claimed.delivery.step > 1 and due_at is not None):
            return
        note = attempted(claimed, answer, due_at)
        await orders.insert_notes_of(session, claimed.scope, subject, now, [note])
