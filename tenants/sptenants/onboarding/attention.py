"""Which tenants need a person: those with something red in the doctor's latest results."""

from __future__ import annotations

from sqlalchemy import select

from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from sptenants.doctor.models import DoctorResult
from sptenants.doctor.rows import Level

MOST = 1000
"""More are not told apart: a list that long is not worked off one by one."""


async def failing_tenants(database: Database, scope: ProviderScope) -> frozenset[str]:
    """Return the ids of tenants with a failed item."""
    query = (
        select(DoctorResult.tenant_id)
        .where(
            DoctorResult.provider_id == scope.provider_id,
            DoctorResult.tenant_id.is_not(None),
            DoctorResult.level == Level.FAIL.value,
        )
        .distinct()
        .limit(MOST)
    )
    async with database.read(scope) as session:
        return frozenset(found for found in await session.scalars(query) if found is not None)
