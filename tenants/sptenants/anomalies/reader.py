"""Queries of the work list and of the heal log, newest first, for a tenant, a provider or the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, select

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import NotFound
from sptenants.anomalies.records import AnomalyFilter, AnomalyRecord, HealFilter, HealRecord
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong
from sptenants.orders.models import AnomalyRow, Heal, Order
from sptenants.registry.models import Tenant
from wechatpay.money import Fen

ReadScope = TenantScope | ProviderScope | PlatformScope


class AnomalyReader:
    """Reads anomalies and heals; the scope decides which, the filter only narrows (rule Y4)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: AnomalyFilter, limit: int, cursor: str | None = None
    ) -> Page[AnomalyRecord]:
        """Return a page. Raises InvalidInput for a cursor we did not make."""
        query = (
            _anomalies(scope)
            .where(*_matching(AnomalyRow, AnomalyRow.raised_at, wanted))
            .order_by(AnomalyRow.id.desc())
            .limit(limit + 1)
        )
        if wanted.state is not None:
            query = query.where(AnomalyRow.state == wanted.state)
        if wanted.kind is not None:
            query = query.where(AnomalyRow.kind == wanted.kind.value)
        if wanted.provider_id is not None:
            query = query.where(AnomalyRow.provider_id == wanted.provider_id)
        if cursor is not None:
            query = query.where(AnomalyRow.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        return page([_anomaly(row) for row in found], limit)

    async def record(self, scope: ReadScope, anomaly_id: str) -> AnomalyRecord:
        """Return one anomaly. Raises NotFound, also for somebody else's (rule Y3)."""
        async with self._database.read(scope) as session:
            query = _anomalies(scope).where(AnomalyRow.id == anomaly_id)
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound
        return _anomaly(found)

    async def open_counts(self, scope: ReadScope, tenant_id: str | None = None) -> Mapping[AnomalyKind, int]:
        """Return how many are open of each kind, of one tenant or of the whole scope; none is absent."""
        query = (
            select(AnomalyRow.kind, func.count(AnomalyRow.id))
            .where(*_within(scope, AnomalyRow), AnomalyRow.state == "open")
            .group_by(AnomalyRow.kind)
        )
        if tenant_id is not None:
            query = query.where(AnomalyRow.tenant_id == tenant_id)
        async with self._database.read(scope) as session:
            return {AnomalyKind(kind): count for kind, count in await session.execute(query)}

    async def heals(
        self, scope: ReadScope, wanted: HealFilter, limit: int, cursor: str | None = None
    ) -> Page[HealRecord]:
        """Return a page of the heal log. Raises InvalidInput for a cursor we did not make."""
        query = (
            select(Heal)
            .where(*_within(scope, Heal), *_matching(Heal, Heal.healed_at, wanted))
            .order_by(Heal.id.desc())
            .limit(limit + 1)
        )
        if wanted.wrong is not None:
            query = query.where(Heal.wrong == wanted.wrong.value)
        if cursor is not None:
            query = query.where(Heal.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = await session.scalars(query)
            return page([_heal(row) for row in found], limit)


def _anomalies(scope: ReadScope) -> Select[AnomalyRow, str, str, int]:
    return (
        select(AnomalyRow, Tenant.name, Order.merchant_order_no, Order.amount)
        .join(Tenant, and_(Tenant.provider_id == AnomalyRow.provider_id, Tenant.id == AnomalyRow.tenant_id))
        .outerjoin(
            Order,
            and_(
                Order.provider_id == AnomalyRow.provider_id,
                Order.tenant_id == AnomalyRow.tenant_id,
                Order.id == AnomalyRow.order_id,
            ),
        )
        .where(*_within(scope, AnomalyRow))
    )


def _within(scope: ReadScope, table: type[AnomalyRow | Heal]) -> tuple[ColumnElement[bool], ...]:
    match scope:
        case TenantScope():
            return (table.provider_id == scope.provider_id, table.tenant_id == scope.tenant_id)
        case ProviderScope():
            return (table.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def _matching(
    table: type[AnomalyRow | Heal], at: Any, wanted: AnomalyFilter | HealFilter
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.order_id is not None:
        conditions.append(table.order_id == wanted.order_id)
    if wanted.tenant_id is not None:
        conditions.append(table.tenant_id == wanted.tenant_id)
    if wanted.created_from is not None:
        conditions.append(at >= wanted.created_from)
    if wanted.created_to is not None:
        conditions.append(at < wanted.created_to)
    return conditions


def _anomaly(found: Row[AnomalyRow, str, str, int]) -> AnomalyRecord:
    row, tenant_name, merchant_order_no, order_amount = found
    amount = row.facts.get("amount", order_amount)
    return AnomalyRecord(
        id=row.id,
        provider_id=row.provider_id,
        tenant_id=row.tenant_id,
        tenant_name=tenant_name,
        kind=AnomalyKind(row.kind),
        state="open" if row.state == "open" else "resolved",
        order_id=row.order_id,
        refund_id=row.refund_id,
        merchant_order_no=merchant_order_no,
        amount=Fen(amount) if amount is not None else None,
        facts=row.facts,
        seen=row.seen,
        raised_at=row.raised_at,
        last_seen_at=row.last_seen_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        note=row.note,
    )


def _heal(row: Heal) -> HealRecord:
    return HealRecord(
        id=row.id,
        provider_id=row.provider_id,
        tenant_id=row.tenant_id,
        order_id=row.order_id,
        refund_id=row.refund_id,
        wrong=Wrong(row.wrong),
        before=row.before,
        after=row.after,
        since=row.since,
        healed_at=row.healed_at,
        queries=row.queries,
    )
