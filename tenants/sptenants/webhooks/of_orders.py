"""How far the events of orders are on their way to the merchants' servers: for lists of orders.

Deliveries are looked up endpoint by endpoint, as their index is kept; a tenant has a few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select

from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, TenantScope
from sptenants.orders.filters import Also
from sptenants.webhooks.models import Delivery, DeliveryState, WebhookEndpoint
from sptenants.webhooks.reader import ReadScope

_WORST_FIRST = (
    DeliveryState.FAILED,
    DeliveryState.RETRYING,
    DeliveryState.PENDING,
    DeliveryState.DELIVERED,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """The delivery of an order's events that is worst off, and how many attempts it took."""

    state: DeliveryState
    attempts: int


async def progress(
    database: Database, scope: ReadScope, tenant_ids: Sequence[str], order_ids: Sequence[str]
) -> Mapping[str, Progress]:
    """Return the state by order id; orders without a delivery are left out."""
    if not order_ids:
        return {}
    query = (
        select(Delivery.subject, Delivery.state, Delivery.attempts)
        .join_from(WebhookEndpoint, Delivery, _same_endpoint(scope))
        .where(
            *_within(scope, WebhookEndpoint),
            WebhookEndpoint.tenant_id.in_(tenant_ids),
            Delivery.subject.in_(order_ids),
        )
    )
    async with database.read(scope) as session:
        rows = (await session.execute(query)).all()
    found: dict[str, Progress] = {}
    for subject, state, attempts in rows:
        made = Progress(DeliveryState(state), attempts)
        if subject not in found or _rank(made) < _rank(found[subject]):
            found[subject] = made
    return found


@dataclass(frozen=True, slots=True)
class OrderDelivery:
    """One delivery of an event of an order."""

    id: str
    state: DeliveryState
    attempts: int


async def deliveries_of(
    database: Database, scope: ReadScope, tenant_id: str, order_id: str
) -> Sequence[OrderDelivery]:
    """Return the deliveries of an order's events, newest first."""
    query = (
        select(Delivery.id, Delivery.state, Delivery.attempts)
        .join_from(WebhookEndpoint, Delivery, _same_endpoint(scope))
        .where(
            *_within(scope, WebhookEndpoint),
            WebhookEndpoint.tenant_id == tenant_id,
            Delivery.subject == order_id,
        )
        .order_by(Delivery.id.desc())
    )
    async with database.read(scope) as session:
        rows = (await session.execute(query)).all()
    return [OrderDelivery(id_, DeliveryState(state), attempts) for id_, state, attempts in rows]


def in_state(state: DeliveryState) -> Also:
    """Return the condition that an event of the order is in this state on its way to some endpoint."""

    def condition(scope: ReadScope, order: Any) -> ColumnElement[bool]:
        return exists(
            select(Delivery.id)
            .join_from(WebhookEndpoint, Delivery, _same_endpoint(scope))
            .where(
                *_within(scope, WebhookEndpoint),
                WebhookEndpoint.tenant_id == order.tenant_id,
                Delivery.subject == order.id,
                Delivery.state == state.value,
            )
        )

    return condition


def _rank(made: Progress) -> tuple[int, int]:
    return _WORST_FIRST.index(made.state), -made.attempts


def _same_endpoint(scope: ReadScope) -> ColumnElement[bool]:
    return and_(
        *_within(scope, Delivery),
        Delivery.provider_id == WebhookEndpoint.provider_id,
        Delivery.tenant_id == WebhookEndpoint.tenant_id,
        Delivery.endpoint_id == WebhookEndpoint.id,
    )


def _within(scope: ReadScope, model: Any) -> list[ColumnElement[bool]]:
    if isinstance(scope, PlatformScope):
        return []
    own = [model.provider_id == scope.provider_id]
    return [*own, model.tenant_id == scope.tenant_id] if isinstance(scope, TenantScope) else own
