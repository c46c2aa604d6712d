"""What the doctor reads of our own records before it checks anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import ProviderScope
from spcore.errors import NotFound
from spcore.providers.models import CertificateFetch, KeyKind, KeyState, Provider, ProviderKey
from spcore.providers.profile import ProviderProfile
from sptenants.registry.bindings import BindingProfile
from sptenants.registry.caller import TenantProfile
from sptenants.registry.models import AppBinding, PaymentDirectory, Tenant, WechatTick
from sptenants.webhooks.models import WebhookEndpoint

REQUEST_DOMAIN = "request_domain"
_OF_WECHAT = frozenset({KeyKind.WECHATPAY_PUBLIC_KEY.value, KeyKind.PLATFORM_CERTIFICATE.value})


@dataclass(frozen=True, slots=True)
class StoredKey:
    version: int
    sealed: bytes = field(repr=False)
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class WechatKey:
    """One of WeChat's keys in use: a public key, or a platform certificate with its end."""

    kind: KeyKind
    serial: str
    stored: StoredKey

    @property
    def is_certificate(self) -> bool:
        return self.kind is KeyKind.PLATFORM_CERTIFICATE


@dataclass(frozen=True, slots=True)
class Fetch:
    """What the last question for platform certificates came to."""

    result: str
    asked_at: datetime

    @property
    def has_failed(self) -> bool:
        return self.result not in {"asking", "fetched", "none"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    disabled_reason: str | None
    disabled: bool
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class TenantSubject:
    """One sub-merchant with everything that is checked about it."""

    profile: TenantProfile
    bindings: tuple[BindingProfile, ...]
    directories: int
    directories_confirmed: int
    request_domain_ticked: bool
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A service provider, and the sub-merchant that is asked about, if any.

    `stand_in` is a sub-merchant under whose number WeChat can be asked about the provider alone.
    """

    provider: ProviderProfile
    key: StoredKey | None
    certificate: StoredKey | None
    v3_key: StoredKey | None
    wechat_keys: tuple[WechatKey, ...]
    fetch: Fetch | None
    had_v2_key: bool
    """Whether an API v2 key was ever stored: a provider without one has no orders by v2."""
    tenant: TenantSubject | None
    stand_in: TenantProfile | None

    @property
    def speaks_v3(self) -> bool:
        return self.provider.api_version == "v3"

    def needs(self, version: str | None) -> bool:
        """Whether what an API version needs is checked: a provider on v3 may have orders by v2 left."""
        if version == "v3":
            return self.speaks_v3
        return version is None or not self.speaks_v3 or self.had_v2_key

    @property
    def asked_as(self) -> TenantProfile | None:
        """In whose name WeChat is asked."""
        return self.tenant.profile if self.tenant else self.stand_in


async def read_subject(session: AsyncSession, scope: ProviderScope, tenant_id: str | None) -> Subject:
    """Read everything at once. Raises NotFound, also for a tenant of another provider (Y3)."""
    provider = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
    if provider is None:
        raise NotFound
    stored = (
        await session.scalars(select(ProviderKey).where(ProviderKey.provider_id == scope.provider_id))
    ).all()
    active = [row for row in stored if row.state == KeyState.ACTIVE]
    keys = {KeyKind(row.kind): StoredKey(row.version, row.sealed, row.not_after) for row in active}
    fetch = await session.scalar(
        select(CertificateFetch).where(CertificateFetch.provider_id == scope.provider_id)
    )
    return Subject(
        provider=ProviderProfile.of(provider),
        key=keys.get(KeyKind.API_V2),
        certificate=keys.get(KeyKind.CLIENT_CERTIFICATE),
        v3_key=keys.get(KeyKind.API_V3),
        wechat_keys=tuple(
            WechatKey(KeyKind(row.kind), row.label or "", StoredKey(row.version, row.sealed, row.not_after))
            for row in active
            if row.kind in _OF_WECHAT
        ),
        fetch=Fetch(fetch.result, fetch.asked_at) if fetch is not None else None,
        had_v2_key=any(row.kind == KeyKind.API_V2 and row.state != KeyState.CANDIDATE for row in stored),
        tenant=await _tenant(session, scope, tenant_id) if tenant_id is not None else None,
        stand_in=await _stand_in(session, scope),
    )


async def _tenant(session: AsyncSession, scope: ProviderScope, tenant_id: str) -> TenantSubject:
    row = await session.scalar(
        select(Tenant).where(Tenant.provider_id == scope.provider_id, Tenant.id == tenant_id)
    )
    if row is None:
        raise NotFound
    bindings = await session.scalars(
        select(AppBinding)
        .where(AppBinding.provider_id == scope.provider_id, AppBinding.tenant_id == tenant_id)
        .order_by(AppBinding.slot)
    )
    directories = (
        await session.scalars(
            select(PaymentDirectory).where(
                PaymentDirectory.provider_id == scope.provider_id, PaymentDirectory.tenant_id == tenant_id
            )
        )
    ).all()
    ticked = await session.scalar(
        select(WechatTick.ticked_at).where(
            WechatTick.provider_id == scope.provider_id,
            WechatTick.tenant_id == tenant_id,
            WechatTick.code == REQUEST_DOMAIN,
        )
    )
    endpoints = await session.scalars(
        select(WebhookEndpoint).where(
            WebhookEndpoint.provider_id == scope.provider_id, WebhookEndpoint.tenant_id == tenant_id
        )
    )
    return TenantSubject(
        profile=TenantProfile.of(row),
        bindings=tuple(BindingProfile.of(binding) for binding in bindings),
        directories=len(directories),
        directories_confirmed=sum(one.confirmed_at is not None for one in directories),
        request_domain_ticked=ticked is not None,
        endpoints=tuple(
            Endpoint(one.url, one.disabled_reason, one.disabled_at is not None, one.failing_since)
            for one in endpoints
        ),
    )


async def _stand_in(session: AsyncSession, scope: ProviderScope) -> TenantProfile | None:
    """Return the sub-merchant that most surely works: one that is live, else any that is not closed."""
    rows = (
        await session.scalars(
            select(Tenant)
            .where(
                Tenant.provider_id == scope.provider_id, Tenant.status.in_(("live", "ready", "onboarding"))
            )
            .order_by((Tenant.status == "live").desc(), Tenant.id)
            .limit(1)
        )
    ).all()
    return TenantProfile.of(rows[0]) if rows else None
