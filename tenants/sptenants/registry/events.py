"""What a merchant's server is told of the tenant itself: that it may take payments, or may no more."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import func, select

from spcore.db.scope import TenantScope
from spcore.outbox.models import OutboxMessage
from spcore.outbox.writer import enqueue
from sptenants.registry import binding_changes
from sptenants.registry.changes import Change
from sptenants.registry.models import Tenant
from sptenants.registry.rules import TenantStatus
from sptenants.registry.schemas import TenantListed, wire_time

EVENTS: Final = {TenantStatus.LIVE: "tenant.live", TenantStatus.SUSPENDED: "tenant.suspended"}


async def tell(change: Change, tenant: Tenant, status: TenantStatus) -> None:
    """Enqueue the event of a tenant that just became `status`; the other stages have none.

    Its data is the tenant as lists of the API show it, so nobody's personal data. Events of one tenant are
    numbered from 1. The change is locked, so that no number is taken twice.
    """
    if status not in EVENTS:
        return
    scope = TenantScope(change.provider.id, tenant.id)
    last = await change.session.scalar(
        select(func.max(OutboxMessage.sequence)).where(
            OutboxMessage.provider_id == scope.provider_id,
            OutboxMessage.tenant_id == scope.tenant_id,
            OutboxMessage.subject == tenant.id,
        )
    )
    await enqueue(
        change.session,
        scope,
        type=EVENTS[status],
        subject=tenant.id,
        sequence=(last or 0) + 1,
        payload=await _tenant_object(change, tenant, status),
        now=change.now,
    )


async def _tenant_object(change: Change, tenant: Tenant, status: TenantStatus) -> dict[str, Any]:
    listed = TenantListed(
        id=tenant.id,
        mode=change.provider.mode,
        name=tenant.name,
        sub_mch_id=tenant.sub_mch_id,
        status=status.value,
        bindings_count=len(await binding_changes.of_tenant(change, tenant.id)),
        created_at=wire_time(tenant.created_at),
    )
    plain: dict[str, Any] = msgspec.to_builtins(listed)
    return plain
