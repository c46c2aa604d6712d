"""Read models of orders: lists, one order whole, figures. They read; nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.orders import figures, timeline
from sptenants.orders.figures import Count, Figures
from sptenants.orders.filters import OrderFilter, ReadScope, Tab, matching, within
from sptenants.orders.models import Attempt, Order, TimelineEntry
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.registry.caller import TenantProfile
from sptenants.registry.models import Tenant


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A line of the list."""

    order: OrderRecord
    tenant_name: str
    sub_mch_id: str | None
    provider_name: str
    attention: bool

    @property
    def id(self) -> str:
        return self.order.id


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """One order with everything known about it; `timeline` and `attempts` are newest first."""

    order: OrderRecord
    attempts: tuple[AttemptRecord, ...]
    timeline: tuple[timeline.Entry, ...]
    tenant: TenantProfile
    provider: ProviderProfile
    attention: bool


class OrderReader:
    """Reads orders for API, console and merchant pages."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self, scope: ReadScope, wanted: OrderFilter, limit: int, cursor: str | None = None
    ) -> Page[OrderRow]:
        """Return a page, newest first. Raises InvalidInput for a cursor we did not make."""
        now = self._clock.now()
        query = (
            select(Order, Tenant.name, Tenant.sub_mch_id, Provider.name, Provider.mode)
            .join(Tenant, and_(Tenant.provider_id == Order.provider_id, Tenant.id == Order.tenant_id))
            .join(Provider, Provider.id == Order.provider_id)
            .where(*within(scope), *matching(wanted, now))
            .order_by(Order.id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(Order.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        shown = []
        for order, tenant_name, sub_mch_id, provider_name, mode in found:
            record = OrderRecord.of(order, mode)
            shown.append(
                OrderRow(record, tenant_name, sub_mch_id, provider_name, record.needs_attention(now))
            )
        return page(shown, limit)

    async def detail(self, scope: ReadScope, order_id: str) -> OrderDetail:
        """Return one order whole. Raises NotFound, also for somebody else's (rule Y3)."""
        head = (
            select(Order, Tenant, Provider)
            .join(Tenant, and_(Tenant.provider_id == Order.provider_id, Tenant.id == Order.tenant_id))
            .join(Provider, Provider.id == Order.provider_id)
            .where(*within(scope), Order.id == order_id)
        )
        async with self._database.read(scope) as session:
            found = (await session.execute(head)).one_or_none()
            if found is None:
                raise NotFound
            order, tenant, provider = found
            attempts = await session.scalars(
                _children(scope, select(Attempt), Attempt, order).order_by(Attempt.number.desc())
            )
            written = await session.scalars(_children(scope, select(TimelineEntry), TimelineEntry, order))
            record = OrderRecord.of(order, provider.mode)
            return OrderDetail(
                order=record,
                attempts=tuple(AttemptRecord.of(row) for row in attempts),
                timeline=timeline.entries(record, list(written)),
                tenant=TenantProfile.of(tenant),
                provider=ProviderProfile.of(provider),
                attention=record.needs_attention(self._clock.now()),
            )

    async def record(self, scope: ReadScope, order_id: str) -> OrderRecord:
        """Return the order alone. Raises NotFound, also for somebody else's."""
        query = (
            select(Order, Provider.mode)
            .join(Provider, Provider.id == Order.provider_id)
            .where(*within(scope), Order.id == order_id)
        )
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound
        return OrderRecord.of(*found)

    async def figures(self, scope: ReadScope, wanted: OrderFilter) -> Figures:
        """Return the strip of five figures over the orders of the filter."""
        async with self._database.read(scope) as session:
            return await figures.strip(session, scope, wanted, self._clock.now())

    async def tabs(self, scope: ReadScope, wanted: OrderFilter) -> dict[Tab, Count]:
        """Return how many orders of the filter each tab holds, whatever tab the filter names."""
        async with self._database.read(scope) as session:
            return await figures.tabs(session, scope, wanted, self._clock.now())


def _children(scope: ReadScope, query: Select[Any], child: Any, order: Order) -> Select[Any]:
    own = query.where(child.tenant_id == order.tenant_id, child.order_id == order.id)
    return own if isinstance(scope, PlatformScope) else own.where(child.provider_id == order.provider_id)
