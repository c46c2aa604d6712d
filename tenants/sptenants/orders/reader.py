"""Read models of orders: lists, one order whole, figures. They read; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Subquery, and_, func, select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, encode_cursor, page
from spcore.db.scope import PlatformScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.orders import figures, timeline
from sptenants.orders.candidates import newest
from sptenants.orders.figures import Count, Figures
from sptenants.orders.filters import LOOKS_AT, OrderFilter, ReadScope, Tab, looked_at, within
from sptenants.orders.models import Attempt, Order, TimelineEntry
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.registry.caller import TenantProfile
from sptenants.registry.models import AppBinding, Tenant

_SEEN = (Order.id, Order.tenant_id, Order.amount, Order.sub_appid, Order.trade_type)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A line of the list."""

    order: OrderRecord
    tenant_name: str
    sub_mch_id: str | None
    provider_name: str
    attention: bool
    app_kind: str | None = None
    """What kind of app `sub_appid` is bound as; None when it is bound no longer."""

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
        """Return a page, newest first. Raises InvalidInput for a cursor we did not make.

        It looks at LOOKS_AT orders at most: a rare filter may yield a short or empty page with more to come.
        """
        now = self._clock.now()
        before = decode_cursor(cursor) if cursor is not None else None
        known = wanted.is_known_to_indexes
        most = limit + 1 if known else LOOKS_AT
        seen = newest(scope, wanted, now, most, _SEEN, before=before)
        meant = (
            select(seen.c.id)
            .where(*looked_at(scope, wanted, seen.c))
            .order_by(seen.c.id.desc())
            .limit(limit + 1)
        )
        async with self._database.read(scope) as session:
            # In two steps: joined with the rows themselves, the database might read all of them instead.
            ids = (await session.scalars(meant)).all()
            found = (await session.execute(_rows(scope, ids))).all()
            short = not known and len(found) <= limit
            last = (await session.execute(_last_of(seen))).scalar() if short else None
        shown = []
        for order, tenant_name, sub_mch_id, provider_name, mode, kind in found:
            record = OrderRecord.of(order, mode)
            attention = record.needs_attention(now)
            shown.append(OrderRow(record, tenant_name, sub_mch_id, provider_name, attention, kind))
        return page(shown, limit) if last is None else Page(shown, encode_cursor(last))

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

    async def count(self, scope: ReadScope, wanted: OrderFilter, most: int) -> Count:
        """Return how many orders of the filter there are among the newest `most`."""
        async with self._database.read(scope) as session:
            return await figures.count(session, scope, wanted, self._clock.now(), most)

    async def tabs(self, scope: ReadScope, wanted: OrderFilter) -> dict[Tab, Count]:
        """Return how many orders of the filter each tab holds, whatever tab the filter names."""
        async with self._database.read(scope) as session:
            return await figures.tabs(session, scope, wanted, self._clock.now())


def _rows(scope: ReadScope, ids: Sequence[str]) -> Select[Order, str, str | None, str, str, str | None]:
    """Return the query for the orders of these ids with what a list shows of them, newest first."""
    own_tenant = and_(Tenant.provider_id == Order.provider_id, Tenant.id == Order.tenant_id)
    own_app = and_(
        *within(scope, AppBinding),
        AppBinding.provider_id == Order.provider_id,
        AppBinding.tenant_id == Order.tenant_id,
        AppBinding.sub_appid == Order.sub_appid,
    )
    return (
        select(Order, Tenant.name, Tenant.sub_mch_id, Provider.name, Provider.mode, AppBinding.kind)
        .join(Tenant, own_tenant)
        .join(Provider, Provider.id == Order.provider_id)
        .outerjoin(AppBinding, own_app)
        .where(*within(scope), Order.id.in_(ids))
        .order_by(Order.id.desc())
    )


def _last_of(seen: Subquery) -> Select[Any]:
    """Return the id after which to look on; nothing when all there is was looked at."""
    ids = select(func.min(seen.c.id)).select_from(seen)
    return ids.having(func.count() == LOOKS_AT)


def _children(scope: ReadScope, query: Select[Any], child: Any, order: Order) -> Select[Any]:
    own = query.where(child.tenant_id == order.tenant_id, child.order_id == order.id)
    return own if isinstance(scope, PlatformScope) else own.where(child.provider_id == order.provider_id)
