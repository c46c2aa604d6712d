"""Queries of differences and daily statements, newest first, for a tenant, a provider or the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, encode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import is_id
from spcore.providers.models import Provider
from sptenants.reconciliation.models import Difference, Statement
from sptenants.reconciliation.records import (
    DifferenceFilter,
    DifferenceRecord,
    ProviderDay,
    StatementFilter,
    StatementRecord,
)
from sptenants.reconciliation.states import (
    DifferenceDetail,
    DifferenceKind,
    DifferenceState,
    Resolution,
    StatementState,
)
from sptenants.registry.models import Tenant
from wechatpay.money import Fen

ReadScope = TenantScope | ProviderScope | PlatformScope

MOST = 1_000
"""Open differences are counted no further than this."""

_SUMMED = (
    "paid_count",
    "paid_amount",
    "refunded_count",
    "refunded_amount",
    "bill_paid_count",
    "bill_paid_amount",
    "bill_refunded_count",
    "bill_refunded_amount",
    "bill_fee",
    "suspended_count",
)


class DifferenceReader:
    """Reads differences; the scope decides which, the filter only narrows (rule Y4).

    What concerns no tenant is outside of every tenant's scope (failure catalogue L05).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: DifferenceFilter, limit: int, cursor: str | None = None
    ) -> Page[DifferenceRecord]:
        """Return a page. Raises InvalidInput for a cursor we did not make."""
        query = _differences(scope).where(*_matching(wanted)).order_by(Difference.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(Difference.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        return page([_difference(row) for row in found], limit)

    async def record(self, scope: ReadScope, difference_id: str) -> DifferenceRecord:
        """Return one difference. Raises NotFound, also for somebody else's (rule Y3)."""
        query = _differences(scope).where(Difference.id == difference_id)
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound
        return _difference(found)

    async def open_count(self, scope: ReadScope) -> int:
        """Return how many are open, counting no further than MOST."""
        still_open = (
            select(Difference.id)
            .where(*_within(scope, Difference), Difference.state == DifferenceState.OPEN.value)
            .limit(MOST)
            .subquery()
        )
        async with self._database.read(scope) as session:
            return (await session.execute(select(func.count()).select_from(still_open))).scalar_one()


class StatementReader:
    """Reads daily statements; the scope decides whose."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: StatementFilter, limit: int, cursor: str | None = None
    ) -> Page[StatementRecord]:
        """Return a page, newest day first. Raises InvalidInput for a cursor we did not make."""
        query = (
            _statements(scope)
            .where(*_wanted(wanted))
            .order_by(Statement.bill_date.desc(), Statement.tenant_id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(tuple_(Statement.bill_date, Statement.tenant_id) < _after(cursor))
        async with self._database.read(scope) as session:
            found = [_statement(row) for row in (await session.execute(query)).all()]
        if len(found) <= limit:
            return Page(found, None)
        last = found[limit - 1]
        return Page(found[:limit], encode_cursor(f"{last.day:%Y%m%d}_{last.tenant_id}"))

    async def of_day(
        self,
        scope: ReadScope,
        day: date,
        limit: int,
        cursor: str | None = None,
        wanted: StatementFilter | None = None,
    ) -> Page[StatementRecord]:
        """Return a page of one day's. Raises InvalidInput for a cursor we did not make."""
        of_this_day = replace(wanted or StatementFilter(), first=day, last=day)
        return await self.list(scope, of_this_day, limit, cursor)

    async def record(self, scope: ReadScope, tenant_id: str, day: date) -> StatementRecord:
        """Return a tenant's statement. Raises NotFound, also for somebody else's (rule Y3)."""
        async with self._database.read(scope) as session:
            found = await statement_of(session, scope, tenant_id, day)
        if found is None:
            raise NotFound
        return found

    async def provider_days(
        self, scope: ReadScope, days: Sequence[date], wanted: StatementFilter | None = None
    ) -> Mapping[tuple[str, date], ProviderDay]:
        """Return the sums by provider and day; a provider without anything on a day is absent.

        `wanted` narrows to a provider or a tenant; its days and state are not asked.
        """
        narrowed = replace(wanted or StatementFilter(), first=None, last=None, state=None)
        state = Statement.state
        sums = (
            select(
                Statement.provider_id,
                Statement.bill_date,
                func.count(Statement.id),
                func.sum(case((state == StatementState.BALANCED.value, 1), else_=0)),
                func.sum(case((state == StatementState.DIFFERENT.value, 1), else_=0)),
                *(func.sum(getattr(Statement, name)) for name in _SUMMED),
            )
            .where(*_within(scope, Statement), *_wanted(narrowed), Statement.bill_date.in_(days))
            .group_by(Statement.provider_id, Statement.bill_date)
        )
        still_open = (
            select(Difference.provider_id, Difference.bill_date, func.count(Difference.id))
            .where(
                *_within(scope, Difference),
                *_matching(DifferenceFilter(tenant_id=narrowed.tenant_id, provider_id=narrowed.provider_id)),
                Difference.state == DifferenceState.OPEN.value,
                Difference.bill_date.in_(days),
            )
            .group_by(Difference.provider_id, Difference.bill_date)
        )
        found: dict[tuple[str, date], ProviderDay] = {}
        async with self._database.read(scope) as session:
            for provider_id, day, *numbers in await session.execute(sums):
                names = ("statements", "balanced", "different", *_SUMMED)
                # A database sums large whole numbers as decimals.
                counted = {name: int(number) for name, number in zip(names, numbers, strict=True)}
                found[provider_id, day] = ProviderDay(provider_id, day, **counted)
            for provider_id, day, count in await session.execute(still_open):
                known = found.get((provider_id, day)) or ProviderDay(provider_id, day)
                found[provider_id, day] = replace(known, open_differences=count)
        return found


async def statement_of(
    session: AsyncSession, scope: ReadScope, tenant_id: str, day: date
) -> StatementRecord | None:
    """Return a tenant's statement as the transaction sees it; None when there is none for the scope."""
    query = _statements(scope).where(Statement.tenant_id == tenant_id, Statement.bill_date == day)
    found = (await session.execute(query.execution_options(populate_existing=True))).one_or_none()
    return None if found is None else _statement(found)


def _differences(scope: ReadScope) -> Select[Difference, str | None, str]:
    return (
        select(Difference, Tenant.name, Provider.name)
        .outerjoin(
            Tenant, and_(Tenant.provider_id == Difference.provider_id, Tenant.id == Difference.tenant_id)
        )
        .join(Provider, Provider.id == Difference.provider_id)
        .where(*_within(scope, Difference))
    )


def _statements(scope: ReadScope) -> Select[Statement, str, str | None, str, str]:
    return (
        select(Statement, Tenant.name, Tenant.sub_mch_id, Provider.name, Provider.mode)
        .join(Tenant, and_(Tenant.provider_id == Statement.provider_id, Tenant.id == Statement.tenant_id))
        .join(Provider, Provider.id == Statement.provider_id)
        .where(*_within(scope, Statement))
    )


def _within(scope: ReadScope, table: type[Difference | Statement]) -> tuple[ColumnElement[bool], ...]:
    match scope:
        case TenantScope():
            return (table.provider_id == scope.provider_id, table.tenant_id == scope.tenant_id)
        case ProviderScope():
            return (table.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def _matching(wanted: DifferenceFilter) -> list[ColumnElement[bool]]:
    asked: tuple[tuple[Any, Any], ...] = (
        (Difference.state, wanted.state),
        (Difference.kind, wanted.kind),
        (Difference.tenant_id, wanted.tenant_id),
        (Difference.provider_id, wanted.provider_id),
        (Difference.order_id, wanted.order_id),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in asked if value is not None]
    if wanted.first is not None:
        conditions.append(Difference.bill_date >= wanted.first)
    if wanted.last is not None:
        conditions.append(Difference.bill_date <= wanted.last)
    if wanted.number is not None:
        names = (Difference.out_trade_no, Difference.out_refund_no, Difference.transaction_id)
        conditions.append(or_(*(name == wanted.number for name in names)))
    return conditions


def _wanted(wanted: StatementFilter) -> list[ColumnElement[bool]]:
    asked: tuple[tuple[Any, Any], ...] = (
        (Statement.state, wanted.state),
        (Statement.tenant_id, wanted.tenant_id),
        (Statement.provider_id, wanted.provider_id),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in asked if value is not None]
    if wanted.first is not None:
        conditions.append(Statement.bill_date >= wanted.first)
    if wanted.last is not None:
        conditions.append(Statement.bill_date <= wanted.last)
    return conditions


def _after(cursor: str) -> tuple[date, str]:
    """Return day and tenant that a page starts after. Raises InvalidInput."""
    day, _, tenant_id = decode_cursor(cursor).partition("_")
    try:
        if is_id(tenant_id, "ten"):
            return datetime.strptime(day, "%Y%m%d").date(), tenant_id  # noqa: DTZ007 - a day has no zone
    except ValueError:
        pass
    raise InvalidInput(Fault("#/cursor", "invalid_cursor", _BAD_CURSOR))


def _difference(found: Row[Difference, str | None, str]) -> DifferenceRecord:
    row, tenant_name, provider_name = found
    return DifferenceRecord(
        id=row.id,
        provider_id=row.provider_id,
        provider_name=provider_name,
        tenant_id=row.tenant_id,
        tenant_name=tenant_name,
        bill_id=row.bill_id,
        bill_date=row.bill_date,
        kind=DifferenceKind(row.kind),
        detail=DifferenceDetail(row.detail),
        mark=row.mark,
        out_trade_no=row.out_trade_no,
        out_refund_no=row.out_refund_no,
        transaction_id=row.transaction_id,
        order_id=row.order_id,
        refund_id=row.refund_id,
        ours=row.ours,
        theirs=row.theirs,
        facts=row.facts,
        cause=row.cause,
        cause_facts=row.cause_facts or {},
        state=DifferenceState(row.state),
        resolution=Resolution(row.resolution) if row.resolution is not None else None,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
        note=row.note,
        tries=row.tries,
        next_at=row.next_at,
        found_at=row.found_at,
        updated_at=row.updated_at,
    )


def _statement(found: Row[Statement, str, str | None, str, str]) -> StatementRecord:
    row, tenant_name, sub_mch_id, provider_name, mode = found
    return StatementRecord(
        id=row.id,
        provider_id=row.provider_id,
        provider_name=provider_name,
        tenant_id=row.tenant_id,
        tenant_name=tenant_name,
        sub_mch_id=sub_mch_id,
        mode=mode,
        day=row.bill_date,
        state=StatementState(row.state),
        paid_count=row.paid_count,
        paid_amount=Fen(row.paid_amount),
        refunded_count=row.refunded_count,
        refunded_amount=Fen(row.refunded_amount),
        bill_paid_count=row.bill_paid_count,
        bill_paid_amount=Fen(row.bill_paid_amount),
        bill_refunded_count=row.bill_refunded_count,
        bill_refunded_amount=Fen(row.bill_refunded_amount),
        bill_settled_amount=row.bill_settled_amount,
        bill_fee=row.bill_fee,
        suspended_count=row.suspended_count,
        suspended_amount=Fen(row.suspended_amount),
        differences=row.differences,
        open_differences=row.open_differences,
        proof=row.proof,
        digest=row.digest,
        made_at=row.made_at,
        updated_at=row.updated_at,
    )


_BAD_CURSOR = Text(
    "不是有效的翻页游标，请去掉该参数从头开始。", "is not a cursor of ours; leave it out to start over."
)
