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
    q: str | None = None


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
    kind: str
    owner: str
    status: str
    has_secret: bool
    secret_fingerprint: str | None
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
    """One tenant with everything the registry knows; keys in use first, then revoked ones."""

    tenant: TenantProfile
    provider: ProviderProfile
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
    return tuple(
        BindingRow(
            id=row.id,
            slot=row.slot,
            sub_appid=row.sub_appid,
            kind=row.kind,
            owner=row.owner,
            status=row.status,
            has_secret=row.secret_version > 0,
            secret_fingerprint=row.secret_fingerprint,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
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
