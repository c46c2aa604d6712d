"""Deleting what is over: mini-program sessions, stored answers and old webhook attempts.

The worker's scope reads everything but deletes nothing of a tenant, so it looks who has something to tidy
and then works in each tenant's own scope.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

from sqlalchemy import ColumnElement, delete, select

from spapp.accounts.models import WorkerHeartbeat
from spapp.refusals.models import Refusal
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, TenantScope, WorkerScope
from sptenants.orders.models import IdempotencyRecord
from sptenants.sessions.models import MiniSession
from sptenants.webhooks.models import DeliveryAttempt

ANSWERS_KEPT = timedelta(hours=48)
"""At least a day (failure catalogue 2.1); afterwards the merchant's order number still protects."""
WEBHOOK_ATTEMPTS_KEPT = timedelta(days=90)
"""Failure catalogue 2.6; events and deliveries themselves stay."""
HEARTBEATS_KEPT = timedelta(days=1)
REFUSALS_KEPT = timedelta(days=180)

_Owned: TypeAlias = type[MiniSession] | type[IdempotencyRecord] | type[DeliveryAttempt]


async def tidy(database: Database, clock: Clock) -> None:
    now = clock.now()
    await _delete_owned(database, MiniSession, MiniSession.expires_at <= now)
    await _delete_owned(database, IdempotencyRecord, IdempotencyRecord.created_at <= now - ANSWERS_KEPT)
    await _delete_owned(database, DeliveryAttempt, DeliveryAttempt.at <= now - WEBHOOK_ATTEMPTS_KEPT)
    async with database.write(DoorScope()) as session:
        await session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.at < now - HEARTBEATS_KEPT))
        await session.execute(delete(Refusal).where(Refusal.last_at < now - REFUSALS_KEPT))


async def _delete_owned(database: Database, table: _Owned, is_over: ColumnElement[bool]) -> None:
    owners = select(table.provider_id, table.tenant_id).where(is_over).distinct()
    async with database.read(WorkerScope()) as session:
        found = (await session.execute(owners)).all()
    for provider_id, tenant_id in found:
        async with database.write(TenantScope(provider_id, tenant_id)) as session:
            await session.execute(delete(table).where(table.tenant_id == tenant_id, is_over))
