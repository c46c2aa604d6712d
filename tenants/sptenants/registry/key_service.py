"""API keys as people keep them: seen, made, shown once, revoked; each act with its audit row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, and_, select

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.registry import api_keys
from sptenants.registry.access import RequestFacts
from sptenants.registry.api_keys import IssuedKey
from sptenants.registry.changes import Change
from sptenants.registry.models import ApiKey, Tenant
from sptenants.registry.rights import NO_LIMITS, KeyLimits

KeyScope = ProviderScope | TenantScope


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """`tenant_id` narrows to one tenant; `own` to the provider's own keys; `in_use` to those not revoked."""

    tenant_id: str | None = None
    own: bool = False
    in_use: bool = False


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as people see it: never the key itself. Without a tenant it is the service provider's own."""

    id: str
    tenant_id: str | None
    tenant_name: str | None
    name: str
    hint: str
    rights: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    created_by: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: Row[ApiKey, str]) -> KeyRow:
        key, tenant_name = row
        return cls(
            id=key.id,
            tenant_id=key.tenant_id,
            tenant_name=tenant_name,
            name=key.name,
            hint=key.hint,
            rights=None if key.rights is None else tuple(key.rights),
            networks=None if key.networks is None else tuple(key.networks),
            created_by=key.created_by,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )


class ApiKeys:
    """A merchant's people keep the keys of their tenant, a service provider's also its own.

    What is outside of the scope is not there (Y3): NotFound.
    """

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def list(
        self, scope: KeyScope, wanted: KeyFilter, limit: int, cursor: str | None = None
    ) -> Page[KeyRow]:
        """Return a page, newest first. Raises InvalidInput for a cursor we did not make."""
        query = _rows(scope).where(*_matching(wanted)).order_by(ApiKey.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(ApiKey.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        return page([KeyRow.of(row) for row in found], limit)

    async def key(self, scope: KeyScope, key_id: str) -> KeyRow:
        """Return one key, revoked or not. Raises NotFound."""
        async with self._database.read(scope) as session:
            found = (await session.execute(_rows(scope).where(ApiKey.id == key_id))).one_or_none()
        if found is None:
            raise NotFound
        return KeyRow.of(found)

    async def create(
        self,
        scope: KeyScope,
        tenant_id: str | None,
        name: str,
        by: Actor,
        *,
        limits: KeyLimits = NO_LIMITS,
        facts: RequestFacts | None = None,
    ) -> IssuedKey:
        """Make a key of a tenant, or without one of the provider itself; the answer is the only sight of it.

        Raises NotFound, InvalidInput.
        """
        _require_inside(scope, tenant_id)
        async with self._change(scope, by, facts) as change:
            return await api_keys.issue(change, tenant_id, name, limits=limits)

    async def check(
        self, scope: KeyScope, tenant_id: str | None, name: str, by: Actor, limits: KeyLimits
    ) -> None:
        """Raises what `create` would raise at this moment; nothing is stored."""
        _require_inside(scope, tenant_id)
        async with self._change(scope, by, None) as change:
            await api_keys.check(change, tenant_id, name, limits)

    async def revoke(
        self, scope: KeyScope, key_id: str, by: Actor, facts: RequestFacts | None = None
    ) -> None:
        """End a key for good. Raises NotFound, also for one that is revoked already."""
        tenant_id = scope.tenant_id if isinstance(scope, TenantScope) else None
        async with self._change(scope, by, facts) as change:
            await api_keys.revoke(change, key_id, tenant_id)

    @asynccontextmanager
    async def _change(self, scope: KeyScope, by: Actor, facts: RequestFacts | None) -> AsyncIterator[Change]:
        async with self._database.write(scope) as session:
            provider = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
            if provider is None:
                raise NotFound
            change = Change(session, self._vault, ProviderProfile.of(provider), by, self._clock.now(), facts)
            await change.lock()
            yield change


def _require_inside(scope: KeyScope, tenant_id: str | None) -> None:
    if isinstance(scope, TenantScope) and tenant_id != scope.tenant_id:
        raise NotFound


def _rows(scope: KeyScope) -> Select[ApiKey, str]:
    same = and_(Tenant.provider_id == ApiKey.provider_id, Tenant.id == ApiKey.tenant_id)
    query = select(ApiKey, Tenant.name).outerjoin(Tenant, same)
    query = query.where(ApiKey.provider_id == scope.provider_id)
    return query.where(ApiKey.tenant_id == scope.tenant_id) if isinstance(scope, TenantScope) else query


def _matching(wanted: KeyFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.tenant_id is not None:
        conditions.append(ApiKey.tenant_id == wanted.tenant_id)
    if wanted.own:
        conditions.append(ApiKey.tenant_id.is_(None))
    if wanted.in_use:
        conditions.append(ApiKey.revoked_at.is_(None))
    return conditions
