"""Putting an event into the outbox, in the transaction of the change it tells of (rule T4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage


async def enqueue(
    session: AsyncSession,
    scope: TenantScope,
    *,
    type: str,  # noqa: A002 - the column's and the API's own word
    subject: str,
    sequence: int,
    payload: dict[str, Any],
    now: datetime,
) -> str:
    """Add one event and return its id `evt_…`; it exists if and only if the caller's transaction commits.

    `sequence` counts from 1 within `subject`; a number used twice violates a unique constraint.
    """
    event_id = new_id("evt", now)
    row = {
        "id": event_id,
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "type": type,
        "subject": subject,
        "sequence": sequence,
        "payload": payload,
        "created_at": now,
        "due_at": now,
        "attempts": 0,
    }
    await session.execute(insert(table_of(OutboxMessage)), [row])
    return event_id
