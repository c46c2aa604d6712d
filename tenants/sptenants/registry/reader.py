"""Read models of tenants: the list and one tenant whole. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.registry.caller import TenantProfile
from sptenants.registry.models import ApiKey, AppBinding, Tenant

ReadScope = TenantScope | ProviderScope | PlatformScope


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """`q` matches part of the name, or one of the tenant's numbers exactly: id, sub_mch_id, bound appid."""

    status: str | None = None
    statuses: frozenset[str] = frozenset()
    """Any of these; empty for all."""
    q: str | None = None
    among: frozenset[str] | None = None
    """Only these, and those with a binding that WeChat does not accept."""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A line of the list."""

    id: str
    name: str
    sub_mch_id: str | None
    status: str
    mode: str
    provider_id: str
    provider_name: str
    bindings_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BindingRow:
    """A binding as people see it: of the secret only whether there is one and which."""

    id: str
    slot: int
    sub_appid: str
    name: str | None
    kind: str
    owner: str
    status: str
    has_secret: bool
    secret_fingerprint: str | None
    secret_hint: str | None
    secret_changed_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    id: str
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class TenantDetail:
    """One tenant with everything the registry knows; keys in use first, then revoked ones.

    `contact_hint` is whom to ask, masked: `name`, `phone`, `email` as far as they are known.
    """

    tenant: TenantProfile
    provider: ProviderProfile
    short_name: str | None
    contact_hint: Mapping[str, str]
    settlement_note: str | None
    merchant_refunds: bool
    refunds_double_payments: bool
    own_bills: bool
    created_at: datetime
    updated_at: datetime
    bindings: tuple[BindingRow, ...]
    api_keys: tuple[ApiKeyRow, ...]


class TenantReader:
    """Reads tenants for API and console; the scope decides which."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: TenantFilter, limit: int, cursor: str | None = None
    ) -> Page[TenantRow]:
        """Return a page, newest first. Raises InvalidInput for a cursor we did not make."""
        bindings = (
            select(func.count(AppBinding.id))
            .where(AppBinding.provider_id == Tenant.provider_id, AppBinding.tenant_id == Tenant.id)
            .scalar_subquery()
        )
        query = (
            select(Tenant, Provider.name, Provider.mode, bindings)
            .join(Provider, Provider.id == Tenant.provider_id)
            .where(*_within(scope), *_matching(wanted))
            .order_by(Tenant.id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(Tenant.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        return page([_row(tenant, *rest) for tenant, *rest in found], limit)

    async def counts(self, scope: ReadScope) -> Mapping[str, int]:
        """Return how many tenants there are in each status; a status without any is absent."""
        query = (
            select(Tenant.status, func.count(Tenant.id))
            .join(Provider, Provider.id == Tenant.provider_id)
            .where(*_within(scope))
            .group_by(Tenant.status)
        )
        async with self._database.read(scope) as session:
            return dict((await session.execute(query)).all())

    async def count(self, scope: ReadScope, wanted: TenantFilter) -> int:
        """Return how many tenants of a service provider match."""
        query = (
            select(func.count(Tenant.id))
            .join(Provider, Provider.id == Tenant.provider_id)
            .where(*_within(scope), *_matching(wanted))
        )
        async with self._database.read(scope) as session:
            return (await session.scalar(query)) or 0

    async def detail(self, scope: ReadScope, tenant_id: str) -> TenantDetail:
        """Return one tenant. Raises NotFound, also for one outside of the scope (Y3)."""
        query = (
            select(Tenant, Provider)
            .join(Provider, Provider.id == Tenant.provider_id)
            .where(*_within(scope), Tenant.id == tenant_id)
        )
        async with self._database.read(scope) as session:
            row = (await session.execute(query)).one_or_none()
            if row is None:
                raise NotFound
            tenant, provider = row
            bindings = await _bindings(session, tenant)
            keys = await _keys(session, tenant)
        return TenantDetail(
            tenant=TenantProfile.of(tenant),
            provider=ProviderProfile.of(provider),
            short_name=tenant.short_name,
            contact_hint=tenant.contact_hint or {},
            settlement_note=tenant.settlement_note,
            merchant_refunds=tenant.merchant_refunds,
            refunds_double_payments=tenant.refunds_double_payments,
            own_bills=tenant.own_bills,
            created_at=tenant.created_at,
            updated_at=tenant.updated_at,
            bindings=bindings,
            api_keys=keys,
        )


def _within(scope: ReadScope) -> list[ColumnElement[bool]]:
    match scope:
        case TenantScope():
            return [
                Tenant.provider_id == scope.provider_id,
                Tenant.id == scope.tenant_id,
            ]
        case ProviderScope():
            return [Tenant.provider_id == scope.provider_id]
        case PlatformScope():
            return []


def _matching(wanted: TenantFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status:
        conditions.append(Tenant.status == wanted.status)
    if wanted.statuses:
        conditions.append(Tenant.status.in_(sorted(wanted.statuses)))
    if wanted.among is not None:
        refused = select(AppBinding.tenant_id).where(
            AppBinding.provider_id == Tenant.provider_id,
            AppBinding.tenant_id == Tenant.id,
            AppBinding.status == "invalid",
        )
        conditions.append(or_(Tenant.id.in_(sorted(wanted.among)), refused.exists()))
    if wanted.q:
        bound = select(AppBinding.tenant_id).where(
            AppBinding.provider_id == Tenant.provider_id,
            AppBinding.tenant_id == Tenant.id,
            AppBinding.sub_appid == wanted.q,
        )
        conditions.append(
            or_(
                Tenant.name.icontains(wanted.q, autoescape=True),
                Tenant.id == wanted.q,
                Tenant.sub_mch_id == wanted.q,
                bound.exists(),
            )
        )
    return conditions


def _row(tenant: Tenant, provider_name: str, mode: str, bindings: int) -> TenantRow:
    return TenantRow(
        id=tenant.id,
        name=tenant.name,
        sub_mch_id=tenant.sub_mch_id,
        status=tenant.status,
        mode=mode,
        provider_id=tenant.provider_id,
        provider_name=provider_name,
        bindings_count=bindings,
        created_at=tenant.created_at,
    )


def _owned(table: Any, tenant: Tenant) -> ColumnElement[bool]:
    return and_(table.provider_id == tenant.provider_id, table.tenant_id == tenant.id)


async def _bindings(session: AsyncSession, tenant: Tenant) -> tuple[BindingRow, ...]:
    rows = await session.scalars(
        select(AppBinding).where(_owned(AppBinding, tenant)).order_by(AppBinding.slot)
    )
    return tuple(binding_row(row) for row in rows)


def binding_row(row: AppBinding) -> BindingRow:
    """Return a binding without its secret."""
    return BindingRow(
        id=row.id,
        slot=row.slot,
        sub_appid=row.sub_appid,
        name=row.name,
        kind=row.kind,
        owner=row.owner,
        status=row.status,
        has_secret=row.secret_version > 0,
        secret_fingerprint=row.secret_fingerprint,
        secret_hint=row.secret_hint,
        secret_changed_at=row.secret_changed_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def _keys(session: AsyncSession, tenant: Tenant) -> tuple[ApiKeyRow, ...]:
    rows = await session.scalars(
        select(ApiKey)
        .where(_owned(ApiKey, tenant))
        .order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
    )
    return tuple(
        ApiKeyRow(
            id=row.id,
            name=row.name,
            hint=row.hint,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    )
