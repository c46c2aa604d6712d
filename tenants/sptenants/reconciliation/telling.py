"""Telling a merchant's server how its day came out: `bill.balanced` and `bill.different`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import TenantScope
from spcore.outbox.writer import enqueue
from sptenants.reconciliation.records import StatementRecord
from sptenants.reconciliation.schemas import event_data
from sptenants.reconciliation.states import StatementState

EVENTS: Final = {
    StatementState.BALANCED: "bill.balanced",
    StatementState.DIFFERENT: "bill.different",
}


def is_news(state: StatementState, told: str | None) -> bool:
    """Say whether this state is to be told of: not while the statement is open, and not twice in a row."""
    return state in EVENTS and state.value != told


async def tell(session: AsyncSession, statement: StatementRecord, sequence: int, now: datetime) -> None:
    """Enqueue the event of a statement; its data is the statement as the API shows it."""
    await enqueue(
        session,
        TenantScope(statement.provider_id, statement.tenant_id),
        type=EVENTS[statement.state],
        subject=statement.id,
        sequence=sequence,
        payload=event_data(statement),
        now=now,
    )
