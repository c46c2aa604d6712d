"""The audit log as tests look at it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope


async def acts_of(database: Database, chain: str, *actions: str) -> Sequence[AuditRow]:
    """Return the rows of a chain with these actions, in order."""
    query = (
        select(AuditRow).where(AuditRow.chain == chain, AuditRow.action.in_(actions)).order_by(AuditRow.seq)
    )
    async with database.read(PlatformScope("what tests look at")) as session:
        return (await session.scalars(query)).all()
