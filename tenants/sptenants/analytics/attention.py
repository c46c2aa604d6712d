"""What waits for a person, counted for the overviews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import PlatformScope, TenantScope
from spcore.ids import least_id
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.filters import ReadScope, within
from sptenants.orders.models import AnomalyRow, Order
from sptenants.orders.records import UNCLEAR_AFTER
from sptenants.orders.states import OrderStatus
from sptenants.registry.models import Tenant
from sptenants.webhooks.models import Delivery, DeliveryState, WebhookEndpoint

MOST = 1_000
"""Nothing is counted further than this."""
STUCK_AFTER = timedelta(days=3)
"""A sub-merchant on its way in that nobody touched for so long needs somebody."""
EXPIRES_WITHIN = timedelta(days=30)
FAILED_WITHIN = timedelta(days=1)
_ON_THE_WAY = ("draft", "onboarding", "ready")


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate that runs out soon, or has."""

    provider_id: str
    provider_name: str
    label: str | None
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Attention:
    """Counts stop at MOST. What is a service provider's alone is zero for a merchant."""

    unclear_orders: int = 0
    anomalies: Mapping[AnomalyKind, int] = field(default_factory=dict)
    failed_deliveries: int = 0
    disabled_endpoints: int = 0
    stuck_tenants: int = 0
    expiring: tuple[Expiring, ...] = ()


async def attention(session: AsyncSession, scope: ReadScope, now: datetime) -> Attention:
    """Count what waits in a scope."""
    submitting = Order.status == literal(OrderStatus.SUBMITTING.value, literal_execute=True)
    failed_since = least_id("dlv", now - FAILED_WITHIN)
    is_merchant = isinstance(scope, TenantScope)
    return Attention(
        unclear_orders=await _count(
            session, scope, Order, submitting, Order.state_since < now - UNCLEAR_AFTER
        ),
        anomalies=await _anomalies(session, scope),
        failed_deliveries=await _count(
            session,
            scope,
            Delivery,
            Delivery.id >= failed_since,
            Delivery.state == DeliveryState.FAILED.value,
        ),
        disabled_endpoints=await _count(
            session,
            scope,
            WebhookEndpoint,
            WebhookEndpoint.status == "disabled",
            WebhookEndpoint.disabled_reason != "by_hand",
        ),
        stuck_tenants=0 if is_merchant else await _stuck(session, scope, now),
        expiring=() if is_merchant else await expiring_certificates(session, scope, now + EXPIRES_WITHIN),
    )


async def expiring_certificates(
    session: AsyncSession, scope: ReadScope, until: datetime
) -> tuple[Expiring, ...]:
    """Return the client certificates in use that end before a moment, the first to end first."""
    query = (
        select(Provider.id, Provider.name, ProviderKey.label, ProviderKey.not_after)
        .join(Provider, Provider.id == ProviderKey.provider_id)
        .where(
            ProviderKey.kind == KeyKind.CLIENT_CERTIFICATE.value,
            ProviderKey.state == KeyState.ACTIVE.value,
            ProviderKey.not_after < until,
        )
        .order_by(ProviderKey.not_after)
        .limit(20)
    )
    if not isinstance(scope, PlatformScope):
        query = query.where(ProviderKey.provider_id == scope.provider_id, Provider.id == scope.provider_id)
    return tuple(
        Expiring(provider_id, name, label, not_after)
        for provider_id, name, label, not_after in await session.execute(query)
        if not_after is not None
    )


async def _stuck(session: AsyncSession, scope: ReadScope, now: datetime) -> int:
    conditions = [Tenant.status.in_(_ON_THE_WAY), Tenant.updated_at < now - STUCK_AFTER]
    if not isinstance(scope, PlatformScope):
        conditions.append(Tenant.provider_id == scope.provider_id)
    found = select(Tenant.id).where(*conditions).limit(MOST).subquery()
    return int(await session.scalar(select(func.count()).select_from(found)) or 0)


async def _count(
    session: AsyncSession, scope: ReadScope, model: Any, *conditions: ColumnElement[bool]
) -> int:
    found = select(model.id).where(*within(scope, model), *conditions).limit(MOST).subquery()
    return int(await session.scalar(select(func.count()).select_from(found)) or 0)


async def _anomalies(session: AsyncSession, scope: ReadScope) -> Mapping[AnomalyKind, int]:
    query = (
        select(AnomalyRow.kind, func.count(AnomalyRow.id))
        .where(*within(scope, AnomalyRow), AnomalyRow.state == "open")
        .group_by(AnomalyRow.kind)
    )
    return {AnomalyKind(kind): count for kind, count in await session.execute(query)}
