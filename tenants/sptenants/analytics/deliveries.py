"""How well merchants' servers take their events."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.analytics.cuts import Cut
from sptenants.registry.models import Tenant
from sptenants.webhooks.models import Delivery, DeliveryState, WebhookEndpoint

LOOKED_AT = 20_000
"""Deliveries looked at, the newest ones."""
MOST_ENDPOINTS = 20


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """One endpoint with the deliveries that were begun in the cut."""

    id: str
    tenant_name: str
    host: str
    is_active: bool
    delivered: int
    failed: int
    open: int

    @property
    def success_per_10000(self) -> int | None:
        """Delivered of what is finished, in hundredths of a percent."""
        finished = self.delivered + self.failed
        return self.delivered * 10_000 // finished if finished else None


async def endpoint_records(session: AsyncSession, cut: Cut) -> tuple[EndpointRecord, ...]:
    """Return the endpoints with most failed deliveries first. Deliveries know no app; one is not filtered."""
    newest = (
        select(Delivery.provider_id, Delivery.tenant_id, Delivery.endpoint_id, Delivery.state)
        .where(*cut.owned(Delivery), *cut.made(Delivery.id, "dlv"))
        .order_by(Delivery.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    delivered = func.sum(case((newest.c.state == DeliveryState.DELIVERED.value, 1), else_=0))
    failed = func.sum(case((newest.c.state == DeliveryState.FAILED.value, 1), else_=0))
    query = (
        select(
            WebhookEndpoint.id,
            Tenant.name,
            WebhookEndpoint.url,
            WebhookEndpoint.status,
            delivered,
            failed,
            func.count(),
        )
        .select_from(newest)
        .join(
            WebhookEndpoint,
            and_(
                WebhookEndpoint.provider_id == newest.c.provider_id,
                WebhookEndpoint.tenant_id == newest.c.tenant_id,
                WebhookEndpoint.id == newest.c.endpoint_id,
            ),
        )
        .join(
            Tenant,
            and_(Tenant.provider_id == WebhookEndpoint.provider_id, Tenant.id == WebhookEndpoint.tenant_id),
        )
        .where(*cut.owned(WebhookEndpoint))
        .group_by(WebhookEndpoint.id, Tenant.name, WebhookEndpoint.url, WebhookEndpoint.status)
        .order_by(failed.desc(), func.count().desc(), WebhookEndpoint.id)
        .limit(MOST_ENDPOINTS)
    )
    return tuple(
        EndpointRecord(
            endpoint_id,
            tenant_name,
            urlsplit(url).netloc,
            status == "active",
            int(done),
            int(lost),
            int(count) - int(done) - int(lost),
        )
        for endpoint_id, tenant_name, url, status, done, lost, count in await session.execute(query)
    )
