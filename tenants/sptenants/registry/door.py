"""The door: from a credential to the provider and tenant it stands for, in one statement each (rule Y1).

Whatever a caller says about itself elsewhere (path, body, query) never widens what its credential gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, and_, bindparam, func, or_, select, update

from spcore.audit.actor import Actor
from spcore.clock import Clock, SystemClock
from spcore.db.base import Model, table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, ProviderScope, TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import is_id
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.registry.caller import Caller, TenantProfile
from sptenants.registry.errors import Forbidden, TenantNotLive, Unauthenticated
from sptenants.registry.models import ApiKey, Tenant
from sptenants.registry.rights import Use, require
from sptenants.registry.tokens import is_api_key, is_route_key, token_hash

USE_NOTED_EVERY = timedelta(hours=1)
"""How stale `last_used_at` of a key may be: noting every use would be a commit for every request."""


@dataclass(frozen=True, slots=True)
class ProviderCaller:
    """A request on behalf of a service provider, not of one of its tenants."""

    provider: ProviderProfile
    actor: Actor

    @property
    def scope(self) -> ProviderScope:
        return ProviderScope(self.provider.id)


@dataclass(frozen=True, slots=True)
class RouteOwner:
    """Whom a notify address belongs to; `tenant` is None for a provider-wide address."""

    provider: ProviderProfile
    tenant: TenantProfile | None


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    provider_id: str
    tenant_id: str | None
    name: str
    rights: list[str] | None
    networks: list[str] | None
    last_used_at: datetime | None


def _columns(model: type[Model], profile: type[_Key | ProviderProfile | TenantProfile]) -> list[Column[Any]]:
    """Return the columns of `model` that `profile` is made of, in the order of its fields."""
    return [table_of(model).c[field.name] for field in fields(profile)]


_KEYS, _PROVIDERS, _TENANTS = table_of(ApiKey), table_of(Provider), table_of(Tenant)
_KEY = _columns(ApiKey, _Key)
_OWNER = [*_columns(Provider, ProviderProfile), *_columns(Tenant, TenantProfile)]

_BY_API_KEY = (
    select(*_KEY, *_OWNER)
    .join(_PROVIDERS, _PROVIDERS.c.id == _KEYS.c.provider_id)
    .outerjoin(
        _TENANTS,
        and_(
            _TENANTS.c.provider_id == _KEYS.c.provider_id,
            _TENANTS.c.id == func.coalesce(_KEYS.c.tenant_id, bindparam("tenant_id")),
        ),
    )
    .select_from(_KEYS)
    .where(_KEYS.c.secret_hash == bindparam("secret_hash"), _KEYS.c.revoked_at.is_(None))
)
_BY_ROUTE_KEY = (
    select(*_OWNER)
    .select_from(_PROVIDERS)
    .outerjoin(
        _TENANTS,
        and_(_TENANTS.c.provider_id == _PROVIDERS.c.id, _TENANTS.c.route_key == bindparam("route_key")),
    )
    .where(
        or_(
            _PROVIDERS.c.route_key == bindparam("route_key"),
            _TENANTS.c.route_key == bindparam("route_key"),
        )
    )
)


class Door:
    """Checks credentials. Format first, so that nonsense costs no statement."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def by_api_key(self, presented: str, tenant_header: str | None, use: Use | None = None) -> Caller:
        """Return the tenant for whom `presented` speaks, for the use that is named.

        A tenant's key speaks for its tenant; a provider's key for the tenant of its own that the header
        `Tenant-Id` names. Raises Unauthenticated, Forbidden (not for this use, provider suspended),
        InvalidInput (provider key without the header), NotFound (a tenant that is not the key's),
        TenantNotLive (O13, T04).
        """
        key, provider, tenant = await self._find(presented, tenant_header)
        if use is not None:
            require(key.rights, key.networks, use)
        if key.tenant_id is None and tenant_header is None:
            raise InvalidInput(_TENANT_HEADER_MISSING)
        if tenant is None or (tenant_header is not None and tenant.id != tenant_header):
            raise NotFound
        caller = Caller(provider, tenant, _actor(key))
        require_open(provider, tenant)
        await self._note_use(key)
        return caller

    async def provider_by_key(self, presented: str, use: Use | None = None) -> ProviderCaller:
        """Return the provider for whom `presented` speaks, for the use that is named.

        Raises Unauthenticated, also for a tenant's key (T04), and Forbidden (not for this use, provider
        suspended).
        """
        if not presented.startswith("wpk_"):
            raise Unauthenticated(_PROVIDER_KEY_NEEDED)
        key, provider, _tenant = await self._find(presented, None)
        if use is not None:
            require(key.rights, key.networks, use)
        require_active(provider)
        await self._note_use(key)
        return ProviderCaller(provider, _actor(key))

    async def by_route_key(self, route_key: str) -> RouteOwner | None:
        """Return the owner of a notify address, whatever its state: money paid before a suspension is
        still money (O13). None when the address is nobody's.
        """
        if not is_route_key(route_key):
            return None
        async with self._database.read(DoorScope()) as session:
            row = (await session.execute(_BY_ROUTE_KEY, {"route_key": route_key})).one_or_none()
        return RouteOwner(*_owner(row)) if row is not None else None

    async def by_tenant_id(self, tenant_id: str) -> tuple[ProviderProfile, TenantProfile] | None:
        """Return a tenant and its provider, for the public sign-in of its mini-program; None when unknown."""
        if not is_id(tenant_id, "ten"):
            return None
        query = (
            select(Provider, Tenant)
            .join(Tenant, Tenant.provider_id == Provider.id)
            .where(Tenant.id == tenant_id)
        )
        async with self._database.read(DoorScope()) as session:
            row = (await session.execute(query)).one_or_none()
        if row is None:
            return None
        provider, tenant = row
        return ProviderProfile.of(provider), TenantProfile.of(tenant)

    async def _find(
        self, presented: str, tenant_header: str | None
    ) -> tuple[_Key, ProviderProfile, TenantProfile | None]:
        if not is_api_key(presented):
            raise Unauthenticated
        values = {"secret_hash": token_hash(presented), "tenant_id": tenant_header or ""}
        async with self._database.read(DoorScope()) as session:
            row = (await session.execute(_BY_API_KEY, values)).one_or_none()
        if row is None:
            raise Unauthenticated
        return _Key(*row[: len(_KEY)]), *_owner(row[len(_KEY) :])

    async def _note_use(self, key: _Key) -> None:
        now = self._clock.now()
        stale = now - USE_NOTED_EVERY
        if key.last_used_at is not None and key.last_used_at > stale:
            return
        change = (
            update(ApiKey)
            .where(ApiKey.provider_id == key.provider_id, ApiKey.id == key.id)
            .where(or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= stale))
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )
        scope: ProviderScope | TenantScope = ProviderScope(key.provider_id)
        if key.tenant_id is not None:
            scope = TenantScope(key.provider_id, key.tenant_id)
            change = change.where(ApiKey.tenant_id == key.tenant_id)
        async with self._database.write(scope) as session:
            await session.execute(change)


def require_active(provider: ProviderProfile) -> None:
    """Raise Forbidden unless the service provider may act at present (O13)."""
    if provider.status != "active":
        raise Forbidden(
            Text(
                "该服务商已被平台暂停，请联系平台管理员。",
                "This service provider is suspended; ask the platform.",
            )
        )


def require_open(provider: ProviderProfile, tenant: TenantProfile) -> None:
    """Raise Forbidden or TenantNotLive unless provider and tenant may take money at present (O13)."""
    require_active(provider)
    if tenant.status != "live":
        raise TenantNotLive(tenant.status, tenant.id)


def require_open_for_trial(provider: ProviderProfile, tenant: TenantProfile) -> None:
    """Raise Forbidden or TenantNotLive unless a trial payment may be made: before going live, too (B-11)."""
    require_active(provider)
    if tenant.status not in {"onboarding", "ready", "live"}:
        raise TenantNotLive(tenant.status, tenant.id)


def _owner(row: Sequence[Any]) -> tuple[ProviderProfile, TenantProfile | None]:
    """Return what the columns _OWNER of a row hold; an outer join may have met no tenant."""
    split = len(fields(ProviderProfile))
    provider, tenant = row[:split], row[split:]
    return ProviderProfile(*provider), TenantProfile(*tenant) if tenant[0] is not None else None


def _actor(key: _Key) -> Actor:
    return Actor("api_key", key.id, key.name)


_TENANT_HEADER_MISSING = Fault(
    "Tenant-Id",
    "missing",
    Text(
        "使用服务商密钥时必须用请求头 Tenant-Id 指明特约商户（ten_…）。",
        "is required with a service provider's key: name the sub-merchant (ten_…) in this header.",
    ),
)
_PROVIDER_KEY_NEEDED = Text(
    "该接口只接受服务商密钥（wpk_…）。", "This needs a service provider's own key (wpk_…)."
)
