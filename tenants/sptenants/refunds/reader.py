"""Read models of refunds. They read; nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, func, select

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import TenantScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from sptenants.orders.filters import ReadScope
from sptenants.orders.models import Order
from sptenants.refunds.filters import RefundFilter, matching, within
from sptenants.refunds.models import Refund
from sptenants.refunds.records import RefundRecord
from sptenants.registry.models import Tenant
from wechatpay.money import Fen


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A line of the list."""

    refund: RefundRecord
    merchant_order_no: str
    description: str
    tenant_name: str
    sub_mch_id: str | None
    provider_name: str

    @property
    def id(self) -> str:
        return self.refund.id


class RefundReader:
    """Reads refunds for API, console and merchant pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: RefundFilter, limit: int, cursor: str | None = None
    ) -> Page[RefundRow]:
        """Return a page, newest first. Raises InvalidInput for a cursor we did not make."""
        own_order = and_(
            Order.provider_id == Refund.provider_id,
            Order.tenant_id == Refund.tenant_id,
            Order.id == Refund.order_id,
        )
        query = (
            select(
                Refund,
                Order.merchant_order_no,
                Order.description,
                Tenant.name,
                Tenant.sub_mch_id,
                Provider.name,
                Provider.mode,
            )
            .join(Order, own_order)
            .join(Tenant, and_(Tenant.provider_id == Refund.provider_id, Tenant.id == Refund.tenant_id))
            .join(Provider, Provider.id == Refund.provider_id)
            .where(*within(scope), *matching(wanted))
            .order_by(Refund.id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(Refund.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        shown = [
            RefundRow(RefundRecord.of(refund, mode), number, description, tenant, sub_mch_id, provider)
            for refund, number, description, tenant, sub_mch_id, provider, mode in found
        ]
        return page(shown, limit)

    async def count(self, scope: ReadScope, wanted: RefundFilter, most: int) -> int:
        """Return how many refunds of the filter there are, counting no further than `most`."""
        found = select(Refund.id).where(*within(scope), *matching(wanted)).limit(most).subquery()
        async with self._database.read(scope) as session:
            return (await session.execute(select(func.count()).select_from(found))).scalar_one()

    async def record(self, scope: ReadScope, refund_id: str) -> RefundRecord:
        """Return one refund. Raises NotFound, also for somebody else's (rule Y3)."""
        query = (
            select(Refund, Provider.mode)
            .join(Provider, Provider.id == Refund.provider_id)
            .where(*within(scope), Refund.id == refund_id)
        )
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound
        return RefundRecord.of(*found)

    async def of_order(self, scope: ReadScope, order_id: str) -> tuple[RefundRecord, ...]:
        """Return the refunds of one order, newest first; none for somebody else's."""
        query = (
            select(Refund, Provider.mode)
            .join(Provider, Provider.id == Refund.provider_id)
            .where(*within(scope), Refund.order_id == order_id)
            .order_by(Refund.id.desc())
        )
        async with self._database.read(scope) as session:
            return tuple(RefundRecord.of(*row) for row in (await session.execute(query)).all())

    async def approval_limit(self, scope: TenantScope) -> Fen | None:
        """Return the amount above which a person's refund waits for a second one; None: it never does."""
        query = select(Provider.refund_approval_above).where(Provider.id == scope.provider_id)
        async with self._database.read(scope) as session:
            above = await session.scalar(query)
        return None if above is None else Fen(above)
