"""Taking an endpoint out of use: by hand, because it answered 410, or because it failed for days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit import writer as audit
from spcore.audit.actor import SYSTEM
from spcore.audit.writer import Act
from spcore.db.scope import TenantScope
from spcore.outbox.writer import enqueue
from sptenants.webhooks import repository
from sptenants.webhooks.event_types import DISABLED
from sptenants.webhooks.models import WebhookEndpoint
from sptenants.webhooks.records import EndpointRecord
from sptenants.webhooks.repository import ENDPOINTS
from sptenants.webhooks.schemas import endpoint_object

Reason = Literal["by_hand", "gone", "failing"]


async def disable(
    session: AsyncSession, scope: TenantScope, endpoint_id: str, reason: Reason, now: datetime
) -> bool:
    """Disable an active endpoint and let its open deliveries fail; False when it was disabled already.

    They can be resent once it is active again. The caller writes the audit row.
    """
    statement = (
        update(ENDPOINTS)
        .where(
            ENDPOINTS.c.tenant_id == scope.tenant_id,
            ENDPOINTS.c.id == endpoint_id,
            ENDPOINTS.c.status == "active",
        )
        .values(status="disabled", disabled_reason=reason, disabled_at=now)
        .returning(ENDPOINTS.c.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        return False
    await repository.give_up_on(session, scope, endpoint_id, now)
    return True


async def disable_by_itself(
    session: AsyncSession, scope: TenantScope, endpoint: WebhookEndpoint, reason: Reason, now: datetime
) -> None:
    """The same by the system, with its audit row and an event that the tenant's other endpoints hear of."""
    if not await disable(session, scope, endpoint.id, reason, now):
        return
    after = {"status": "disabled", "disabled_reason": reason}
    shown = endpoint_object(EndpointRecord.of(endpoint)) | after
    await tell(session, scope, endpoint.id, DISABLED, shown, now)
    act = Act(
        actor=SYSTEM,
        action="webhook.disabled",
        object_kind="webhook",
        object_id=endpoint.id,
        tenant_id=scope.tenant_id,
        before={"status": "active"},
        after=after | {"url": endpoint.url},
    )
    await audit.record(session, scope.provider_id, act, now)


async def tell(
    session: AsyncSession,
    scope: TenantScope,
    endpoint_id: str,
    type: str,  # noqa: A002 - the column's and the API's own word
    payload: Mapping[str, Any],
    now: datetime,
) -> str:
    """Enqueue an event about an endpoint itself and return its id; events of one endpoint are numbered."""
    counted = (
        update(ENDPOINTS)
        .where(ENDPOINTS.c.tenant_id == scope.tenant_id, ENDPOINTS.c.id == endpoint_id)
        .values(event_sequence=ENDPOINTS.c.event_sequence + 1)
        .returning(ENDPOINTS.c.event_sequence)
    )
    sequence = (await session.execute(counted)).scalar_one()
    return await enqueue(
        session, scope, type=type, subject=endpoint_id, sequence=sequence, payload=dict(payload), now=now
    )
